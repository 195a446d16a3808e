"""Where phone and e-mail lie elsewhere, no DataVersion of a counterparty tells of a change.

A light pull has to find it all the same: at the partner, in the register, in the section.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.engine_world import world
from zvirka.domain import Cause

pytestmark = pytest.mark.long


@pytest.mark.parametrize("profile", ["accounting", "trade", "legacy", "kz"])
def test_a_light_pull_finds_what_changed_outside_the_counterparty(
    tmp_path: Path, profile: str
) -> None:
    with world(tmp_path, profile=profile, counterparties=30) as made:
        assert made.run().exit_code == 0
        phone, both, gone = made.refs()[:3]
        made.base.update(phone, phone="+380 50 111 22 33")
        made.base.update(both, name="Нова назва", phone="+380 50 444 55 66")
        made.base.delete(gone)
        run = made.run()
        assert made.row(run.run).mode == "light"
        found = {d.ref: d.cause for d in made.differences(run.run)}
        assert {phone, both, gone} <= set(found)
        assert found[phone] is Cause.MISSED_UPDATE
        assert run.exit_code == 0
        made.assert_in_sync()
        made.base.update(both, phone="+380 50 777 88 99")
        assert made.run().exit_code == 0
        made.assert_in_sync()
        assert made.run(full=True).causes == {}
