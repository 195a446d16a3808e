"""An older copy of the journal was put back: its numbers come again, earlier reports stay."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.integration.engine_world import World, world
from zvirka.report.anchor_check import anchor_problems, read_anchors


def contents(directory: Path) -> set[bytes]:
    return {path.read_bytes() for path in directory.iterdir()}


def test_no_report_of_an_earlier_run_is_overwritten(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=3, report={"formats": ["json", "html", "csv"]}) as made:
        made.run()
        journal, copy = made.settings.state_dir / "journal.db", tmp_path / "copy.db"
        shutil.copy(journal, copy)
        made.base.update(made.refs()[0], name="Змінено")
        second = made.run()
        reports = made.settings.report_directory
        before = contents(reports)

        for path in journal.parent.glob("journal.db*"):
            path.unlink()
        shutil.copy(copy, journal)
        again = made.run()

        assert again.run == second.run
        assert before < contents(reports)
        [warning] = warnings(made, again.run)
        assert "runs are missing from the journal" in warning
        assert len(list(reports.glob("zvirka-run-000002-earlier-*"))) == 4
        with made.environment() as environment:
            anchors = read_anchors([reports], [])
            told = [str(problem) for problem in anchor_problems(environment.journal, anchors)]
        assert any("run 2" in problem and "earlier" in problem for problem in told)
        assert warnings(made, made.run().run) == []


def warnings(made: World, run: int) -> list[str]:
    with made.environment() as environment:
        return [str(warning) for warning in environment.journal.get(run).facts.warnings]
