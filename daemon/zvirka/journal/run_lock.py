"""One run and one receiver at a time: locks that end with their process and record who holds them.

With the journal on SQLite a lock is ``flock`` on a file in ``state_dir``, the holder's words
inside. On PostgreSQL it is an advisory lock of the journal's database, held by a connection of its
own whose ``application_name`` has the words: two machines can be active and standby. Each flow has
a lock of its own.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from zvirka.errors import NOT_JSON, JournalError, LockHeldError, os_reason
from zvirka.journal.engine import SILENCE, journal_engine, journal_name, journal_url, schema_of
from zvirka.journal.error_messages import guarded
from zvirka.message import Coded, Message, coded
from zvirka.now import Now, utc_now
from zvirka.private_files import make_private_directory
from zvirka.settings.model import Settings

_PAUSE_SECONDS = 0.2
_NAME_BYTES = 63
"""PostgreSQL cuts ``application_name`` there."""

_SERVER_SILENCE = {
    "tcp_keepalives_idle": SILENCE["keepalives_idle"],
    "tcp_keepalives_interval": SILENCE["keepalives_interval"],
    "tcp_keepalives_count": SILENCE["keepalives_count"],
    "tcp_user_timeout": SILENCE["tcp_user_timeout"],
}
"""The same for the server's end of the connection."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock; ``since`` is ISO 8601 UTC."""

    who: str
    command: str
    host: str
    pid: int
    since: str

    @property
    def told(self) -> Message:
        """Who holds it, as a sentence."""
        return Message(
            "{command} by {who} since {since}, process {pid} on {host}",
            command=self.command,
            who=self.who,
            since=self.since,
            pid=str(self.pid),
            host=self.host,
        )


class HeldLock(Protocol):
    """The lock while it is held."""

    def check(self) -> None:
        """Make sure that the lock is still held; to be called before each batch of writes.

        Raises:
            JournalError: it is lost: the connection that held it has broken.
        """
        ...


@dataclass(frozen=True)
class _Kind:
    """What a lock is for: the name of its file, the key of its advisory lock, and its refusal."""

    file: str
    key: int
    refusal: Coded
    remedy: Message


_RUN = _Kind(
    file="run.lock",
    key=0x7A76_6972_6B61,  # «zvirka» in ASCII
    refusal=coded("ZV5301", "another run is under way"),
    remedy=Message("wait for it to end, or run again with --wait"),
)
_LANE = _Kind(
    file="lane.lock",
    key=0x7A76_6972_6C6E,  # «zvirln»
    refusal=coded("ZV5305", "another run holds the place of this one"),
    remedy=Message("it is tried again when that one has ended"),
)
_RECEIVER = _Kind(
    file="receiver.lock",
    key=0x7A76_6972_7263,  # «zvirrc»
    refusal=coded("ZV5304", "another receiver works on this journal"),
    remedy=Message("stop it first: systemctl stop the unit that runs `zvirka serve`"),
)


@contextmanager
def run_lock(
    settings: Settings,
    *,
    who: str,
    command: str,
    wait: float | None = 0,
    now: Now = utc_now,
) -> Iterator[HeldLock]:
    """Hold the lock of runs while the block runs.

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
    with _lock(settings, _RUN, _holder(who, command, now), wait) as held:
        yield held


@contextmanager
def lane_lock(
    settings: Settings, lane: str, *, who: str, command: str, wait: float | None
) -> Iterator[HeldLock]:
    """Hold a lane of :func:`zvirka.service.run_slots.lanes_of` while the block runs.

    The journal has to be on PostgreSQL: machines that share no database share no lane.

    Raises:
        LockHeldError: a run of another flow holds it.
        JournalError: the lock cannot be tried at all.
    """
    holder = _holder(who, command, utc_now)
    with _advisory_lock(settings, _LANE, holder, wait, lane) as held:
        yield held


@contextmanager
def receiver_lock(
    settings: Settings, *, who: str, now: Now = utc_now
) -> Iterator[Callable[[], bool]]:
    """Hold the lock of receivers while the block runs: two would fork the chain of receipts.

    A receiver outlives restarts of the journal's database, and a lock does not. The function that
    is yielded takes a lost lock again; it returns whether the lock was held all the time, and is
    to be called before each batch of writes.

    Raises:
        LockHeldError: another receiver holds it; also from the function.
        JournalError: the lock cannot be tried at all; also from the function.
    """
    holder = _holder(who, "serve", now)
    with ExitStack() as taken:
        held = taken.enter_context(_lock(settings, _RECEIVER, holder, 0))

        def keep() -> bool:
            nonlocal held
            try:
                held.check()
            except JournalError:
                taken.close()
                held = taken.enter_context(_lock(settings, _RECEIVER, holder, 0))
                return False
            return True

        yield keep


def _holder(who: str, command: str, now: Now) -> Holder:
    return Holder(
        who=who,
        command=command,
        host=socket.gethostname(),
        pid=os.getpid(),
        since=now().astimezone(UTC).isoformat(timespec="seconds"),
    )


@contextmanager
def _lock(
    settings: Settings, kind: _Kind, holder: Holder, wait: float | None
) -> Iterator[HeldLock]:
    if journal_url(settings).get_backend_name() == "sqlite":
        with _file_lock(settings.state_dir, kind, holder, wait) as held:
            yield held
    else:
        with _advisory_lock(settings, kind, holder, wait) as held:
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


def _held_by(kind: _Kind, holder: Holder | None, place: str) -> LockHeldError:
    return LockHeldError(kind.refusal, place=holder.told if holder else place, remedy=kind.remedy)


class _FileLock:
    def check(self) -> None:
        """The kernel keeps the lock as long as the file is open."""


@contextmanager
def _file_lock(
    directory: Path, kind: _Kind, holder: Holder, wait: float | None
) -> Iterator[HeldLock]:
    path = directory / kind.file
    descriptor = _open(path)
    try:
        if not _until(wait, lambda: _flock(descriptor)):
            raise _held_by(kind, _read_holder(path), str(path))
        with suppress(OSError):  # on a full disk the lock holds all the same, without a name
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
        make_private_directory(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalError(
            coded(
                "ZV4103",
                "the file of the {stem} lock cannot be opened ({why})",
                stem=path.stem,
                why=os_reason(error),
            ),
            place=str(path),
            remedy=Message("check state_dir and the rights of zvirka's user on it"),
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
    except (OSError, *NOT_JSON):
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
                coded("ZV5302", "the connection that held the run lock is lost"),
                place=self._place,
                remedy=Message(
                    "nothing more was written; run again, what was open is settled then"
                ),
            ) from None


@contextmanager
def _advisory_lock(
    settings: Settings, kind: _Kind, holder: Holder, wait: float | None, name: str | None = None
) -> Iterator[HeldLock]:
    url = journal_url(settings)
    place, key = journal_name(url), _key_in(kind, schema_of(url) if name is None else name)
    engine = journal_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with guarded(place):
            connection = engine.connect()
        with connection:
            with guarded(place):
                _introduce(connection, holder)
                taken = _until(wait, lambda: _try_advisory(connection, key))
                other = None if taken else _session_holder(connection, key)
            if not taken:
                raise _held_by(kind, other, place)
            yield _AdvisoryLock(connection, place)
    finally:
        engine.dispose()


def _key_in(kind: _Kind, schema: str) -> int:
    """The key of the lock among the flows of one database, each of which has its schema."""
    return kind.key ^ (zlib.crc32(schema.encode()) << 24) if schema else kind.key


def _introduce(connection: Connection, holder: Holder) -> None:
    words = f"zvirka/{holder.command}/{holder.pid}/{holder.host}/{holder.who}"
    name = words.encode()[:_NAME_BYTES].decode(errors="ignore")
    connection.execute(text("SELECT set_config('application_name', :n, false)"), {"n": name})
    # A server that ends idle sessions would release the lock during the run.
    connection.execute(text("SET idle_session_timeout = 0"))
    # A machine that vanishes from the network must not keep the lock for hours.
    for name, value in _SERVER_SILENCE.items():
        connection.execute(text(f"SET {name} = {value}"))


def _try_advisory(connection: Connection, key: int) -> bool:
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:k)"), {"k": key}).scalar())


def _session_holder(connection: Connection, key: int) -> Holder | None:
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
