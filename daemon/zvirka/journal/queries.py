"""Queries on runs. Each takes a connection, so that a reader can ask several of one state."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypedDict, Unpack

import msgspec
from sqlalchemy import Connection, Select, func, select

from zvirka.domain import Command, RunStatus, Trigger
from zvirka.journal.definitions import (
    differences_with_last_attempt,
    good_run,
    left_difference,
    over_everything,
)
from zvirka.journal.records import RunRecord
from zvirka.journal.row_mapping import run_from
from zvirka.journal.tables import DIFFERENCE, RUN

_MOST_LEFT = 100_000
_MOST_RUNS = 400


def get_run(connection: Connection, run: int) -> RunRecord | None:
    """One run."""
    found = _runs(connection, select(RUN).where(RUN.c.id == run))
    return found[0] if found else None


class RunFilter(TypedDict, total=False):
    """Which runs are asked for; what is left out or ``None`` lets every run pass.

    ``before`` is the number the page before ended with. ``started`` are the bounds of their
    beginning, aware, the second excluded.
    """

    before: int | None
    command: Command | None
    status: RunStatus | None
    who: str
    started: tuple[datetime, datetime] | None


def list_runs(connection: Connection, *, limit: int, **asked: Unpack[RunFilter]) -> list[RunRecord]:
    """Runs that pass the filter, newest first."""
    query = select(RUN).order_by(RUN.c.id.desc()).limit(limit)
    if (before := asked.get("before")) is not None:
        query = query.where(RUN.c.id < before)
    if (command := asked.get("command")) is not None:
        query = query.where(RUN.c.command == command.value)
    if (status := asked.get("status")) is not None:
        query = query.where(RUN.c.status == status.value)
    if who := asked.get("who"):
        query = query.where(RUN.c.who == who)
    if (started := asked.get("started")) is not None:
        query = query.where(RUN.c.started_at >= started[0], RUN.c.started_at < started[1])
    return _runs(connection, query)


def people(connection: Connection) -> list[str]:
    """Who has begun runs, in alphabetical order."""
    return sorted(connection.execute(select(RUN.c.who).distinct()).scalars())


def answers(connection: Connection, run: int) -> list[RunRecord]:
    """Runs that approve, reject or undo this one, oldest first."""
    return _runs(connection, select(RUN).where(RUN.c.parent == run).order_by(RUN.c.id))


def last_good(connection: Connection, number: int) -> list[RunRecord]:
    """Good runs (:func:`zvirka.journal.definitions.is_good`), newest first."""
    query = select(RUN).where(good_run()).order_by(RUN.c.id.desc()).limit(number)
    return _runs(connection, query)


def last_over_everything(
    connection: Connection, statuses: Collection[RunStatus]
) -> RunRecord | None:
    """The newest run over the whole catalogue with one of these statuses."""
    query = (
        select(RUN)
        .where(over_everything(), RUN.c.status.in_([status.value for status in statuses]))
        .order_by(RUN.c.id.desc())
        .limit(1)
    )
    return next(iter(_runs(connection, query)), None)


def runs_since(
    connection: Connection, moment: datetime, triggers: Collection[Trigger]
) -> list[RunRecord]:
    """Runs started by one of these triggers at or after the moment, oldest first."""
    query = (
        select(RUN)
        .where(
            RUN.c.trigger.in_([trigger.value for trigger in triggers]),
            RUN.c.started_at >= moment,
        )
        .order_by(RUN.c.id)
    )
    return _runs(connection, query)


def reconciliations_until(connection: Connection, run: int, limit: int) -> list[RunRecord]:
    """The last reconciliations up to this run that have ended, oldest first."""
    query = (
        select(RUN)
        .where(
            RUN.c.command == Command.RECONCILE.value,
            RUN.c.id <= run,
            RUN.c.status != RunStatus.RUNNING.value,
        )
        .order_by(RUN.c.id.desc())
        .limit(limit)
    )
    return _runs(connection, query)[::-1]


def sealed_between(connection: Connection, begin: datetime, end: datetime) -> tuple[int, ...]:
    """Numbers of the sealed runs started from ``begin`` to before ``end``, oldest first."""
    query = (
        select(RUN.c.id)
        .where(RUN.c.started_at >= begin, RUN.c.started_at < end, RUN.c.digest != "")
        .order_by(RUN.c.id)
    )
    return tuple(connection.execute(query).scalars())


class SealedRuns(msgspec.Struct, frozen=True):
    """How many runs are sealed and signed, and the numbers of the first and last sealed one."""

    sealed: int
    signed: int
    first: int | None
    last: int | None


def sealed_runs(connection: Connection) -> SealedRuns:
    """The sealed runs in numbers."""
    r = RUN.c
    signed = func.count().filter(r.signature != "")
    query = select(func.count(), signed, func.min(r.id), func.max(r.id))
    return SealedRuns(*connection.execute(query.where(r.seal.is_not(None))).one())


def last_seal(connection: Connection) -> tuple[int, str] | None:
    """Number and digest of the run sealed last."""
    query = select(RUN.c.id, RUN.c.digest).where(RUN.c.seal.is_not(None))
    row = connection.execute(query.order_by(RUN.c.seal.desc()).limit(1)).first()
    return (row.id, row.digest) if row else None


def unresolved_since(connection: Connection) -> datetime | None:
    """When the oldest of the differences that the last run left was first found.

    Follows them back through the runs over everything until none of them was left. ``None`` when
    nothing is left, or more than :data:`_MOST_LEFT` are.
    """
    runs = connection.execute(
        select(RUN.c.id, RUN.c.started_at)
        .where(
            over_everything(),
            RUN.c.status.in_((RunStatus.FINISHED.value, RunStatus.HELD.value)),
        )
        .order_by(RUN.c.id.desc())
        .limit(_MOST_RUNS)
    ).all()
    left: set[tuple[str, str]] | None = None
    since = None
    for run, started in runs:
        here = _left_in(connection, run)
        if left is None and len(here) >= _MOST_LEFT:
            return None
        left = here if left is None else left & here
        if not left:
            break
        since = started
    return since


def _left_in(connection: Connection, run: int) -> set[tuple[str, str]]:
    query = (
        select(DIFFERENCE.c.key, DIFFERENCE.c.ref)
        .select_from(differences_with_last_attempt())
        .where(DIFFERENCE.c.run_id == run, left_difference())
        .limit(_MOST_LEFT)
    )
    return {(key, ref) for key, ref in connection.execute(query)}


def _runs(connection: Connection, query: Select[Any]) -> list[RunRecord]:
    return [run_from(row) for row in connection.execute(query).mappings()]
