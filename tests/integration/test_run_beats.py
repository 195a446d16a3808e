"""A run is seen from another process while it works, and is stopped from there."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tests.integration.engine_world import world
from zvirka.journal.beats import BeatName, put_beat, read_beats


def test_a_run_that_is_asked_to_stop_ends_at_a_safe_place(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=300, onec={"page_bytes": 10_000}) as made:
        seen: dict[str, object] = {}

        def page(number: int) -> None:
            if number != 2:
                return
            with made.environment() as other:
                with other.journal.reading() as connection:
                    seen.update(read_beats(connection)[BeatName.RUN].detail)
                with other.journal.writing() as connection:
                    wish = {"run": seen["run"], "who": "taras"}
                    put_beat(connection, BeatName.STOP, made.clock(), wish)

        made.simulator.faults.between_pages = page
        run = made.run()
        made.simulator.faults.between_pages = None
        assert (run.status, seen["run"]) == ("interrupted", run.run)
        assert seen["phase"] in {"preflight", "pull"}
        assert isinstance(datetime.fromisoformat(str(seen["since"])), datetime)
        with made.environment() as other, other.journal.reading() as connection:
            assert set(read_beats(connection)) == set(), "nothing is left of it"
        assert made.run().exit_code == 0, "the wish was for that run only"
