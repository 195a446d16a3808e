"""Reads the content of a report from the journal."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from zvirka.domain import Cause
from zvirka.journal.difference_queries import entries, tallies
from zvirka.journal.journal import Journal
from zvirka.journal.queries import reconciliations_until
from zvirka.journal.records import DifferenceEntry, RunRecord
from zvirka.journal.sealing import seal_record
from zvirka.report.content import CHART_RUNS, Night, ReportContent


def content_of(journal: Journal, number: int) -> ReportContent:
    """Read what the journal holds of one run.

    Raises:
        UsageError: the journal has no such run.
    """
    run = journal.get(number)

    def stream(numbers: Collection[int] | None = None) -> Iterator[DifferenceEntry]:
        with journal.reading() as connection:
            yield from entries(connection, number, numbers)

    with journal.reading() as connection:
        return ReportContent(
            run=run,
            tallies=tallies(connection, number),
            nights=tuple(map(night_of, reconciliations_until(connection, number, CHART_RUNS))),
            entries=stream,
            seal=seal_record(connection, number),
        )


def night_of(run: RunRecord) -> Night:
    """A bar of the chart; only reconciliations have one, other runs repeat their differences."""
    counted = run.facts.causes or {}
    causes = {cause: counted[cause] for cause in Cause if counted.get(cause)}
    return Night(run.id, run.started_at, run.status, causes)
