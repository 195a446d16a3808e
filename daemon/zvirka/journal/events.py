"""What happened beside the runs: settings and schemas that changed, backups, sign-ins of admins.

Each event is a link of a digest chain; the seal of a run covers the end of it, as it covers that
of the receipts. No personal data of counterparties and no secret values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from zvirka.journal.column_types import canonical, iso, plain
from zvirka.journal.digests import Raw, digest_of, raw_column, raw_columns
from zvirka.journal.tables import CHAIN, EVENT, EventRow


class EventKind(StrEnum):
    """What happened. The ``detail`` of each is described beside it."""

    SETTINGS = "settings"  # values: key → value, masked; changed: the keys that differ
    SCHEMA = "schema"  # side: 1c or erp; values: name → type; changed: the names that differ
    BACKUP = "backup"  # file
    RESTORE = "restore"  # file; runs: how many the backup holds
    SIGN_IN = "sign_in"  # address


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. ``at`` is aware UTC."""

    id: int
    at: datetime
    kind: EventKind
    who: str
    detail: dict[str, Any]


def add_event(
    connection: Connection, kind: EventKind, now: datetime, who: str, detail: Mapping[str, Any]
) -> int:
    """Record an event and return its number."""
    # Locked: two processes must not continue the same link.
    connection.execute(select(CHAIN.c.begun).with_for_update())
    last, tip = event_tip(connection)
    row: dict[str, Any] = {
        "id": last + 1,
        "at": now,
        "kind": kind.value,
        "who": plain(who),
        "detail": canonical(detail),
        "previous_digest": tip,
    }
    connection.execute(insert(EVENT), [row | {"digest": event_digest(row)}])
    return last + 1


def event_tip(connection: Connection) -> tuple[int, str]:
    """Number and digest of the last event; 0 and '' before the first."""
    query = select(EVENT.c.id, EVENT.c.digest).order_by(EVENT.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return (row.id, row.digest) if row else (0, "")


def event_digest(row: Raw) -> str:
    """The digest of an event and of all before it."""
    columns = ("id", "kind", "who", "detail", "previous_digest")
    return digest_of([*(row[name] for name in columns), iso(row["at"])])


def raw_events(connection: Connection) -> Iterator[Raw]:
    """All events by number, as the driver gives their cells."""
    query = select(*raw_columns(EventRow)).order_by(EVENT.c.id)
    yield from connection.execute(query, execution_options={"yield_per": 1000}).mappings()


def last_event(
    connection: Connection, kind: EventKind, having: Mapping[str, str] | None = None
) -> Event | None:
    """The newest event of a kind whose detail has these values."""
    query = select(EVENT).where(EVENT.c.kind == kind.value).order_by(EVENT.c.id.desc())
    for name, value in (having or {}).items():
        # Canonical JSON has no blanks, and a quote within a text is escaped.
        query = query.where(raw_column(EVENT.c.detail).contains(f'"{name}":"{value}"'))
    row = connection.execute(query.limit(1)).mappings().first()
    return event_from(row) if row else None


def events_by_number(connection: Connection, numbers: Collection[int]) -> dict[int, Event]:
    """Events by their numbers."""
    found = connection.execute(select(EVENT).where(EVENT.c.id.in_(numbers))).mappings()
    return {row["id"]: event_from(row) for row in found}


def event_from(row: Raw) -> Event:
    """The event of a row."""
    return Event(
        id=row["id"],
        at=row["at"],
        kind=EventKind(row["kind"]),
        who=row["who"],
        detail=row["detail"],
    )
