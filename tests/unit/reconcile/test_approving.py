"""Answers to a held run and what later runs make of them, on a journal alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.unit.journal.world import DAY, NOW, begin, difference, ref
from tests.unit.reconcile.decisions import MAPPING, MemoryStore, context_of, environment_of
from zvirka.comparison import ABSENT, values_digest
from zvirka.domain import (
    Action,
    Cause,
    Command,
    Difference,
    Disposition,
    FieldDifference,
    RunStatus,
    Trigger,
)
from zvirka.errors import AlteredJournalError, SourceError, UsageError
from zvirka.journal.journal import Journal
from zvirka.journal.row_mapping import approved_content
from zvirka.journal.run_facts import Facts
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.reconcile.approving import check_answerable, narrow_to_approved
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.rejecting import check_rejectable, reject
from zvirka.reconcile.request import Request, Targets
from zvirka.reconcile.suppressing import as_suppressed, forget_settled

WANTED: dict[str, str | None] = {"code": "000001", "name": "ТОВ «Мрія»", "phone": "1"}
FOUND: dict[str, str | None] = {"code": "000001", "name": "ТОВ «Мрія»", "phone": "2"}
ALL = Targets(everything=True)
ONE = Targets(refs=(ref(1),))


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    made = environment_of(tmp_path, MemoryStore())
    yield made
    made.journal.close()


def held_run(journal: Journal, *numbers: int, **more: Any) -> int:
    run = begin(journal)
    differences = [difference(number, **more) for number in numbers]
    journal.add_differences(run, differences)
    journal.hold(run, None)
    digest = journal.plan_digest(run)
    journal.finish(run, status=RunStatus.HELD, exit_code=3, now=NOW, plan_digest=digest)
    return run


def answer(journal: Journal, command: str, parent: int, status: str = "finished") -> int:
    run = begin(journal, command, parent=parent)
    journal.finish(run, status=RunStatus(status), exit_code=0, now=NOW)
    return run


def asked(parent: int, **more: Any) -> Request:
    return Request(**{"command": Command.APPROVE, "who": "olena", "parent": parent, **more})


# -- who may still answer --------------------------------------------------------------------------


def test_a_held_run_can_be_answered_until_an_approval_was_carried_out(
    environment: Environment,
) -> None:
    journal = environment.journal
    held = held_run(journal, 1)
    check_answerable(journal, asked(held), NOW)
    answer(journal, "approve", held, "failed")
    check_answerable(journal, asked(held), NOW)
    approved = answer(journal, "approve", held)
    with pytest.raises(UsageError, match=f"approved by olena in run {approved}"):
        check_answerable(journal, asked(held), NOW)


def test_the_error_names_the_run_that_waits_instead(environment: Environment) -> None:
    journal = environment.journal
    old, new = held_run(journal, 1), held_run(journal, 1, 2)
    with pytest.raises(UsageError, match=f"superseded by run {new}") as caught:
        check_answerable(journal, asked(old), NOW)
    assert f"zvirka show {new}" in caught.value.remedy
    with pytest.raises(UsageError, match="has expired") as caught:
        check_answerable(journal, asked(new), NOW + 31 * DAY)
    assert "nothing waits" in caught.value.remedy


def test_what_was_not_held_and_another_plan_are_refused(environment: Environment) -> None:
    journal = environment.journal
    finished = answer(journal, "reconcile", 1)
    with pytest.raises(UsageError, match="was not held"):
        check_answerable(journal, asked(finished), NOW)
    held = held_run(journal, 1)
    with pytest.raises(UsageError, match="not the one that was shown"):
        check_answerable(journal, asked(held, digest="0" * 64), NOW)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE difference SET disposition = 'reported' WHERE number = 1",
        "UPDATE difference SET key = 'other' WHERE number = 1",
        "UPDATE difference SET fields = replace(fields, '8', '9') WHERE number = 2",
        "DELETE FROM difference WHERE number = 2",
    ],
)
def test_a_plan_whose_rows_were_altered_is_refused(environment: Environment, change: str) -> None:
    journal = environment.journal
    held = held_run(journal, 1, 2)
    with journal.writing() as connection:
        connection.execute(text(change))
    with pytest.raises(AlteredJournalError, match=f"plan of run {held}"):
        check_answerable(journal, asked(held), NOW)


# -- what an approval applies ----------------------------------------------------------------------


def test_an_approval_applies_what_is_still_identical(environment: Environment) -> None:
    journal = environment.journal
    held = held_run(journal, 1, 2, 3)
    run = begin(journal, "approve", parent=held)
    changed = (FieldDifference("phone", "3", "2"),)
    rejected = {"cause": Cause.REJECTED, "disposition": Disposition.REPORTED}
    journal.add_differences(
        run,
        [difference(1), difference(2, fields=changed), difference(3, **rejected), difference(4)],
    )
    assert narrow_to_approved(context_of(environment, run), held, suspected=0) == 1
    [told] = list(journal.differences(run))
    assert [one.disposition.value for one in told] == ["correct", *["reported"] * 3]
    assert "not part of the approved plan" in told[1].note
    assert "not part of the approved plan" in told[3].note
    assert "not part" not in told[2].note


@pytest.mark.parametrize(("action", "refused"), [(Action.DELETE, True), (Action.UPDATE, False)])
def test_deletions_are_not_approved_on_a_partial_snapshot(
    environment: Environment, action: Action, refused: bool
) -> None:
    journal = environment.journal
    held = held_run(journal, 1, action=action)
    run = begin(journal, "approve", parent=held)
    context = context_of(environment, run)
    if refused:
        with pytest.raises(SourceError, match="cannot be proven"):
            narrow_to_approved(context, held, suspected=1)
    else:
        assert narrow_to_approved(context, held, suspected=1) == 1


# -- what a rejection remembers --------------------------------------------------------------------


def rejected(environment: Environment, held: int, **more: Any) -> int:
    journal, request = environment.journal, asked(held, command=Command.REJECT, **more)
    check_rejectable(journal, request)
    run = begin(journal, "reject", parent=held)
    reject(environment, run, request)
    journal.save_facts(run, Facts(compared=True))
    journal.finish(run, status=RunStatus.FINISHED, exit_code=1, now=NOW)
    return run


def stands(environment: Environment, one: Difference, **request: Any) -> Difference:
    """The difference as the next run has it."""
    context = context_of(environment, begin(environment.journal), **request)
    return as_suppressed(context, one, WANTED, FOUND)


def test_a_rejection_lists_what_it_rejected_and_says_who_and_why(environment: Environment) -> None:
    held = held_run(environment.journal, 1, 2)
    run = rejected(environment, held)
    [told] = list(environment.journal.differences(run))
    assert [(one.key, one.cause, one.disposition) for one in told] == [
        (f"{number:06}", Cause.REJECTED, Disposition.REPORTED) for number in (1, 2)
    ]
    assert told[0].note.startswith(f"rejected by olena on 2026-11-24 (run {run}): сверка")
    assert environment.journal.get(run).facts.remaining == 2
    assert environment.journal.held(NOW) == []


def test_a_rejected_difference_is_only_reported_while_it_is_the_same(
    environment: Environment,
) -> None:
    rejected(environment, held_run(environment.journal, 1))
    for disposition in (Disposition.CORRECT, Disposition.HELD):
        told = stands(environment, difference(1, disposition=disposition))
        assert (told.cause, told.disposition) == (Cause.REJECTED, Disposition.REPORTED)
    other = difference(1, fields=(FieldDifference("phone", "3", "2"),))
    assert stands(environment, other) == other
    assert stands(environment, difference(2)) == difference(2)


@pytest.mark.parametrize("for_good", [False, True])
def test_a_resync_by_a_person_takes_it_up_again(environment: Environment, for_good: bool) -> None:
    rejected(environment, held_run(environment.journal, 1), for_good=for_good)
    one = difference(1)
    named = stands(environment, one, command=Command.RESYNC, targets=ONE)
    everything = stands(environment, one, command=Command.RESYNC, targets=ALL)
    feed = stands(environment, one, command=Command.RESYNC, targets=ONE, trigger=Trigger.FEED)
    assert named == one
    assert (everything == one) is not for_good
    assert feed.cause is Cause.REJECTED


def test_for_good_lasts_whatever_changes(environment: Environment) -> None:
    rejected(environment, held_run(environment.journal, 1), for_good=True)
    other = difference(1, fields=(FieldDifference("phone", "3", "2"),))
    told = stands(environment, other)
    assert told.cause is Cause.REJECTED
    assert told.note.endswith("not proposed again until it is resynced by name")


def test_a_rejection_of_one_leaves_the_plan_waiting(environment: Environment) -> None:
    journal = environment.journal
    held = held_run(journal, 1, 2)
    run = rejected(environment, held, targets=Targets(codes=("000002",)))
    assert [one.key for batch in journal.differences(run) for one in batch] == ["000002"]
    assert [row.id for row in journal.held(NOW)] == [held]
    with pytest.raises(UsageError, match="000009"):
        rejected(environment, held, targets=Targets(codes=("000002", "000009")))


# -- suppressions ----------------------------------------------------------------------------------


def suppress(environment: Environment, reason: Reason, **more: Any) -> Suppression:
    journal = environment.journal
    run = begin(journal)
    one = Suppression(key="000001", ref=ref(1), reason=reason, run=run, since=NOW, **more)
    journal.put_suppressions([one])
    journal.finish(run, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    return one


@pytest.mark.parametrize(
    ("nights", "wanted", "found", "cause"),
    [
        (3, WANTED, FOUND, Cause.NOT_CONVERGING),
        (2, WANTED, FOUND, Cause.MISSED_UPDATE),
        (3, FOUND, FOUND, Cause.MISSED_UPDATE),
        (3, WANTED, WANTED, Cause.MISSED_UPDATE),
    ],
)
def test_what_was_given_up_is_sent_again_when_a_side_changes(
    environment: Environment,
    nights: int,
    wanted: dict[str, str | None],
    found: dict[str, str | None],
    cause: Cause,
) -> None:
    suppress(
        environment,
        Reason.GIVEN_UP,
        nights=nights,
        wanted=values_digest(MAPPING, wanted),
        found=values_digest(MAPPING, found),
    )
    assert stands(environment, difference(1)).cause is cause


@pytest.mark.parametrize(
    ("wanted", "cause"),
    [(values_digest(MAPPING, WANTED), Cause.UNDONE), (ABSENT, Cause.MISSED_UPDATE)],
)
def test_what_was_undone_is_done_again_when_1c_changes(
    environment: Environment, wanted: str, cause: Cause
) -> None:
    suppress(environment, Reason.UNDONE, wanted=wanted)
    assert stands(environment, difference(1)).cause is cause


@pytest.mark.parametrize(
    ("request_", "seen", "reported", "kept"),
    [
        ({}, {ref(1)}, True, True),
        ({}, {ref(1)}, False, False),
        ({}, set(), False, True),
        ({"command": Command.PLAN}, {ref(1)}, False, True),
    ],
)
def test_a_suppression_is_forgotten_when_its_difference_is_gone(
    environment: Environment,
    request_: dict[str, Any],
    seen: set[str],
    reported: bool,
    kept: bool,
) -> None:
    one = difference(1)
    suppress(environment, Reason.REJECTED, wanted=approved_content(one))
    run = begin(environment.journal)
    context = context_of(environment, run, **request_)
    if reported:
        told = as_suppressed(context, one, WANTED, FOUND)
        environment.journal.add_differences(run, [told])
    forget_settled(context, seen)
    assert (ref(1) in environment.journal.suppressions()) is kept


def test_what_was_rejected_for_good_is_forgotten_only_by_name(environment: Environment) -> None:
    suppress(environment, Reason.NEVER)
    journal = environment.journal
    for request in ({}, {"command": Command.RESYNC, "targets": ALL}):
        forget_settled(context_of(environment, begin(journal), **request), {ref(1)})
        assert ref(1) in journal.suppressions()
    named = context_of(environment, begin(journal), command=Command.RESYNC, targets=ONE)
    forget_settled(named, {ref(1)})
    assert journal.suppressions() == {}
