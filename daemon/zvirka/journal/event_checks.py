"""Checks the chain of the events, and that no event was cut off since a run was sealed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from zvirka.journal.column_types import canonical
from zvirka.journal.digests import raw_column
from zvirka.journal.events import event_digest, raw_events
from zvirka.journal.row_checks import ChainProblem, is_canonical, is_time
from zvirka.journal.sealed_memory import sealed_from
from zvirka.journal.tables import RUN
from zvirka.message import Message


def unsound_events(connection: Connection) -> Iterator[ChainProblem]:
    """Events that were altered, removed or inserted, and sealed ones that are not there."""
    sealed = _sealed_tips(connection)
    before, digest = 0, ""
    for row in raw_events(connection):
        follows = row["id"] == before + 1 and row["previous_digest"] == digest
        sound = is_canonical(row["detail"]) and is_time(row["at"])
        if not (follows and sound and event_digest(row) == row["digest"]):
            yield ChainProblem(
                0, Message("table event: event {number} altered", number=str(row["id"]))
            )
        before, digest = row["id"], row["digest"]
        sealed.pop(canonical([before, digest]), None)
    for run in sorted(set(sealed.values())):
        yield ChainProblem(
            run,
            Message(
                "table event: the last event when run {run} was sealed was altered or removed",
                run=str(run),
            ),
        )


def _sealed_tips(connection: Connection) -> dict[str, int]:
    """Number and digest of the last event at each seal, with the first run that has it."""
    known: dict[str, int] = {}
    query = select(RUN.c.id, raw_column(RUN.c.sealed)).where(RUN.c.seal.is_not(None))
    for run, text in connection.execute(query.order_by(RUN.c.seal)).all():
        seal = sealed_from(text)
        if seal and seal.event:
            known.setdefault(canonical([seal.event, seal.event_digest]), run)
    return known
