"""What the journal tells: runs, differences, corrections, the life of one counterparty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime

import msgspec
from sqlalchemy import Connection, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from zvirka.domain import (
    ZERO_REF,
    Action,
    Correction,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Outcome,
    OutcomeState,
)
from zvirka.journal.column_types import plain
from zvirka.journal.digests import content_digest
from zvirka.journal.row_mapping import correction_from, difference_from, fields_from, outcome_from
from zvirka.journal.sealing import CORRECTION, DIFFERENCE, RUN, STREAMED
from zvirka.journal.set_digest import SetDigest
from zvirka.journal.tables import RunRow


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers. ``causes``, ``kinds`` and ``actions`` leave settled differences out.

    ``total`` counts all differences, settled ones too; ``remaining`` those neither settled nor
    corrected (applied); ``outcomes`` counts corrections by state.
    """

    total: int = 0
    causes: dict[str, int] = {}
    kinds: dict[str, int] = {}
    actions: dict[str, int] = {}
    dispositions: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    remaining: int = 0


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One run's difference on one counterparty, and what became of it.

    ``fields`` says what 1C held (wanted), the store held (found) and reads back. ``outcome`` is
    ``None`` when there was no correction. After prune (``pruned``) the values are gone.
    """

    run: int
    at: datetime
    command: str
    status: str
    who: str
    kind: str
    cause: str
    key: str
    ref: str
    row: str
    action: str
    disposition: str
    fields: tuple[FieldDifference, ...] = ()
    note: str = ""
    evidence: str = ""
    outcome: str | None = None
    detail: str = ""
    settled_at: datetime | None = None
    pruned: bool = False


def get_run(connection: Connection, run: int) -> RunRow | None:
    """One run, detached."""
    with Session(connection) as session:
        row = session.get(RunRow, run)
        session.expunge_all()
        return row


def list_runs(
    connection: Connection,
    *,
    limit: int,
    before: int | None = None,
    command: str | None = None,
    status: str | None = None,
) -> list[RunRow]:
    """Runs, newest first."""
    query = select(RunRow).order_by(col(RunRow.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(RunRow.id) < before)
    if command is not None:
        query = query.where(col(RunRow.command) == command)
    if status is not None:
        query = query.where(col(RunRow.status) == status)
    with Session(connection) as session:
        rows = list(session.scalars(query))
        session.expunge_all()
        return rows


def last_good(connection: Connection, number: int) -> list[RunRow]:
    """Runs over everything that finished on a complete snapshot of 1C, newest first.

    A held run is not good: what it saw is what a person has yet to believe.
    """
    good: list[RunRow] = []
    before: int | None = None
    while len(good) < number:
        page = list_runs(connection, limit=50, before=before)
        good += [
            run
            for run in page
            if run.command in {"reconcile", "resync", "approve"}
            and run.status == "finished"
            and run.mode != "targeted"
            and run.facts.get("complete")
        ]
        if len(page) < 50:
            break
        before = page[-1].id
    return good[:number]


def totals(connection: Connection, run: int) -> Totals:
    """Count a run's differences and corrections."""
    d, c = DIFFERENCE.c, CORRECTION.c
    groups = connection.execute(
        select(d.kind, d.cause, d.action, d.disposition, func.count())
        .where(d.run_id == run)
        .group_by(d.kind, d.cause, d.action, d.disposition)
    ).all()
    kinds, causes, actions, dispositions = (
        Counter[str](),
        Counter[str](),
        Counter[str](),
        Counter[str](),
    )
    for kind, cause, action, disposition, number in groups:
        dispositions[disposition] += number
        if disposition != Disposition.SETTLED:
            kinds[kind] += number
            causes[cause] += number
            if action:
                actions[action] += number
    outcomes = connection.execute(
        select(c.state, func.count()).where(c.run_id == run).group_by(c.state)
    ).all()
    applied = exists().where(
        c.run_id == d.run_id, c.number == d.number, c.state == OutcomeState.APPLIED.value
    )
    remaining = connection.execute(
        select(func.count()).where(
            d.run_id == run, d.disposition != Disposition.SETTLED.value, ~applied
        )
    ).scalar_one()
    return Totals(
        total=sum(dispositions.values()),
        causes=dict(causes),
        kinds=dict(kinds),
        actions=dict(actions),
        dispositions=dict(dispositions),
        outcomes={row[0]: row[1] for row in outcomes},
        remaining=remaining,
    )


def page_of_differences(
    connection: Connection,
    run: int,
    after: int,
    limit: int,
    *,
    dispositions: Collection[Disposition] | None,
    actions: Collection[Action] | None,
    kinds: Collection[Kind] | None,
) -> list[Difference]:
    """Differences of a run by number, those behind ``after``."""
    d = DIFFERENCE.c
    query = select(DIFFERENCE).where(d.run_id == run, d.number > after)
    for column, wanted in ((d.disposition, dispositions), (d.action, actions), (d.kind, kinds)):
        if wanted is not None:
            query = query.where(column.in_([one.value for one in wanted]))
    rows = connection.execute(query.order_by(d.number).limit(limit)).mappings()
    return [difference_from(row) for row in rows]


def numbered_differences(
    connection: Connection, run: int, numbers: Collection[int]
) -> dict[int, Difference]:
    """Differences of a run by number, those asked for that are there."""
    d = DIFFERENCE.c
    rows = connection.execute(
        select(DIFFERENCE).where(d.run_id == run, d.number.in_(numbers))
    ).mappings()
    return {row["number"]: difference_from(row) for row in rows}


def page_of_corrections(
    connection: Connection, run: int, after: tuple[int, int], limit: int
) -> list[tuple[int, Correction, Outcome]]:
    """Corrections of a run by difference number and id, those behind ``after``."""
    c = CORRECTION.c
    number, last = after
    rows = connection.execute(
        select(CORRECTION)
        .where(c.run_id == run, c.number >= number)
        .where(or_(c.number > number, c.id > last))
        .order_by(c.number, c.id)
        .limit(limit)
    ).mappings()
    return [(row["number"], correction_from(row), outcome_from(row)) for row in rows]


def open_intents(connection: Connection) -> list[tuple[int, int, Correction]]:
    """Corrections without an outcome: run, difference number, correction."""
    rows = connection.execute(
        select(CORRECTION)
        .where(CORRECTION.c.state == literal_column("'intended'"))  # as the index has it
        .order_by(CORRECTION.c.id)
    ).mappings()
    return [(row["run_id"], row["number"], correction_from(row)) for row in rows]


def content_digests(connection: Connection, run: int, disposition: Disposition) -> Iterator[str]:
    """The content digests of a run's differences of one disposition, by number."""
    d = DIFFERENCE.c
    query = select(d.kind, d.key, d.ref, d.row, d.rows, d.action, d.fields)
    rows = connection.execute(
        query.where(d.run_id == run, d.disposition == disposition.value).order_by(d.number),
        execution_options=STREAMED,
    )
    return (content_digest(row) for row in rows.mappings())


def applied_by_approvals(connection: Connection, held: int) -> set[str]:
    """The content digests of what approvals of the held run have applied so far."""
    d, c, r = DIFFERENCE.c, CORRECTION.c, RUN.c
    applied = exists().where(
        c.run_id == d.run_id, c.number == d.number, c.state == OutcomeState.APPLIED.value
    )
    rows = connection.execute(
        select(d.kind, d.key, d.ref, d.row, d.rows, d.action, d.fields)
        .join(RUN, r.id == d.run_id)
        .where(r.parent == held, r.command == "approve", applied),
        execution_options=STREAMED,
    )
    return {content_digest(row) for row in rows.mappings()}


def plan_digest(connection: Connection, run: int) -> str:
    """One digest over the held differences in whatever order; '' when nothing is held."""
    digest = SetDigest()
    for content in content_digests(connection, run, Disposition.HELD):
        digest.add(content)
    return digest.short


def history(connection: Connection, *, key: str, ref: str) -> list[HistoryEntry]:
    """Differences of one counterparty in all runs, oldest first, with their corrections.

    A key alone also finds what its one Ref_Key stood for under other keys.
    """
    d, c, r = DIFFERENCE.c, CORRECTION.c, RUN.c
    refs = {plain(ref)} - {""}
    if key and not refs:
        known = select(d.ref).where(d.key == plain(key), d.ref.not_in(("", ZERO_REF))).distinct()
        found = set(connection.execute(known.limit(2)).scalars())
        refs = found if len(found) == 1 else set()
    conditions = [d.key == plain(key)] if key else []
    if refs:
        conditions.append(d.ref.in_(refs))
    if not conditions:
        return []
    rows = connection.execute(
        select(
            *DIFFERENCE.columns,
            r.started_at,
            r.command,
            r.status,
            r.who,
            r.pruned_at,
            c.state,
            c.detail,
            c.settled_at,
            c.written_row,
        )
        .join(RUN, r.id == d.run_id)
        .outerjoin(CORRECTION, (c.run_id == d.run_id) & (c.number == d.number))
        .where(or_(*conditions))
        .order_by(d.run_id, d.number, c.id)
    ).mappings()
    return [
        HistoryEntry(
            run=row["run_id"],
            at=row["started_at"],
            command=row["command"],
            status=row["status"],
            who=row["who"],
            kind=row["kind"],
            cause=row["cause"],
            key=row["key"],
            ref=row["ref"],
            row=row["written_row"] or row["row"],
            action=row["action"],
            disposition=row["disposition"],
            fields=fields_from(row["fields"]),
            note=row["note"],
            evidence=row["evidence"],
            outcome=row["state"],
            detail=row["detail"] or "",
            settled_at=row["settled_at"],
            pruned=row["pruned_at"] is not None,
        )
        for row in rows
    ]
