"""Every run and every difference that the journal's definitions tell apart, in one journal."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
from sqlalchemy import select, update

from tests.unit.journal.world import NOW, begin, correction, difference
from zvirka.domain import Command, Disposition, Mode, Outcome, OutcomeState, RunStatus, Trigger
from zvirka.journal.column_types import canonical
from zvirka.journal.definitions import (
    differences_with_last_attempt,
    good_run,
    is_good,
    is_left,
    is_over_everything,
    left_difference,
    over_everything,
)
from zvirka.journal.difference_queries import entries, tallies, totals_of
from zvirka.journal.journal import Journal
from zvirka.journal.queries import list_runs
from zvirka.journal.run_facts import Facts
from zvirka.journal.run_writes import begin_run
from zvirka.journal.tables import DIFFERENCE, RUN

# A text that a search for the fact must not take for it.
MISLEADING = ['"complete":true', '{"complete":true}', '\\"complete\\":true']


def fill_with_every_run(journal: Journal) -> int:
    """Runs of every command, status, mode and completeness; returns how many."""
    cases = list(product(Command, RunStatus, ["", *Mode], [True, False]))
    with journal.writing() as connection:
        for command, status, mode, complete in cases:
            run = begin_run(
                connection,
                bytes,
                command=command,
                trigger=Trigger.MANUAL,
                who="ira",
                reason="",
                now=NOW,
            )
            facts = Facts(complete=complete, targets=MISLEADING, warnings=MISLEADING)
            values: dict[str, Any] = {
                "status": status.value,
                "mode": str(mode),
                "facts": canonical(msgspec.to_builtins(facts)),
            }
            connection.execute(update(RUN).where(RUN.c.id == run).values(values))
    return len(cases)


def assert_runs_agree(journal: Journal) -> None:
    """The rules on runs say the same in Python and in the journal's database."""
    with journal.reading() as connection:
        runs = list_runs(connection, limit=10_000)
        for rule, expression in ((is_good, good_run()), (is_over_everything, over_everything())):
            chosen = set(connection.execute(select(RUN.c.id).where(expression)).scalars())
            assert chosen == {run.id for run in runs if rule(run)}
            assert chosen
            assert len(chosen) < len(runs)


def fill_with_every_difference(journal: Journal) -> int:
    """A run with differences of every decision and every pair of attempts; returns its number."""
    run = begin(journal)
    attempts = [(), *product(OutcomeState), *product(OutcomeState, repeat=2)]
    cases = list(enumerate(product(Disposition, attempts), start=1))
    journal.add_differences(
        run, [difference(number, disposition=decision) for number, (decision, _) in cases]
    )
    for attempt in range(2):
        tried = [
            (number, states[attempt]) for number, (_, states) in cases if attempt < len(states)
        ]
        intended = journal.intend(run, [(number, correction(number)) for number, _ in tried], NOW)
        outcomes = [
            Outcome(correction=one.id, state=state)
            for one, (_, state) in zip(intended, tried, strict=True)
        ]
        journal.settle(run, outcomes, NOW)
    return run


def assert_differences_agree(journal: Journal, run: int) -> None:
    """What is left is the same in Python, in the database, and in the totals that are sealed."""
    query = (
        select(DIFFERENCE.c.number)
        .select_from(differences_with_last_attempt())
        .where(DIFFERENCE.c.run_id == run, left_difference())
    )
    with journal.reading() as connection:
        found = list(connection.execute(query).scalars())
        expected = {
            entry.difference.number
            for entry in entries(connection, run)
            if is_left(
                entry.difference.disposition,
                entry.writes[-1].outcome.state if entry.writes else None,
            )
        }
        totals = totals_of(tallies(connection, run))
    assert len(found) == len(set(found)), "a difference with several attempts is one row"
    assert set(found) == expected
    assert totals.remaining == len(expected)
    assert 0 < totals.remaining < totals.total
