"""Which held runs can still be answered."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tests.unit.journal.world import (
    DAY,
    NOW,
    begin,
    night,
    settings,
)
from zvirka.domain import (
    Mode,
    PlanState,
    RunStatus,
)
from zvirka.journal.held_runs import Decision
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.run_facts import Facts


def ended(journal: Journal, command: str, parent: int, status: str = "finished") -> int:
    run = begin(journal, command, parent=parent)
    journal.finish(run, status=RunStatus(status), exit_code=0, now=NOW)
    return run


def waiting(journal: Journal, now: datetime = NOW) -> list[int | None]:
    return [row.id for row in journal.held(now)]


def test_a_held_run_waits_until_an_answer_was_carried_out(journal: Journal) -> None:
    run = night(journal, status="held")
    assert waiting(journal) == [run]
    for status in ("failed", "interrupted"):
        ended(journal, "approve", run, status)
    answer = begin(journal, "approve", parent=run)
    assert waiting(journal) == [run]
    journal.finish(answer, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    assert waiting(journal) == []
    decision = journal.decisions([run, answer], NOW)
    assert decision == {run: Decision(run=run, state=PlanState.APPROVED, by=answer, who="olena")}


def test_a_rejection_of_a_part_leaves_the_rest_waiting(journal: Journal) -> None:
    run = night(journal, status="held")
    part = begin(journal, "reject", parent=run)
    journal.set_mode(part, Mode.TARGETED)
    journal.finish(part, status=RunStatus.FINISHED, exit_code=1, now=NOW)
    assert waiting(journal) == [run]
    whole = ended(journal, "reject", run)
    assert journal.decisions([run], NOW)[run].state is PlanState.REJECTED
    assert journal.decisions([run], NOW)[run].by == whole


def test_the_next_run_over_everything_supersedes_a_held_one(journal: Journal) -> None:
    run = night(journal, status="held")
    night(journal, status="failed")
    partial = begin(journal)
    journal.finish(partial, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    one = begin(journal, "resync")
    journal.set_mode(one, Mode.TARGETED)
    journal.save_facts(one, Facts(complete=True))
    journal.finish(one, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    plan = begin(journal, "plan")
    journal.save_facts(plan, Facts(complete=True))
    journal.finish(plan, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    assert waiting(journal) == [run]
    other = night(journal, status="held")
    assert waiting(journal) == [other]
    complete = night(journal)
    assert waiting(journal) == []
    told = journal.decisions([run, other], NOW)
    assert {one.run: (one.state, one.by) for one in told.values()} == {
        run: (PlanState.SUPERSEDED, other),
        other: (PlanState.SUPERSEDED, complete),
    }


def test_an_answer_comes_before_what_would_supersede(journal: Journal) -> None:
    run = night(journal, status="held")
    answer = ended(journal, "approve", run)
    night(journal, status="held")
    assert journal.decisions([run], NOW)[run].by == answer


def test_a_held_run_expires(tmp_path: Path) -> None:
    made = open_journal(settings(tmp_path, policy={"approval_expires": "3d"}))
    run = night(made, status="held")
    assert waiting(made, NOW + 3 * DAY) == [run]
    assert waiting(made, NOW + 4 * DAY) == []
    assert made.decisions([run], NOW + 4 * DAY)[run].state is PlanState.EXPIRED
    made.close()
