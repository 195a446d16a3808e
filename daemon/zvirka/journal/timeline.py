"""Runs and events in one sequence, newest first."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, literal, select, union_all

from zvirka.journal.events import Event, EventKind, events_by_number
from zvirka.journal.records import RunRecord
from zvirka.journal.row_mapping import run_from
from zvirka.journal.tables import EVENT, RUN


class TimelineFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; '' and ``None`` let everything through. ``page`` counts from 1.

    ``what`` is ``run`` or a kind of event. ``between`` are aware, the second excluded.
    """

    what: str = ""
    who: str = ""
    between: tuple[datetime, datetime] | None = None
    page: int = 1


Moment = RunRecord | Event
"""One line of the sequence."""


def timeline(connection: Connection, wanted: TimelineFilter, size: int) -> list[Moment]:
    """A page of the sequence; one line more than ``size`` where an older page follows."""
    parts = []
    if wanted.what in {"", "run"}:
        query = select(RUN.c.started_at.label("at"), literal("run").label("kind"), RUN.c.id)
        parts.append(_narrowed(query, wanted, RUN.c.started_at, RUN.c.who))
    if wanted.what != "run":
        query = select(EVENT.c.at.label("at"), literal("event").label("kind"), EVENT.c.id)
        if wanted.what:
            query = query.where(EVENT.c.kind == wanted.what)
        parts.append(_narrowed(query, wanted, EVENT.c.at, EVENT.c.who))
    both = union_all(*parts).subquery()
    page = (
        select(both.c.kind, both.c.id)
        .order_by(both.c.at.desc(), both.c.kind.desc(), both.c.id.desc())
        .limit(size + 1)
        .offset((wanted.page - 1) * size)
    )
    found = [(kind, number) for kind, number in connection.execute(page)]
    events = events_by_number(connection, [number for kind, number in found if kind == "event"])
    numbers = [number for kind, number in found if kind == "run"]
    rows = connection.execute(select(RUN).where(RUN.c.id.in_(numbers))).mappings()
    runs = {row["id"]: run_from(row) for row in rows}
    return [runs[number] if kind == "run" else events[number] for kind, number in found]


def everybody(connection: Connection) -> list[str]:
    """Who has begun runs or brought events about, in alphabetical order."""
    both = union_all(select(RUN.c.who), select(EVENT.c.who)).subquery()
    return sorted(connection.execute(select(both.c.who).distinct()).scalars())


def _narrowed(
    query: Select[datetime, str, int],
    wanted: TimelineFilter,
    at: ColumnElement[datetime],
    who: ColumnElement[str],
) -> Select[datetime, str, int]:
    if wanted.who:
        query = query.where(who == wanted.who)
    if wanted.between is not None:
        query = query.where(at >= wanted.between[0], at < wanted.between[1])
    return query


KINDS = ("run", *(kind.value for kind in EventKind))
"""What can be asked for."""
