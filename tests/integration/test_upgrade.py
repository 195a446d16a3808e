"""A state directory that version 0.1.0 left behind, taken over by this one.

tests/fixtures/state-0.1.0 holds a good first load of eight counterparties and a held run of five
differences; its README says how it was made.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import OutcomeState
from zvirka.journal.chain import verify_chain
from zvirka.journal.migration import SCHEMA
from zvirka.report import write_reports
from zvirka.report.file_proof import prove_file

FIXTURE = Path(__file__).parents[1] / "fixtures" / "state-0.1.0"
HELD = 2


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[World]:
    """The old state and store, beside a 1C as it was when the run was held; a day has passed."""
    with world(tmp_path, counterparties=8, report={"formats": []}) as made:
        for name in ("journal.db", "staging", "metadata"):
            source, target = FIXTURE / name, made.settings.state_dir / name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        shutil.copy(FIXTURE / "clients.db", made.settings.erp.url.removeprefix("sqlite:///"))
        in_1c, _, in_both, gone, _ = made.refs()[:5]
        made.base.update(in_1c, name="ТОВ «Змінено в 1С»")
        made.base.update(in_both, name="ТОВ «Змінено тут і там»")
        made.base.delete(gone)
        made.clock.forward(days=1)
        yield made


def assert_whole_and_migrated(made: World) -> None:
    with made.environment() as environment:
        assert list(verify_chain(environment.journal)) == []
    revision = "SELECT version_num FROM alembic_version"
    with sqlite3.connect(made.settings.state_dir / "journal.db") as journal:
        assert journal.execute(revision).fetchall() == [(SCHEMA,)]


def test_the_journal_is_migrated_and_its_chain_is_whole(upgraded: World) -> None:
    assert_whole_and_migrated(upgraded)
    assert upgraded.row(HELD).status == "held"
    assert len(upgraded.differences(HELD)) == 5


def test_reports_of_old_runs_prove_themselves(upgraded: World, tmp_path: Path) -> None:
    with upgraded.environment() as environment:
        for run in (1, HELD):
            paths = write_reports(
                environment.journal,
                run,
                formats=["json", "html", "xlsx"],
                language="uk",
                directory=tmp_path / "old",
            )
            assert all(prove_file(path, None).holds for path in paths)


def test_a_plan_finds_what_the_held_run_found_with_the_same_causes(upgraded: World) -> None:
    held = {one.ref: (one.kind, one.cause) for one in upgraded.differences(HELD)}
    plan = upgraded.run("plan")
    assert {one.ref: (one.kind, one.cause) for one in upgraded.differences(plan.run)} == held


@pytest.mark.long
def test_a_run_brings_both_sides_in_sync(upgraded: World) -> None:
    run = upgraded.run()
    assert (run.exit_code, run.outcomes) == (0, {OutcomeState.APPLIED: 5})
    upgraded.assert_in_sync()
    assert upgraded.run().causes == {}
    assert_whole_and_migrated(upgraded)


def test_the_held_run_is_approved(upgraded: World) -> None:
    run = upgraded.run("approve", parent=HELD, reason="оновлено")
    assert (run.exit_code, run.outcomes) == (0, {OutcomeState.APPLIED: 5})
    upgraded.assert_in_sync()
    assert_whole_and_migrated(upgraded)
