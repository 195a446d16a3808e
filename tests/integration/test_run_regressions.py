"""What the law of nights found: each a small story of its own, so that it stays mended."""

from __future__ import annotations

from pathlib import Path

from tests.integration.engine_world import world
from zvirka.counterparty import Cause, Kind


def test_a_new_code_that_another_client_holds_is_reported_with_both_rows(tmp_path: Path) -> None:
    with world(tmp_path, shape="production", counterparties=8) as made:
        made.run()
        one, other = made.refs()[:2]
        codes = [str(made.base.get(ref).values["code"]) for ref in (one, other)]
        rows = tuple(made.shape.find(code)[0].row for code in codes)
        made.base.update(one, code=codes[1])
        run = made.run()
        [difference] = [d for d in made.differences(run.run) if d.ref == one]
        assert (difference.kind, difference.cause) == (Kind.REKEYED, Cause.DUPLICATE)
        assert difference.rows == rows
        assert run.exit_code == 1
