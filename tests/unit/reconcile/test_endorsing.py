"""Two people approve a held plan; the one who asked for it is neither of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.journal.world import DAY, NOW, difference, ref
from tests.unit.reconcile.decisions import MemoryStore, environment_of
from tests.unit.reconcile.test_approving import answer, asked
from zvirka.domain import Command, Disposition, RunStatus, Trigger
from zvirka.errors import ExitCode, UsageError
from zvirka.journal.chain import verify_chain
from zvirka.journal.first_approvals import first_approvals, person_of
from zvirka.journal.journal import Journal
from zvirka.reconcile.endorsing import as_first_or_last
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Summary, Targets
from zvirka.reconcile.run import perform

PART = Targets(refs=(ref(1), ref(2)))


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    tables = {"policy": {"approvals": 2}, "report": {"formats": ["json"]}}
    made = environment_of(tmp_path, MemoryStore(), **tables)
    yield made
    made.journal.close()


def held_run(journal: Journal, *numbers: int, who: str = "zvirka.service") -> int:
    run = journal.begin(
        command=Command.RECONCILE, trigger=Trigger.SCHEDULE, who=who, reason="", now=NOW
    )
    journal.add_differences(run, [difference(number) for number in numbers])
    journal.hold(run, None)
    digest = journal.plan_digest(run)
    journal.finish(run, status=RunStatus.HELD, exit_code=3, now=NOW, plan_digest=digest)
    return run


def approve(environment: Environment, parent: int, who: str, **more: Any) -> Summary:
    return perform(environment, asked(parent, who=who, reason="так", **more))


def counted(environment: Environment, parent: int, who: str, **more: Any) -> Command:
    """As what an approval would be performed."""
    return as_first_or_last(environment, asked(parent, who=who, **more)).command


def test_the_first_approval_is_recorded_and_writes_nothing(environment: Environment) -> None:
    journal = environment.journal
    held = held_run(journal, 1, 2, 3)
    done = approve(environment, held, "taras")
    assert (done.command, done.status, done.exit_code) == ("endorse", "finished", ExitCode.HELD)
    assert done.parent == held
    decision = journal.decisions([held], NOW)[held]
    [given] = decision.given
    assert (decision.state, decision.needed) == ("waiting", 2)
    assert (given.run, given.who, given.differences) == (done.run, "taras", 3)
    assert [one.id for one in journal.held(NOW)] == [held]
    assert list(verify_chain(journal)) == []


def test_a_second_person_carries_it_out(environment: Environment) -> None:
    held = held_run(environment.journal, 1, 2)
    approve(environment, held, "taras on pts/1")
    assert counted(environment, held, "olena (sudo) on pts/2") is Command.APPROVE


@pytest.mark.parametrize("again", ["taras", "Taras on pts/7", "taras (sudo) on tty1"])
def test_one_person_on_two_terminals_is_one_person(environment: Environment, again: str) -> None:
    held = held_run(environment.journal, 1)
    approve(environment, held, "taras on pts/1")
    with pytest.raises(UsageError, match="a second person must approve"):
        counted(environment, held, again)


def test_who_asked_for_the_run_approves_neither_first_nor_second(
    environment: Environment,
) -> None:
    held = held_run(environment.journal, 1, who="olena on pts/3")
    for _ in range(2):
        with pytest.raises(UsageError, match="was asked for by olena on pts/3"):
            counted(environment, held, "olena")
        if not environment.journal.decisions([held], NOW)[held].given:
            approve(environment, held, "taras")
    assert counted(environment, held, "ivan") is Command.APPROVE


def test_a_second_approval_is_of_no_more_than_the_first(environment: Environment) -> None:
    held = held_run(environment.journal, 1, 2, 3)
    first = approve(environment, held, "taras", targets=PART)
    found = list(environment.journal.differences(first.run))
    assert [one.ref for batch in found for one in batch] == [ref(1), ref(2)]
    assert counted(environment, held, "olena") is Command.ENDORSE
    assert counted(environment, held, "olena", targets=PART) is Command.APPROVE
    assert counted(environment, held, "olena", targets=Targets(refs=(ref(2),))) is Command.APPROVE
    assert counted(environment, held, "taras") is Command.ENDORSE  # the whole is more


def test_an_approval_counts_for_the_same_plan_of_a_later_run_until_it_expires(
    environment: Environment,
) -> None:
    journal = environment.journal
    approve(environment, held_run(journal, 1, 2), "taras")
    again = held_run(journal, 2, 1)
    assert len(journal.decisions([again], NOW)[again].given) == 1
    other = held_run(journal, 1, 2, 3)
    assert journal.decisions([other], NOW)[other].given == ()
    with journal.reading() as connection:
        late = NOW + 31 * DAY
        assert first_approvals(connection, again, late, journal.approval_expires) == ()


def test_an_approval_of_who_asked_for_the_later_run_does_not_count(
    environment: Environment,
) -> None:
    journal = environment.journal
    approve(environment, held_run(journal, 1), "taras")
    again = held_run(journal, 1, who="taras")
    assert journal.decisions([again], NOW)[again].given == ()


def test_a_rejection_needs_one_person_and_ends_the_waiting(environment: Environment) -> None:
    held = held_run(environment.journal, 1)
    approve(environment, held, "taras")
    request = asked(held, command=Command.REJECT, who="olena", reason="ні")
    assert perform(environment, request).status == "finished"
    assert environment.journal.decisions([held], NOW)[held].state == "rejected"


def test_the_first_approval_is_no_good_run_and_no_answer(environment: Environment) -> None:
    journal = environment.journal
    held = held_run(journal, 1)
    approve(environment, held, "taras")
    assert journal.last_good(1) == []
    approved = answer(journal, "approve", held)
    assert journal.decisions([held], NOW)[held].by == approved


def test_with_one_approval_nothing_changes(environment: Environment) -> None:
    journal = environment.journal
    journal.approvals_needed = 1
    held = held_run(journal, 1, who="taras")
    assert counted(environment, held, "taras") is Command.APPROVE
    assert journal.decisions([held], NOW)[held].given == ()


def test_an_approval_of_nothing_that_is_held_goes_on_as_before(environment: Environment) -> None:
    held = held_run(environment.journal, 1)
    nobody = Targets(codes=("999999",))
    assert counted(environment, held, "taras", targets=nobody) is Command.APPROVE


@pytest.mark.parametrize(
    ("who", "person"),
    [
        ("olena", "olena"),
        ("olena (sudo) on pts/3", "olena"),
        ("Олена Петренко", "олена петренко"),
        ("zvirka-reconcile.service", "zvirka-reconcile.service"),
        ("on pts/3", "on pts/3"),
    ],
)
def test_the_person_behind_who(who: str, person: str) -> None:
    assert person_of(who) == person


def test_what_was_approved_first_is_kept_as_held(environment: Environment) -> None:
    done = approve(environment, held_run(environment.journal, 1), "taras")
    [[kept]] = environment.journal.differences(done.run)
    assert kept.disposition is Disposition.HELD
    assert done.causes == {kept.cause: 1}
