"""A good run, and a difference that is left: the same in Python and in SQL, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.journal.rules import (
    assert_differences_agree,
    assert_runs_agree,
    fill_with_every_difference,
    fill_with_every_run,
)
from tests.unit.journal.world import NOW, begin, settings
from zvirka.domain import Command, Disposition, Mode, OutcomeState, RunStatus
from zvirka.journal.definitions import is_left
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.run_facts import Facts


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(settings(tmp_path))
    yield opened
    opened.close()


def ended(journal: Journal, status: RunStatus, **seen: Any) -> int:
    run = begin(journal, str(seen.pop("command", Command.RECONCILE)))
    journal.set_mode(run, Mode(seen.pop("mode", Mode.LIGHT)))
    journal.save_facts(run, Facts(**seen))
    journal.finish(run, status=status, exit_code=0, now=NOW)
    return run


@pytest.mark.long
def test_every_run_is_judged_alike_in_python_and_in_sql(journal: Journal) -> None:
    assert fill_with_every_run(journal) == 360
    assert_runs_agree(journal)


def test_every_difference_is_judged_alike_in_python_and_in_sql(journal: Journal) -> None:
    assert_differences_agree(journal, fill_with_every_difference(journal))


def test_a_run_on_a_partial_snapshot_a_held_and_a_targeted_one_are_not_good(
    journal: Journal,
) -> None:
    ended(journal, RunStatus.FINISHED, complete=False)
    ended(journal, RunStatus.HELD, complete=True)
    ended(journal, RunStatus.FAILED, complete=True)
    ended(journal, RunStatus.FINISHED, complete=True, command=Command.RESYNC, mode=Mode.TARGETED)
    ended(journal, RunStatus.FINISHED, complete=True, command=Command.PLAN)
    assert journal.last_good(9) == []


def test_the_run_that_approves_a_held_plan_is_good(journal: Journal) -> None:
    ended(journal, RunStatus.HELD, complete=True)
    approved = ended(journal, RunStatus.FINISHED, complete=True, command=Command.APPROVE)
    resynced = ended(journal, RunStatus.FINISHED, complete=True, command=Command.RESYNC)
    assert [run.id for run in journal.last_good(9)] == [resynced, approved]


@pytest.mark.parametrize("outcome", [None, *OutcomeState])
@pytest.mark.parametrize("disposition", Disposition)
def test_only_a_link_or_a_correction_read_back_as_wanted_settles_a_difference(
    disposition: Disposition, outcome: OutcomeState | None
) -> None:
    corrected = disposition is Disposition.CORRECT and outcome is OutcomeState.APPLIED
    settled = corrected or disposition is Disposition.LINKED
    assert is_left(disposition, outcome) is not settled
