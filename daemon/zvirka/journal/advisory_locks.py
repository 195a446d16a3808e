"""Locks of a journal on PostgreSQL: advisory ones that live as long as a session of its database.

The holder's words are the ``application_name`` of that session. Each flow has locks of its own:
its schema is part of the key.
"""

from __future__ import annotations

import zlib
from datetime import UTC

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from zvirka.errors import JournalError
from zvirka.journal.engine import SILENCE, journal_engine
from zvirka.journal.lock_holder import Holder, LockKind
from zvirka.message import Coded, Message

_NAME_BYTES = 63
"""PostgreSQL cuts ``application_name`` there."""

_SERVER_SILENCE = {
    "tcp_keepalives_idle": SILENCE["keepalives_idle"],
    "tcp_keepalives_interval": SILENCE["keepalives_interval"],
    "tcp_keepalives_count": SILENCE["keepalives_count"],
    "tcp_user_timeout": SILENCE["tcp_user_timeout"],
}
"""The same for the server's end of the connection."""


def lock_engine(url: URL) -> Engine:
    """An engine whose connections are sessions that hold locks, without transactions."""
    return journal_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def key_in(kind: LockKind, name: str) -> int:
    """The key of a lock among those of one database: that of a schema, or of a lane."""
    return kind.key ^ (zlib.crc32(name.encode()) << 24) if name else kind.key


def introduce(connection: Connection, holder: Holder) -> None:
    """Name the holder to the server, and have it keep the session as long as its peer answers."""
    words = f"zvirka/{holder.command}/{holder.pid}/{holder.host}/{holder.who}"
    name = words.encode()[:_NAME_BYTES].decode(errors="ignore")
    connection.execute(text("SELECT set_config('application_name', :n, false)"), {"n": name})
    # A server that ends idle sessions would release the lock during the run.
    connection.execute(text("SET idle_session_timeout = 0"))
    # A machine that vanishes from the network must not keep the lock for hours.
    for name, value in _SERVER_SILENCE.items():
        connection.execute(text(f"SET {name} = {value}"))


def try_lock(connection: Connection, key: int) -> bool:
    """Take the lock for the session if it is free."""
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:k)"), {"k": key}).scalar())


def require_session(connection: Connection, lost: Coded, place: str, remedy: Message) -> None:
    """Make sure that the session lives, and with it its locks.

    Raises:
        JournalError: it does not; with these words.
    """
    try:
        connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        raise JournalError(lost, place=place, remedy=remedy) from None


def session_holder(connection: Connection, key: int) -> Holder | None:
    """Who holds the lock; ``None`` if it became free or the holder is no zvirka."""
    row = connection.execute(
        text(
            "SELECT a.application_name, a.backend_start FROM pg_locks l"
            " JOIN pg_stat_activity a ON a.pid = l.pid"
            " JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            " AND (l.classid::bigint << 32) + l.objid::bigint = :k"
        ),
        {"k": key},
    ).first()
    parts = str(row[0]).split("/", 4) if row else []
    if row is None or len(parts) != 5 or not parts[2].isdigit():
        return None
    since = row[1].astimezone(UTC).isoformat(timespec="seconds")
    return Holder(command=parts[1], pid=int(parts[2]), host=parts[3], who=parts[4], since=since)
