"""What the journal promises to the run that writes it and to those who read it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.unit.journal.world import (
    DAY,
    NOW,
    applied,
    begin,
    correction,
    difference,
    night,
    ref,
    settings,
    standing,
)
from zvirka.domain import (
    Action,
    Cause,
    Command,
    Disposition,
    FieldDifference,
    Kind,
    Mode,
    Outcome,
    OutcomeState,
    RunStatus,
)
from zvirka.errors import JournalError, NoSuchRunError
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.run_facts import Facts


def test_differences_come_back_as_they_were_added_in_batches_by_number(journal: Journal) -> None:
    run = begin(journal)
    added = [difference(number) for number in range(1, 8)]
    journal.add_differences(run, added[3:])
    journal.add_differences(run, added[:3])
    journal.add_differences(run, [])
    pages = list(journal.differences(run, batch=3))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one for page in pages for one in page] == added


def test_differences_are_chosen_by_disposition_action_and_kind(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(
        run,
        [
            difference(1, kind=Kind.EXTRA, action=Action.DELETE),
            difference(2, kind=Kind.MISSING, action=Action.CREATE),
            difference(3, kind=Kind.DUPLICATE, action=None, disposition=Disposition.REPORTED),
        ],
    )

    def numbers(**chosen: object) -> list[int]:
        pages = journal.differences(run, **chosen)  # type: ignore[arg-type]
        return [one.number for page in pages for one in page]

    assert numbers(dispositions=[Disposition.CORRECT]) == [1, 2]
    assert numbers(actions=[Action.DELETE]) == [1]
    assert numbers(kinds=[Kind.MISSING, Kind.DUPLICATE]) == [2, 3]
    assert numbers(kinds=[]) == []


def test_an_update_replaces_cause_disposition_note_evidence_and_what_was_read_back(
    journal: Journal,
) -> None:
    run = begin(journal)
    journal.add_differences(run, [difference(1), difference(2)])
    changed = difference(
        2,
        cause=Cause.NOT_CONVERGING,
        disposition=Disposition.REPORTED,
        note="cut",
        evidence="receipt 5",
        fields=(FieldDifference("phone", "1", "2", "3"),),
    )
    journal.update_differences(run, [changed])
    assert next(journal.differences(run)) == [difference(1), changed]


def test_a_limit_holds_only_what_would_be_corrected(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(
        run,
        [
            difference(1, action=Action.DELETE),
            difference(2, action=Action.UPDATE),
            difference(3, action=Action.DELETE, disposition=Disposition.REPORTED),
        ],
    )
    assert journal.hold(run, [Action.DELETE]) == 1
    assert journal.count(run).dispositions == {"held": 1, "correct": 1, "reported": 1}
    assert journal.hold(run, None) == 1
    assert journal.hold(run, None) == 0


def test_the_plan_digest_is_the_same_for_the_same_plan_found_again(journal: Journal) -> None:
    first, second, third = begin(journal), begin(journal), begin(journal)
    plan = [difference(number, disposition=Disposition.HELD) for number in (1, 2)]
    journal.add_differences(first, plan)
    assert journal.plan_digest(second) == ""
    again = [
        difference(2, disposition=Disposition.HELD, ref=ref(1), key="000001", row="1001"),
        difference(1, disposition=Disposition.HELD, ref=ref(2), key="000002", row="1002"),
        difference(3, disposition=Disposition.CORRECT),
    ]
    journal.add_differences(second, again)
    assert journal.plan_digest(second) == journal.plan_digest(first) != ""
    assert journal.difference_digests(second, Disposition.HELD) == journal.difference_digests(
        first, Disposition.HELD
    )
    journal.add_differences(third, [plan[0]])
    assert journal.plan_digest(third) != journal.plan_digest(first)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.REKEYED},
        {"key": "x"},
        {"ref": "x"},
        {"row": "x"},
        {"rows": ("9",)},
        {"action": Action.DELETE},
        {"fields": (FieldDifference("phone", "+380501112233", "other"),)},
        {"fields": (FieldDifference("phone", None, "+380509998877"),)},
        {"fields": ()},
    ],
    ids=lambda change: ",".join(change),
)
def test_whatever_an_approver_sees_of_a_difference_is_in_its_digest(
    journal: Journal, change: dict[str, object]
) -> None:
    run, other = begin(journal), begin(journal)
    journal.add_differences(run, [difference(1)])
    journal.add_differences(other, [difference(1, **change)])
    assert not journal.difference_digests(run, Disposition.CORRECT) & journal.difference_digests(
        other, Disposition.CORRECT
    )


def test_what_was_read_back_the_note_and_the_cause_are_not_part_of_the_plan(
    journal: Journal,
) -> None:
    run, other = begin(journal), begin(journal)
    journal.add_differences(run, [difference(1)])
    seen = difference(
        1,
        cause=Cause.UNKNOWN,
        note="",
        fields=(FieldDifference("phone", "+380501112233", "+380509998877", "x"),),
    )
    journal.add_differences(other, [seen])
    assert journal.difference_digests(run, Disposition.CORRECT) == journal.difference_digests(
        other, Disposition.CORRECT
    )


def test_intents_are_numbered_and_stay_open_until_settled(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(run, [difference(1), difference(2)])
    intended = journal.intend(run, [(2, correction(2)), (1, correction(1))], NOW)
    assert [one.id for one in intended] == [1, 2]
    assert [(r, number, one.id) for r, number, one in journal.open_intents()] == [
        (run, 2, 1),
        (run, 1, 2),
    ]
    journal.settle(run, [applied(intended[0], row="77")], NOW)
    assert journal.open_intents() == [(run, 1, intended[1])]
    pages = list(journal.corrections(run, batch=1))
    assert pages == [
        [(1, intended[1], Outcome(correction=2, state=OutcomeState.INTENDED))],
        [(2, intended[0], Outcome(correction=1, state=OutcomeState.APPLIED, row="77"))],
    ]
    (third,) = journal.intend(run, [(1, correction(1))], NOW)
    assert third.id == 3


def test_an_intent_is_on_disk_when_intend_returns(tmp_path: Path) -> None:
    journal = open_journal(settings(tmp_path))
    run = begin(journal)
    journal.add_differences(run, [difference(1)])
    reading, writing = os.pipe()
    if os.fork() == 0:
        child = open_journal(settings(tmp_path))
        child.intend(run, [(1, correction(1))], NOW)
        os.write(writing, b"!")
        os.kill(os.getpid(), 9)
    os.close(writing)
    assert os.read(reading, 1) == b"!"
    os.wait()
    assert [one.key for _, _, one in journal.open_intents()] == ["000001"]
    journal.close()


def test_an_outcome_may_be_settled_again_until_its_run_is_sealed(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(run, [difference(1)])
    (one,) = journal.intend(run, [(1, correction(1))], NOW)
    journal.settle(run, [applied(one)], NOW)
    worse = Outcome(correction=one.id, state=OutcomeState.NOT_CONVERGING, detail="phone")
    journal.settle(run, [worse], NOW)
    assert [outcome for page in journal.corrections(run) for _, _, outcome in page] == [worse]
    journal.finish(run, status=RunStatus.FINISHED, exit_code=1, now=NOW)
    begin(journal)
    with pytest.raises(JournalError, match="outcome of correction 1 is sealed"):
        journal.settle(run, [applied(one)], NOW)


def test_the_next_run_settles_what_a_failed_and_sealed_one_left_open(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(run, [difference(1)])
    (one,) = journal.intend(run, [(1, correction(1))], NOW)
    journal.finish(run, status=RunStatus.FAILED, exit_code=2, now=NOW)
    with pytest.raises(JournalError, match="no run has begun"):
        journal.settle(run, [applied(one)], NOW)
    following = begin(journal)
    assert journal.open_intents() == [(run, 1, one)]
    journal.settle(run, [applied(one)], NOW)
    assert journal.open_intents() == []
    journal.finish(following, status=RunStatus.FINISHED, exit_code=0, now=NOW)


def test_finishing_counts_what_was_found_done_and_left(journal: Journal) -> None:
    run = begin(journal)
    journal.save_facts(run, Facts(base="https://1c.example", source_rows=5, compared=True))
    journal.add_differences(
        run,
        [
            difference(1),
            difference(2, kind=Kind.MISSING, action=Action.CREATE, cause=Cause.MISSED_CREATE),
            difference(4, action=None, kind=Kind.DUPLICATE, cause=Cause.DUPLICATE),
        ],
    )
    intended = journal.intend(run, [(1, correction(1)), (2, correction(2))], NOW)
    journal.settle(
        run,
        [applied(intended[0]), Outcome(correction=intended[1].id, state=OutcomeState.FAILED)],
        NOW,
    )
    digest = journal.finish(run, status=RunStatus.FINISHED, exit_code=1, now=NOW + DAY)
    row = journal.get(run)
    assert (row.status, row.exit_code, row.digest, row.finished_at) == (
        "finished",
        1,
        digest,
        NOW + DAY,
    )
    facts = row.facts
    assert facts.base == "https://1c.example"
    assert facts.kinds == {"different": 1, "missing": 1, "duplicate": 1}
    assert facts.causes == {"missed_update": 1, "missed_create": 1, "duplicate": 1}
    assert facts.actions == {"update": 1, "create": 1}
    assert facts.outcomes == {"applied": 1, "failed": 1}
    assert facts.remaining == 2


def test_nothing_is_written_to_a_sealed_run(journal: Journal) -> None:
    run = night(journal)
    writes: list[Callable[[], object]] = [
        lambda: journal.set_phase(run, "x"),
        lambda: journal.set_mode(run, Mode.FULL),
        lambda: journal.save_facts(run, Facts()),
        lambda: journal.add_differences(run, [difference(9)]),
        lambda: journal.update_differences(run, [difference(1)]),
        lambda: journal.hold(run, None),
        lambda: journal.intend(run, [(1, correction(1))], NOW),
        lambda: journal.finish(run, status=RunStatus.FAILED, exit_code=2, now=NOW),
    ]
    for write in writes:
        with pytest.raises(JournalError, match=f"run {run} is sealed"):
            write()


def test_runs_are_listed_newest_first_in_pages_and_by_command(journal: Journal) -> None:
    for command in ("reconcile", "plan", "reconcile"):
        begin(journal, command)
    assert [row.id for row in journal.runs()] == [3, 2, 1]
    assert [row.id for row in journal.runs(limit=2)] == [3, 2]
    assert [row.id for row in journal.runs(before=2)] == [1]
    assert [row.id for row in journal.runs(command=Command.PLAN)] == [2]
    assert [row.id for row in journal.running()] == [3, 2, 1]
    with pytest.raises(NoSuchRunError, match="no run 9"):
        journal.get(9)


def test_times_are_kept_as_utc_and_naive_ones_refused(journal: Journal) -> None:
    kyiv = timezone(timedelta(hours=2))
    run = begin(journal, now=NOW.astimezone(kyiv))
    assert journal.get(run).started_at == NOW
    assert journal.get(run).started_at.utcoffset() == timedelta(0)
    with pytest.raises((JournalError, ValueError)):
        begin(journal, now=datetime(2026, 11, 24))  # noqa: DTZ001


def test_the_last_good_runs_are_finished_and_saw_everything(journal: Journal) -> None:
    good = [night(journal), night(journal)]
    night(journal, status="failed")
    targeted = begin(journal, "resync")
    journal.set_mode(targeted, Mode.TARGETED)
    journal.save_facts(targeted, Facts(complete=True))
    journal.finish(targeted, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    partial = begin(journal)
    journal.save_facts(partial, Facts(complete=False))
    journal.finish(partial, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    assert [row.id for row in journal.last_good(5)] == good[::-1]
    assert [row.id for row in journal.last_good(1)] == good[-1:]


def test_standings_are_known_by_ref_or_key_and_replaced(journal: Journal) -> None:
    journal.put_suppressions([standing(1), standing(2, ref="")])
    journal.put_suppressions([standing(1, nights=3)])
    assert journal.suppressions() == {ref(1): standing(1, nights=3), "000002": standing(2, ref="")}
    journal.drop_suppressions([ref(1), "nobody"])
    assert list(journal.suppressions()) == ["000002"]


def test_pairings_are_replaced_and_read_in_batches(journal: Journal) -> None:
    rows = [(ref(number), f"{number:06}", str(number)) for number in range(1, 8)]
    journal.put_pairings(rows)
    journal.put_pairings([(ref(1), "moved", "1"), rows[1], rows[1]])
    journal.drop_pairings([ref(7), "nobody"])
    pages = list(journal.pairings(batch=4))
    assert [len(page) for page in pages] == [4, 2]
    assert [row for page in pages for row in page] == [(ref(1), "moved", "1"), *rows[1:6]]


def test_the_life_of_one_counterparty_is_told_across_runs_and_keys(journal: Journal) -> None:
    night(journal)
    night(journal, NOW + DAY)
    moved = begin(journal, now=NOW + 2 * DAY)
    journal.add_differences(moved, [difference(1, key="new", ref=ref(2)), difference(2, key="x")])
    told = journal.history(key="000002")
    assert [(entry.run, entry.key, entry.outcome) for entry in told] == [
        (1, "000002", "applied"),
        (2, "000002", "applied"),
        (3, "new", None),
        (3, "x", None),
    ]
    assert told[0].fields[0].wanted == "+380501112233"
    assert told[0].fields[0].found == "+380509998877"
    assert (told[0].at, told[0].row, told[0].action) == (NOW, "55", "update")
    assert journal.history(ref=ref(3)) == journal.history(key="000003")
    assert journal.history(key="nobody") == []
    assert journal.history() == []


def test_texts_no_database_can_hold_are_recorded_all_the_same(journal: Journal) -> None:
    run = begin(journal)
    hostile = "a\x00b\ud800c"
    fields = (FieldDifference("name", hostile, "=HYPERLINK(1)\u202e"),)
    journal.add_differences(run, [difference(1, name=hostile, key=hostile, fields=fields)])
    journal.intend(run, [(1, correction(1, key=hostile, after={"name": hostile}))], NOW)
    ((one,),) = journal.differences(run)
    assert (one.name, one.fields) == ("a\ufffdb\ufffdc", fields)
    assert journal.history(key=hostile)[0].fields == fields
