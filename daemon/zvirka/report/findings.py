"""What a report says, as data: built once from the journal, rendered by a module per form.

Nothing here knows a form or a language. What is small is held; differences and corrections stay
in the journal and stream from it, so that a report of 100,000 differences takes no more memory
than one of ten. The same sealed run always gives the same findings: no clock, no later run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, Text, func, select, type_coerce

from zvirka.counterparty import (
    Action,
    Cause,
    Correction,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Outcome,
    OutcomeState,
)
from zvirka.journal.book import Book
from zvirka.journal.columns import JsonText
from zvirka.journal.facts import Facts
from zvirka.journal.sealing import CORRECTION, DIFFERENCE, RUN

CHART_RUNS = 90
"""How many nightly runs the chart goes back (an auditor's quarter)."""
_BATCH = 1000


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
class Entry:
    """One difference with the corrections it led to."""

    difference: Difference
    writes: tuple[Write, ...] = ()


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
class Findings:
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
    book: Book

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
        compares = self.command in {"reconcile", "plan", "resync"}
        return compares and self.status == "finished" and not self.found and not self.outcomes

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

    def entries(
        self,
        kinds: Collection[Kind] | None = None,
        *,
        numbers: Collection[int] | None = None,
    ) -> Iterator[Entry]:
        """Stream the differences with their corrections, by number, in flat memory.

        All of them, or those of some kinds, or of some numbers (a page of them, not thousands).
        """
        query = (
            select(DIFFERENCE, *_renamed(CORRECTION.c))
            .select_from(
                DIFFERENCE.outerjoin(
                    CORRECTION,
                    (CORRECTION.c.run_id == DIFFERENCE.c.run_id)
                    & (CORRECTION.c.number == DIFFERENCE.c.number),
                )
            )
            .where(DIFFERENCE.c.run_id == self.run)
            .order_by(DIFFERENCE.c.number, CORRECTION.c.id)
        )
        if kinds is not None:
            query = query.where(DIFFERENCE.c.kind.in_([kind.value for kind in kinds]))
        if numbers is not None:
            query = query.where(DIFFERENCE.c.number.in_(list(numbers)))
        for _, group in groupby(self._stream(query), key=lambda row: row.number):
            rows = list(group)
            writes = tuple(_write(row) for row in rows if row.c_id is not None)
            yield Entry(_difference(rows[0]), writes)

    def _count(self, disposition: Disposition) -> int:
        return sum(tally.count for tally in self.tallies if tally.disposition is disposition)

    def _stream(self, query: Select[Any]) -> Iterator[Row[Any]]:
        with self.book.reading() as connection:
            yield from connection.execution_options(yield_per=_BATCH).execute(query)


def findings_of(book: Book, run: int) -> Findings:
    """Gather what the journal holds of one run.

    Raises:
        UsageError: the journal has no such run.
    """
    row = book.get(run)
    error = row.error or {}
    return Findings(
        run=run,
        command=row.command,
        trigger=row.trigger,
        who=row.who,
        reason=row.reason,
        status=row.status,
        mode=row.mode,
        phase=row.phase,
        started_at=row.started_at,
        finished_at=row.finished_at,
        exit_code=row.exit_code,
        parent=row.parent,
        fingerprint=row.fingerprint,
        plan_digest=row.plan_digest,
        previous_digest=row.previous_digest,
        digest=row.digest,
        signature=row.signature,
        pruned=row.pruned_at is not None,
        facts=msgspec.convert(row.facts or {}, Facts),
        fault=Fault(
            str(error.get("cause", "")), str(error.get("place", "")), str(error.get("remedy", ""))
        )
        if error
        else None,
        tallies=_tallies(book, run),
        outcomes=_outcomes(book, run),
        nights=_nights(book, run),
        book=book,
    )


def _tallies(book: Book, run: int) -> tuple[Tally, ...]:
    columns = (DIFFERENCE.c.kind, DIFFERENCE.c.cause, DIFFERENCE.c.disposition)
    query = (
        select(*columns, func.count().label("count"))
        .where(DIFFERENCE.c.run_id == run)
        .group_by(*columns)
        .order_by(*columns)
    )
    with book.reading() as connection:
        return tuple(
            Tally(Kind(kind), Cause(cause), Disposition(disposition), count)
            for kind, cause, disposition, count in connection.execute(query)
        )


def _outcomes(book: Book, run: int) -> dict[OutcomeState, int]:
    query = (
        select(CORRECTION.c.state, func.count().label("number"))
        .where(CORRECTION.c.run_id == run)
        .group_by(CORRECTION.c.state)
    )
    with book.reading() as connection:
        counts = {row.state: row.number for row in connection.execute(query)}
    return {state: counts[state] for state in OutcomeState if state in counts}


def _nights(book: Book, run: int) -> tuple[Night, ...]:
    """The nightly runs up to this one, oldest first.

    A plan, a targeted resync or an approval counts the differences of a night a second time, so
    only whole reconciliations are bars.
    """
    query = (
        select(RUN.c.id, RUN.c.started_at, RUN.c.status, RUN.c.facts)
        .where(RUN.c.command == "reconcile", RUN.c.id <= run, RUN.c.status != "running")
        .order_by(RUN.c.id.desc())
        .limit(CHART_RUNS)
    )
    with book.reading() as connection:
        rows = list(connection.execute(query))
    return tuple(
        Night(
            number,
            started_at,
            status,
            {
                cause: facts["causes"][cause]
                for cause in Cause
                if facts.get("causes", {}).get(cause)
            },
        )
        for number, started_at, status, facts in reversed(rows)
    )


def _renamed(columns: Iterable[ColumnElement[Any]]) -> list[Any]:
    """The correction's columns under names that do not collide with the difference's.

    JSON stays text: where a difference has no correction there is nothing to decode.
    """
    return [
        (type_coerce(column, Text) if isinstance(column.type, JsonText) else column).label(
            f"c_{column.key}"
        )
        for column in columns
    ]


def _difference(row: Row[Any]) -> Difference:
    return Difference(
        number=row.number,
        kind=Kind(row.kind),
        cause=Cause(row.cause),
        key=row.key,
        ref=row.ref,
        name=row.name,
        row=row.row,
        rows=tuple(row.rows or ()),
        fields=msgspec.convert(row.fields or [], tuple[FieldDifference, ...]),
        action=Action(row.action) if row.action else None,
        disposition=Disposition(row.disposition),
        note=row.note,
        evidence=row.evidence,
    )


def _write(row: Row[Any]) -> Write:
    return Write(
        Correction(
            id=row.c_id,
            action=Action(row.c_action),
            key=row.c_key,
            ref=row.c_ref,
            row=row.c_row,
            active=row.c_active,
            before=json.loads(row.c_before),
            after=json.loads(row.c_after),
            new_key=row.c_new_key,
        ),
        Outcome(
            correction=row.c_id,
            state=OutcomeState(row.c_state),
            detail=row.c_detail,
            row=row.c_written_row,
        ),
        row.c_intended_at,
        row.c_settled_at,
        row.c_settled_by,
    )
