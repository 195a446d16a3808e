"""One run at a time: a lock that ends with its process and records who holds it.

With the journal on SQLite it is ``flock`` on ``state_dir/run.lock``, the holder's words inside.
On PostgreSQL it is an advisory lock of the journal's database, held by a connection of its own
whose ``application_name`` has the words: two machines can be active and standby.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from zvirka.errors import JournalError, LockHeldError
from zvirka.journal.database import journal_engine, journal_name, journal_url
from zvirka.journal.error_messages import guarded
from zvirka.now import Now, utc_now
from zvirka.settings.model import Settings

_KEY = 0x7A76_6972_6B61
"""The advisory lock's number: «zvirka» in ASCII."""

_PAUSE_SECONDS = 0.2
_NAME_BYTES = 63
"""PostgreSQL cuts ``application_name`` there."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock; ``since`` is ISO 8601 UTC."""

    who: str
    command: str
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"{self.command} by {self.who} since {self.since}, process {self.pid} on {self.host}"


class HeldLock(Protocol):
    """The lock while it is held."""

    def check(self) -> None:
        """Make sure that the lock is still held; to be called before each batch of writes.

        Raises:
            JournalError: it is lost: the connection that held it has broken.
        """
        ...


@contextmanager
def run_lock(
    settings: Settings,
    *,
    who: str,
    command: str,
    wait: float | None = 0,
    now: Now = utc_now,
) -> Iterator[HeldLock]:
    """Hold the lock while the block runs.

    Args:
        settings: say where journal and state directory are.
        who: a login or a unit's name, for the message others get.
        command: what is run.
        wait: seconds to wait for another holder: 0 not at all, ``None`` for ever.
        now: the clock, for the holder's words.

    Raises:
        LockHeldError: another run holds it; the message and ``place`` say who.
        JournalError: the lock cannot be tried at all.
    """
    holder = Holder(
        who=who,
        command=command,
        host=socket.gethostname(),
        pid=os.getpid(),
        since=now().astimezone(UTC).isoformat(timespec="seconds"),
    )
    if journal_url(settings).get_backend_name() == "sqlite":
        with _file_lock(settings.state_dir / "run.lock", holder, wait) as held:
            yield held
    else:
        with _advisory_lock(settings, holder, wait) as held:
            yield held


def _until(wait: float | None, attempt: Callable[[], bool]) -> bool:
    """Try until it works or the time is over."""
    deadline = None if wait is None else time.monotonic() + wait
    while not attempt():
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_PAUSE_SECONDS, left))
        else:
            time.sleep(_PAUSE_SECONDS)
    return True


def _held_by(holder: Holder | None, place: str) -> LockHeldError:
    return LockHeldError(
        "another run is under way",
        place=str(holder) if holder else place,
        remedy="wait for it to end, or run again with --wait",
    )


class _FileLock:
    def check(self) -> None:
        """The kernel keeps the lock as long as the file is open."""


@contextmanager
def _file_lock(path: Path, holder: Holder, wait: float | None) -> Iterator[HeldLock]:
    descriptor = _open(path)
    try:
        if not _until(wait, lambda: _flock(descriptor)):
            raise _held_by(_read_holder(path), str(path))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(holder), 0)
        try:
            yield _FileLock()
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalError(
            f"the file of the run lock cannot be opened ({error.strerror})",
            place=str(path),
            remedy="check state_dir and the rights of zvirka's user on it",
        ) from None


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(path: Path) -> Holder | None:
    # The holder may be between taking the lock and saying who it is.
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None


class _AdvisoryLock:
    def __init__(self, connection: Connection, place: str) -> None:
        self._connection = connection
        self._place = place

    def check(self) -> None:
        """The lock lives as long as the server holds the session."""
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            raise JournalError(
                "the connection that held the run lock is lost",
                place=self._place,
                remedy="nothing more was written; run again, what was open is settled then",
            ) from None


@contextmanager
def _advisory_lock(settings: Settings, holder: Holder, wait: float | None) -> Iterator[HeldLock]:
    url = journal_url(settings)
    place = journal_name(url)
    engine = journal_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with guarded(place):
            connection = engine.connect()
        with connection:
            with guarded(place):
                _introduce(connection, holder)
                taken = _until(wait, lambda: _try_advisory(connection))
                other = None if taken else _session_holder(connection)
            if not taken:
                raise _held_by(other, place)
            yield _AdvisoryLock(connection, place)
    finally:
        engine.dispose()


def _introduce(connection: Connection, holder: Holder) -> None:
    words = f"zvirka/{holder.command}/{holder.pid}/{holder.host}/{holder.who}"
    name = words.encode()[:_NAME_BYTES].decode(errors="ignore")
    connection.execute(text("SELECT set_config('application_name', :n, false)"), {"n": name})
    # A server that ends idle sessions would release the lock during the run.
    connection.execute(text("SET idle_session_timeout = 0"))


def _try_advisory(connection: Connection) -> bool:
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:k)"), {"k": _KEY}).scalar())


def _session_holder(connection: Connection) -> Holder | None:
    row = connection.execute(
        text(
            "SELECT a.application_name, a.backend_start FROM pg_locks l"
            " JOIN pg_stat_activity a ON a.pid = l.pid"
            " JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            " AND (l.classid::bigint << 32) + l.objid::bigint = :k"
        ),
        {"k": _KEY},
    ).first()
    parts = str(row[0]).split("/", 4) if row else []
    if row is None or len(parts) != 5 or not parts[2].isdigit():
        return None
    since = row[1].astimezone(UTC).isoformat(timespec="seconds")
    return Holder(command=parts[1], pid=int(parts[2]), host=parts[3], who=parts[4], since=since)
