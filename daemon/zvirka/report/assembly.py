"""Reads the findings of a run out of the journal."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, Text, func, select, type_coerce

from zvirka.domain import (
    Action,
    Cause,
    Command,
    Correction,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Outcome,
    OutcomeState,
    RunStatus,
)
from zvirka.journal.column_types import JsonText
from zvirka.journal.journal import Journal
from zvirka.journal.run_facts import Facts
from zvirka.journal.sealing import CORRECTION, DIFFERENCE, RUN
from zvirka.report.content import CHART_RUNS, Fault, Night, ReportContent, ReportEntry, Tally, Write

_BATCH = 1000


def findings_of(journal: Journal, run: int) -> ReportContent:
    """Gather what the journal holds of one run.

    Raises:
        UsageError: the journal has no such run.
    """
    row = journal.get(run)
    error = row.error or {}
    return ReportContent(
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
        tallies=_tallies(journal, run),
        outcomes=_outcomes(journal, run),
        nights=_nights(journal, run),
        entries=partial(entries_of, journal, run),
    )


def entries_of(
    journal: Journal,
    run: int,
    kinds: Collection[Kind] | None = None,
    *,
    numbers: Collection[int] | None = None,
) -> Iterator[ReportEntry]:
    """An :class:`~zvirka.report.content.EntryStream` of a run, given the first two arguments."""
    query = (
        select(DIFFERENCE, *_renamed(CORRECTION.c))
        .select_from(
            DIFFERENCE.outerjoin(
                CORRECTION,
                (CORRECTION.c.run_id == DIFFERENCE.c.run_id)
                & (CORRECTION.c.number == DIFFERENCE.c.number),
            )
        )
        .where(DIFFERENCE.c.run_id == run)
        .order_by(DIFFERENCE.c.number, CORRECTION.c.id)
    )
    if kinds is not None:
        query = query.where(DIFFERENCE.c.kind.in_([kind.value for kind in kinds]))
    if numbers is not None:
        query = query.where(DIFFERENCE.c.number.in_(list(numbers)))
    for _, group in groupby(_stream(journal, query), key=lambda row: row.number):
        rows = list(group)
        writes = tuple(_write(row) for row in rows if row.c_id is not None)
        yield ReportEntry(_difference(rows[0]), writes)


def _stream(journal: Journal, query: Select[Any]) -> Iterator[Row[Any]]:
    with journal.reading() as connection:
        yield from connection.execution_options(yield_per=_BATCH).execute(query)


def _tallies(journal: Journal, run: int) -> tuple[Tally, ...]:
    columns = (DIFFERENCE.c.kind, DIFFERENCE.c.cause, DIFFERENCE.c.disposition)
    query = (
        select(*columns, func.count().label("count"))
        .where(DIFFERENCE.c.run_id == run)
        .group_by(*columns)
        .order_by(*columns)
    )
    with journal.reading() as connection:
        return tuple(
            Tally(Kind(kind), Cause(cause), Disposition(disposition), count)
            for kind, cause, disposition, count in connection.execute(query)
        )


def _outcomes(journal: Journal, run: int) -> dict[OutcomeState, int]:
    query = (
        select(CORRECTION.c.state, func.count().label("number"))
        .where(CORRECTION.c.run_id == run)
        .group_by(CORRECTION.c.state)
    )
    with journal.reading() as connection:
        counts = {row.state: row.number for row in connection.execute(query)}
    return {state: counts[state] for state in OutcomeState if state in counts}


def _nights(journal: Journal, run: int) -> tuple[Night, ...]:
    """The nightly runs up to this one, oldest first.

    A plan, a targeted resync or an approval counts the differences of a night a second time, so
    only whole reconciliations are bars.
    """
    query = (
        select(RUN.c.id, RUN.c.started_at, RUN.c.status, RUN.c.facts)
        .where(
            RUN.c.command == Command.RECONCILE.value,
            RUN.c.id <= run,
            RUN.c.status != RunStatus.RUNNING.value,
        )
        .order_by(RUN.c.id.desc())
        .limit(CHART_RUNS)
    )
    with journal.reading() as connection:
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
