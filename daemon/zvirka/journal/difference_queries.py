"""Queries on the differences of a run and their corrections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, case, exists, func, literal_column, or_, select

from zvirka.domain import (
    ZERO_REF,
    Action,
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
from zvirka.journal.column_types import plain
from zvirka.journal.definitions import differences_with_last_attempt, is_left
from zvirka.journal.digests import content_digest
from zvirka.journal.queries import last_over_everything
from zvirka.journal.records import DifferenceEntry, HistoryEntry, Tally, Totals
from zvirka.journal.row_mapping import (
    correction_from,
    difference_from,
    fields_from,
    outcome_from,
    write_from,
)
from zvirka.journal.sealing import STREAMED
from zvirka.journal.set_digest import SetDigest
from zvirka.journal.tables import CORRECTION, DIFFERENCE, RUN
from zvirka.message import loaded

_BATCH = 1000
_DIFFERENCE_COLUMNS = DIFFERENCE.columns.keys()
_CORRECTION_COLUMNS = CORRECTION.columns.keys()


def tallies(connection: Connection, run: int) -> tuple[Tally, ...]:
    """The differences of a run, counted by every property that reports count by."""
    d = DIFFERENCE.c
    columns = (d.kind, d.cause, d.action, d.disposition, CORRECTION.c.state)
    query = (
        select(*columns, func.count())
        .select_from(differences_with_last_attempt())
        .where(d.run_id == run)
        .group_by(*columns)
        .order_by(*columns)
    )
    return tuple(
        Tally(
            Kind(kind),
            Cause(cause),
            Action(action) if action else None,
            Disposition(disposition),
            OutcomeState(state) if state else None,
            count,
        )
        for kind, cause, action, disposition, state, count in connection.execute(query)
    )


def totals_of(counted: Iterable[Tally]) -> Totals:
    """The sums of tallies."""
    causes, kinds, actions, dispositions, outcomes = (Counter[str]() for _ in range(5))
    remaining = 0
    for tally in counted:
        causes[tally.cause] += tally.count
        kinds[tally.kind] += tally.count
        dispositions[tally.disposition] += tally.count
        if tally.action is not None:
            actions[tally.action] += tally.count
        if tally.outcome is not None:
            outcomes[tally.outcome] += tally.count
        if is_left(tally.disposition, tally.outcome):
            remaining += tally.count
    return Totals(
        total=dispositions.total(),
        causes=dict(causes),
        kinds=dict(kinds),
        actions=dict(actions),
        dispositions=dict(dispositions),
        outcomes=dict(outcomes),
        remaining=remaining,
    )


def entries(
    connection: Connection, run: int, numbers: Collection[int] | None = None
) -> Iterator[DifferenceEntry]:
    """Differences with all their corrections, by number, in flat memory.

    All of them, or those of some numbers (a page of them, not thousands).
    """
    query = (
        select(DIFFERENCE, CORRECTION)
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
    if numbers is not None:
        query = query.where(DIFFERENCE.c.number.in_(list(numbers)))
    for _, rows in groupby(_streamed(connection, query), key=lambda pair: pair[0]["number"]):
        group = list(rows)
        yield DifferenceEntry(
            difference_from(group[0][0]),
            tuple(write_from(correction) for _, correction in group if correction["id"]),
            group[0][0]["values_digest"],
            group[0][0]["digest"],
        )


def last_differences(connection: Connection, runs: Sequence[int]) -> dict[int, list[int]]:
    """The last difference of every counterparty in these runs: numbers by run.

    ``runs`` is an unbroken range. Plans do not count: they write nothing.
    """
    if not runs:
        return {}
    d, r = DIFFERENCE.c, RUN.c
    place = func.row_number().over(
        partition_by=case((d.ref.not_in(("", ZERO_REF)), d.ref), else_=d.key),
        order_by=(d.run_id.desc(), d.number.desc()),
    )
    ranked = (
        select(d.run_id, d.number, place.label("place"))
        .join(RUN, r.id == d.run_id)
        .where(d.run_id.between(min(runs), max(runs)), r.digest != "")
        .where(r.command != Command.PLAN.value)
        .subquery()
    )
    query = (
        select(ranked.c.run_id, ranked.c.number)
        .where(ranked.c.place == 1)
        .order_by(ranked.c.run_id, ranked.c.number)
    )
    found: dict[int, list[int]] = {}
    for run, number in connection.execute(query, execution_options={"yield_per": _BATCH}):
        found.setdefault(run, []).append(number)
    return found


def _streamed(
    connection: Connection, query: Select[Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Both rows of a join by column name, which the two tables share."""
    width = len(_DIFFERENCE_COLUMNS)
    row: Row[Any]
    for row in connection.execute(query, execution_options={"yield_per": _BATCH}):
        yield (
            dict(zip(_DIFFERENCE_COLUMNS, row[:width], strict=True)),
            dict(zip(_CORRECTION_COLUMNS, row[width:], strict=True)),
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


def linked_rows(connection: Connection) -> set[str]:
    """Rows of other flows that counterparties were linked to, by the last whole run or since."""
    whole = last_over_everything(connection, (RunStatus.FINISHED, RunStatus.HELD))
    d = DIFFERENCE.c
    query = select(d.row).where(
        d.disposition == Disposition.LINKED.value, d.run_id >= (whole.id if whole else 0)
    )
    return set(connection.execute(query.distinct()).scalars())


def content_digests(connection: Connection, run: int, disposition: Disposition) -> Iterator[str]:
    """The content digests of a run's differences of one disposition, by number."""
    d = DIFFERENCE.c
    query = select(d.kind, d.key, d.ref, d.row, d.rows, d.action, d.fields)
    rows = connection.execute(
        query.where(d.run_id == run, d.disposition == disposition.value).order_by(d.number),
        execution_options=STREAMED,
    )
    return (content_digest(row) for row in rows.mappings())


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
            note=loaded(row["note"]),
            evidence=loaded(row["evidence"]),
            outcome=row["state"],
            detail=loaded(row["detail"] or ""),
            settled_at=row["settled_at"],
            pruned=row["pruned_at"] is not None,
        )
        for row in rows
    ]


def applied_by_approvals(connection: Connection, held: int) -> set[str]:
    """The content digests of what approvals of the held run have applied so far."""
    d, c, r = DIFFERENCE.c, CORRECTION.c, RUN.c
    applied = exists().where(
        c.run_id == d.run_id, c.number == d.number, c.state == OutcomeState.APPLIED.value
    )
    rows = connection.execute(
        select(d.kind, d.key, d.ref, d.row, d.rows, d.action, d.fields)
        .join(RUN, r.id == d.run_id)
        .where(r.parent == held, r.command == Command.APPROVE.value, applied),
        execution_options=STREAMED,
    )
    return {content_digest(row) for row in rows.mappings()}
