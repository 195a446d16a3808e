"""A client that a person does not want corrected, up to a day or without end."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.unit.journal.world import DAY, NOW, begin, difference, ref
from tests.unit.reconcile.decisions import MemoryStore, context_of, environment_of
from tests.unit.reconcile.test_approving import FOUND, WANTED
from zvirka.domain import Cause, Command, Disposition
from zvirka.errors import UsageError
from zvirka.journal.chain import verify_chain
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform
from zvirka.reconcile.suppressing import as_suppressed, forget_settled, suppressed_by_day

LAST_DAY = date(2026, 12, 31)
BY_REF, BY_CODE = Targets(refs=(ref(1).upper(),)), Targets(codes=("000001",))


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    made = environment_of(tmp_path, MemoryStore(), report={"formats": ["json"]})
    yield made
    made.journal.close()


def suppress(environment: Environment, targets: Targets = BY_REF, **more: Any) -> Summary:
    asked = {"who": "olena", "reason": "суд", "targets": targets, **more}
    return perform(environment, Request(command=Command.SUPPRESS, **asked))


def later_on(environment: Environment, days: int) -> Environment:
    return dataclasses.replace(environment, now=lambda: NOW + days * DAY)


def decided(environment: Environment, later: int = 0) -> Any:
    """What a night so many days later makes of a difference of that client."""
    at = later_on(environment, later)
    return as_suppressed(context_of(at, begin(at.journal)), difference(1), WANTED, FOUND)


@pytest.mark.parametrize("targets", [BY_REF, BY_CODE])
def test_it_is_reported_and_not_corrected_with_who_when_and_why(
    environment: Environment, targets: Targets
) -> None:
    done = suppress(environment, targets, until=LAST_DAY)
    assert (done.status, done.exit_code) == ("finished", 0)
    found = decided(environment)
    assert (found.cause, found.disposition) == (Cause.REJECTED, Disposition.REPORTED)
    assert f"by olena on 2026-11-24 (run {done.run}): суд" in found.note
    assert "not corrected up to 2026-12-31" in found.note
    assert list(verify_chain(environment.journal)) == []


@pytest.mark.parametrize(("later", "corrected"), [(37, False), (38, True), (400, True)])
def test_after_the_last_day_nights_correct_it_again(
    environment: Environment, later: int, corrected: bool
) -> None:
    suppress(environment, until=LAST_DAY)
    assert (decided(environment, later).disposition is Disposition.CORRECT) is corrected


def test_without_a_last_day_it_lasts(environment: Environment) -> None:
    suppress(environment)
    found = decided(environment, 4000)
    assert found.disposition is Disposition.REPORTED
    assert "until it is resynced by name" in found.note


def test_what_is_over_is_forgotten_by_the_next_complete_run(environment: Environment) -> None:
    journal = environment.journal
    suppress(environment, until=LAST_DAY)
    for later, left in ((30, 1), (38, 0)):
        at = later_on(environment, later)
        context = context_of(at, begin(journal))
        journal.add_differences(context.run, [decided(environment, later)])
        forget_settled(context, context.suppressions)
        assert len(journal.suppressions()) == left


def test_a_resync_by_name_ends_it(environment: Environment) -> None:
    suppress(environment, until=LAST_DAY)
    run = begin(environment.journal)
    context = context_of(environment, run, command=Command.RESYNC, targets=BY_REF)
    assert as_suppressed(context, difference(1), WANTED, FOUND).disposition is Disposition.CORRECT
    forget_settled(context, {ref(1)})
    assert environment.journal.suppressions() == {}


def test_a_run_counts_what_it_left_for_that_reason_by_the_last_day(
    environment: Environment,
) -> None:
    suppress(environment, until=LAST_DAY)
    suppress(environment, Targets(codes=("000002",)))
    context = context_of(environment, begin(environment.journal))
    found = [as_suppressed(context, difference(n), WANTED, FOUND) for n in (1, 2, 3)]
    environment.journal.add_differences(context.run, found)
    assert suppressed_by_day(context) == {"2026-12-31": 1, "": 1}


@pytest.mark.parametrize(
    ("targets", "until", "why"),
    [(Targets(), None, "name the counterparties"), (BY_REF, date(2026, 11, 23), "has passed")],
)
def test_what_cannot_be_suppressed_begins_no_run(
    environment: Environment, targets: Targets, until: date | None, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        suppress(environment, targets, until=until)
    assert environment.journal.runs() == []
