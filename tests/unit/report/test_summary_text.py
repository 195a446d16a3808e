"""The one line that says how a run ended claims no more than was seen."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest

from tests.unit.report.sample import (
    NIGHT,
    STORY,
    STORY_STATES,
    correction_of,
    facts,
    failed_run,
    held_run,
    quiet_run,
    sample_book,
    seal_run,
    story_run,
)
from zvirka.domain import Command, Outcome, OutcomeState, RunStatus, Trigger
from zvirka.i18n.words import Words
from zvirka.journal.journal import Journal
from zvirka.journal.run_facts import Facts
from zvirka.report import content_of, render, summary_text

EN = Words("en")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    made = sample_book(tmp_path_factory.mktemp("telling"))
    yield made
    made.close()


def begin(journal: Journal, command: Command = Command.RECONCILE) -> int:
    return journal.begin(command=command, trigger=Trigger.MANUAL, who="ira", reason="", now=NIGHT)


def rendered(journal: Journal, run: int, form: str) -> bytes:
    stream = BytesIO()
    render(journal, run, form, "en", stream)
    return stream.getvalue()


def headline(journal: Journal, run: int) -> tuple[str, str]:
    findings = content_of(journal, run)
    return summary_text.tone(findings), summary_text.headline(findings, EN)


def test_a_quiet_night(journal: Journal) -> None:
    assert headline(journal, quiet_run(journal)) == (
        "good",
        "Nothing to report: 1C and the ERP agree.",
    )


def test_a_quiet_night_that_read_1c_in_part_does_not_say_that_the_sides_agree(
    journal: Journal,
) -> None:
    seen = facts(complete=False, incomplete_because=["canaries are missing: 42"])
    tone, text = headline(journal, seal_run(journal, (), seen=seen))
    assert tone == "warning"
    assert text == "No difference in what could be read; 1C was read only in part."


def test_a_resync_without_differences_speaks_of_those_asked_for_alone(journal: Journal) -> None:
    run = seal_run(journal, (), command="resync", mode="targeted", seen=facts(complete=False))
    tone, text = headline(journal, run)
    assert tone == "good"
    assert text == "Nothing to report: 1C and the ERP agree on the records asked for."


def test_a_night_with_corrections_counts_what_was_done_and_what_is_left(journal: Journal) -> None:
    assert headline(journal, story_run(journal)) == (
        "warning",
        "9 differences found. Corrected and verified: 4. Left: 5.",
    )
    all_done = seal_run(journal, STORY[1:3], states=STORY_STATES[:1])
    assert headline(journal, all_done) == (
        "good",
        "2 differences found. Corrected and verified: 2. Nothing is left.",
    )


def test_a_plan_says_that_nothing_was_written(journal: Journal) -> None:
    run = begin(journal, Command.PLAN)
    journal.save_facts(run, facts())
    journal.add_differences(run, STORY[:2])
    journal.finish(run, status=RunStatus.FINISHED, exit_code=1, now=NIGHT)
    text = headline(journal, run)[1]
    assert text == "2 differences found. Only a plan: nothing was written."


def test_a_held_a_failed_and_an_unfinished_run_say_so(journal: Journal) -> None:
    assert headline(journal, held_run(journal)) == (
        "warning",
        "3 differences found. Held for approval: 3. Left: 3.",
    )
    assert headline(journal, failed_run(journal))[0] == "bad"
    open_run = begin(journal)
    tone, text = headline(journal, open_run)
    assert tone == "warning"
    assert "has not ended yet" in text


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("reject", "The held plan was rejected: nothing was written."),
        ("prune", "Personal values were removed from runs: 2."),
        ("approve", "There was nothing left to do."),
        ("undo", "There was nothing left to do."),
    ],
)
def test_a_run_that_compares_nothing_does_not_say_that_the_sides_agree(
    journal: Journal, command: str, text: str
) -> None:
    run = seal_run(journal, (), command=command, seen=facts(pruned=[1, 2]))
    assert headline(journal, run)[1] == text


def test_an_undo_puts_back(journal: Journal) -> None:
    run = seal_run(journal, STORY[1:3], command="undo", states=STORY_STATES[:1])
    assert "Put back and verified: 2" in headline(journal, run)[1]


def test_what_is_left_is_told_by_reason(journal: Journal) -> None:
    findings = content_of(journal, story_run(journal))
    assert summary_text.left(findings, EN) == [
        ("left for a person", 3),
        ("superseded by a newer change", 1),
        ("accepted, yet not stored", 1),
    ]
    assert sum(count for _, count in summary_text.left(findings, EN)) == findings.left


def test_totals_by_cause_and_kind_are_those_the_seal_covers(journal: Journal) -> None:
    findings = content_of(journal, story_run(journal))
    sealed = findings.run.facts
    assert findings.found == sealed.found == 9
    assert findings.causes == sealed.causes
    assert findings.kinds == sealed.kinds
    assert findings.outcomes == sealed.outcomes


def test_a_correction_tried_twice_counts_once_with_its_last_outcome(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(run, STORY[1:3])
    for _attempt in range(2):
        intended = journal.intend(run, [(d.number, correction_of(d)) for d in STORY[1:3]], NIGHT)
        failed = [Outcome(correction=one.id, state=OutcomeState.FAILED) for one in intended]
        journal.settle(run, failed, NIGHT)
    journal.save_facts(run, facts())
    journal.finish(run, status=RunStatus.FINISHED, exit_code=1, now=NIGHT)
    findings = content_of(journal, run)
    assert findings.outcomes == {OutcomeState.FAILED: 2}
    assert summary_text.left(findings, EN) == [("failed", 2)]
    assert findings.left == 2


@pytest.mark.parametrize("command", [Command.RECONCILE, Command.RESYNC, Command.REJECT])
def test_counts_that_a_run_did_not_take_are_absent_and_not_zero(
    journal: Journal, command: Command
) -> None:
    run = begin(journal, command)
    journal.save_facts(run, Facts(base="https://1c.example.ua", source_count_before=7))
    journal.add_differences(run, STORY[:1])
    journal.finish(run, status=RunStatus.FAILED, exit_code=2, now=NIGHT)
    findings = content_of(journal, run)
    assert summary_text.counts(findings, EN) == [("in 1C, counted before", 7)]
    assert summary_text.totals(findings, EN) == []
    assert findings.left is None
    assert not findings.counted
    assert (findings.run.facts.causes, findings.run.facts.found) == (None, None)
    text = rendered(journal, run, "md").decode()
    assert "Differences by cause" not in text
    assert "## Differences (1)" in text, "what was recorded is listed"
    assert b'"remaining": null' in rendered(journal, run, "json")


def test_a_field_that_is_empty_on_both_sides_takes_no_line(journal: Journal) -> None:
    created = STORY[0].fields
    told = summary_text.told_fields(created)
    assert [field.field for field in created if field not in told] == ["email"]
    cleared = STORY[3].fields
    assert summary_text.told_fields(cleared) == list(cleared), "emptied in 1C: that is a difference"
