"""What a report says, as data: built once from the journal, rendered by a module per form.

Nothing here knows a form, a language or a database; :mod:`zvirka.report.assembly` fills it. What
is small is held; differences and corrections stay in the journal and stream from it, so that a
report of 100,000 differences takes no more memory than one of ten. The same sealed run always
gives the same findings: no clock, no later run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from zvirka.domain import (
    Cause,
    Command,
    Correction,
    Difference,
    Disposition,
    Kind,
    Outcome,
    OutcomeState,
    RunStatus,
)
from zvirka.journal.run_facts import Facts

CHART_RUNS = 90
"""How many nightly runs the chart goes back (an auditor's quarter)."""


@dataclass(frozen=True, slots=True)
class Write:
    """One correction, what became of it, and when. Times are aware UTC.

    ``settled_by`` is the run that settled it: a later one when its own died.
    """

    correction: Correction
    outcome: Outcome
    intended_at: datetime
    settled_at: datetime | None
    settled_by: int | None


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """One difference with the corrections it led to."""

    difference: Difference
    writes: tuple[Write, ...] = ()


class EntryStream(Protocol):
    """Streams the differences of a run anew at each call."""

    def __call__(
        self,
        kinds: Collection[Kind] | None = None,
        *,
        numbers: Collection[int] | None = None,
    ) -> Iterator[ReportEntry]:
        """The differences with their corrections, by number, in flat memory.

        All of them, or those of some kinds, or of some numbers (a page of them, not thousands).
        """
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """How many differences share a kind, a cause and a disposition."""

    kind: Kind
    cause: Cause
    disposition: Disposition
    count: int


@dataclass(frozen=True, slots=True)
class Night:
    """One bar of the chart: a nightly run and its differences by cause."""

    run: int
    started_at: datetime
    status: str
    causes: dict[Cause, int]

    @property
    def total(self) -> int:
        """All differences of that night."""
        return sum(self.causes.values())


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a run failed: what went wrong, where, and what to do about it."""

    cause: str
    place: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything one run found and did; see :class:`zvirka.journal.tables.RunRow` for the words.

    ``digest`` is empty while the run is not sealed. ``pruned`` says that the personal values
    were removed since, by retention.
    """

    run: int
    command: str
    trigger: str
    who: str
    reason: str
    status: str
    mode: str
    phase: str
    started_at: datetime
    finished_at: datetime | None
    exit_code: int | None
    parent: int | None
    fingerprint: str
    plan_digest: str
    previous_digest: str
    digest: str
    signature: str
    pruned: bool
    facts: Facts
    fault: Fault | None
    tallies: tuple[Tally, ...]
    outcomes: dict[OutcomeState, int]
    nights: tuple[Night, ...]
    entries: EntryStream

    @property
    def total(self) -> int:
        """All differences, those settled on the second look as well."""
        return sum(tally.count for tally in self.tallies)

    @property
    def settled(self) -> int:
        """Differences that were none on the second look."""
        return self._count(Disposition.SETTLED)

    @property
    def found(self) -> int:
        """Differences that stood on the second look."""
        return self.total - self.settled

    @property
    def held(self) -> int:
        """Differences a limit holds."""
        return self._count(Disposition.HELD)

    @property
    def reported(self) -> int:
        """Differences left for a person to decide."""
        return self._count(Disposition.REPORTED)

    @property
    def applied(self) -> int:
        """Corrections written and read back as wanted."""
        return self.outcomes.get(OutcomeState.APPLIED, 0)

    @property
    def quiet(self) -> bool:
        """Whether a run that compared the sides ended well and found no difference."""
        compares = self.command in {Command.RECONCILE, Command.PLAN, Command.RESYNC}
        return (
            compares and self.status == RunStatus.FINISHED and not self.found and not self.outcomes
        )

    @property
    def listed(self) -> dict[Kind, int]:
        """All differences by kind, in the order of :class:`Kind`: the list's sections."""
        counts = dict.fromkeys(Kind, 0)
        for tally in self.tallies:
            counts[tally.kind] += tally.count
        return {kind: count for kind, count in counts.items() if count}

    @property
    def kinds(self) -> dict[Kind, int]:
        """Differences that stood, by kind, in the order of :class:`Kind`."""
        counts = dict.fromkeys(Kind, 0)
        for tally in self.tallies:
            if tally.disposition is not Disposition.SETTLED:
                counts[tally.kind] += tally.count
        return {kind: count for kind, count in counts.items() if count}

    @property
    def causes(self) -> dict[Cause, int]:
        """Differences that stood, by cause, in the order of :class:`Cause`."""
        counts = dict.fromkeys(Cause, 0)
        for tally in self.tallies:
            if tally.disposition is not Disposition.SETTLED:
                counts[tally.cause] += tally.count
        return {cause: count for cause, count in counts.items() if count}

    def _count(self, disposition: Disposition) -> int:
        return sum(tally.count for tally in self.tallies if tally.disposition is disposition)
