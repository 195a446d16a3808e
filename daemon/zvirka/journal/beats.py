"""What is alive at this moment: the daemon's heartbeat, how far a run is, and a wish to stop it.

One row a name, overwritten; not part of the chain, for it says nothing of what was done. No
personal data.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from zvirka.journal.tables import BeatRow, table_of

BEAT = table_of(BeatRow)


class BeatName(StrEnum):
    """Whose beat it is."""

    DAEMON = "daemon"  # detail: next, when the next run is due
    RUN = "run"  # detail: run, phase, done, total, since
    STOP = "stop"  # detail: run, who


class Beat(msgspec.Struct, frozen=True):
    """When somebody was last heard of, and what they said. ``at`` is aware UTC."""

    at: datetime
    detail: dict[str, Any]


def put_beat(connection: Connection, name: BeatName, now: datetime, detail: dict[str, Any]) -> None:
    """Replace the beat of that name."""
    connection.execute(delete(BEAT).where(BEAT.c.name == name.value))
    connection.execute(insert(BEAT), [{"name": name.value, "at": now, "detail": detail}])


def drop_beats(connection: Connection, names: tuple[BeatName, ...]) -> None:
    """Forget the beats of these names."""
    connection.execute(delete(BEAT).where(BEAT.c.name.in_([name.value for name in names])))


def read_beats(connection: Connection) -> dict[BeatName, Beat]:
    """All beats by name."""
    rows = connection.execute(select(BEAT)).mappings()
    return {BeatName(row["name"]): Beat(row["at"], row["detail"]) for row in rows}
