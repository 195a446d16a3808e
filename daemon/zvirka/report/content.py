"""The content of a report as data: built once from the journal, rendered by a module per format.

Nothing here knows a format, a language or a database; :mod:`zvirka.report.assembly` fills it.
Differences and corrections stay in the journal and stream from it, so that a report of 100,000
differences takes no more memory than one of ten. The same sealed run always gives the same
content: no clock, no later run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from zvirka.domain import Cause, Command, Disposition, Kind, Mode, OutcomeState, RunStatus
from zvirka.journal.records import DifferenceEntry, RunRecord, SealRecord, Tally

CHART_RUNS = 90
"""How many nightly runs the chart goes back (an auditor's quarter)."""

Word = TypeVar("Word", bound=str)


class EntryStream(Protocol):
    """Streams the differences of a run, from the beginning at each call."""

    def __call__(self, numbers: Collection[int] | None = None) -> Iterator[DifferenceEntry]:
        """The differences with their corrections, by number, in flat memory.

        All of them, or those of some numbers (a page of them, not thousands).
        """
        ...


class Night(msgspec.Struct, frozen=True):
    """One bar of the chart: a nightly run and its differences by cause, empty when not counted."""

    run: int
    started_at: datetime
    status: RunStatus
    causes: dict[Cause, int]

    @property
    def total(self) -> int:
        """All differences of that night."""
        return sum(self.causes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything one run found and did."""

    run: RunRecord
    tallies: tuple[Tally, ...]
    nights: tuple[Night, ...]
    entries: EntryStream
    seal: SealRecord | None = None

    @property
    def counted(self) -> bool:
        """Whether the run compared what it was asked to, so that its differences are counted."""
        return self.run.facts.remaining is not None

    @property
    def found(self) -> int:
        """Differences in the journal: all of the run's, or as many as it got to."""
        return sum(tally.count for tally in self.tallies)

    @property
    def held(self) -> int:
        """Differences a limit holds."""
        return self._count(lambda tally: tally.disposition is Disposition.HELD)

    @property
    def linked(self) -> int:
        """Counterparties whose client another flow keeps."""
        return self._count(lambda tally: tally.disposition is Disposition.LINKED)

    @property
    def applied(self) -> int:
        """Differences whose correction was written and read back as wanted."""
        return self._count(lambda tally: tally.outcome is OutcomeState.APPLIED)

    @property
    def left(self) -> int | None:
        """Differences left after the run; ``None`` when they were not counted."""
        return self.run.facts.remaining

    @property
    def in_sync(self) -> bool:
        """Whether a run that compared the sides ended well and found no difference."""
        compares = self.run.command in {Command.RECONCILE, Command.PLAN, Command.RESYNC}
        return (
            compares and self.run.status is RunStatus.FINISHED and self.counted and not self.found
        )

    @property
    def partial(self) -> bool:
        """Whether the run was to read all of 1C and could not."""
        return self.run.mode is not Mode.TARGETED and not self.run.facts.complete

    @property
    def kinds(self) -> dict[Kind, int]:
        """Differences by kind, in the order of :class:`Kind`: the sections of the list."""
        return _sums(Kind, ((tally.kind, tally.count) for tally in self.tallies))

    @property
    def causes(self) -> dict[Cause, int]:
        """Differences by cause, in the order of :class:`Cause`."""
        return _sums(Cause, ((tally.cause, tally.count) for tally in self.tallies))

    @property
    def outcomes(self) -> dict[OutcomeState, int]:
        """Differences by the outcome of the last correction tried."""
        return _sums(
            OutcomeState,
            ((tally.outcome, tally.count) for tally in self.tallies if tally.outcome is not None),
        )

    def _count(self, chosen: Callable[[Tally], bool]) -> int:
        return sum(tally.count for tally in self.tallies if chosen(tally))


def _sums(words: Iterable[Word], counts: Iterable[tuple[Word, int]]) -> dict[Word, int]:
    sums = dict.fromkeys(words, 0)
    for word, count in counts:
        sums[word] += count
    return {word: count for word, count in sums.items() if count}
