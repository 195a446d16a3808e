"""One run at a time: locks that end with their process and record who holds them.

With the journal on SQLite a lock is ``flock`` on a file in ``state_dir``, the holder's words
inside. On PostgreSQL it is an advisory lock of the journal's database, held by a connection of its
own (:mod:`zvirka.journal.advisory_locks`): two machines can be active and standby. Each flow has a
lock of its own.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from zvirka.errors import NOT_JSON, JournalError, os_reason
from zvirka.journal.advisory_locks import (
    introduce,
    key_in,
    lock_engine,
    require_session,
    session_holder,
    try_lock,
)
from zvirka.journal.engine import journal_name, journal_url, schema_of
from zvirka.journal.error_messages import guarded
from zvirka.journal.lock_holder import (
    LANE_LOCK,
    RECEIVER_LOCK,
    RUN_LOCK,
    Holder,
    LockKind,
    holder_of,
)
from zvirka.message import Message, coded
from zvirka.now import Now, utc_now
from zvirka.private_files import make_private_directory
from zvirka.settings.model import Settings

_PAUSE_SECONDS = 0.2


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
    with _lock(settings, RUN_LOCK, holder_of(who, command, now), wait) as held:
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
    holder = holder_of(who, command, utc_now)
    with _advisory_lock(settings, LANE_LOCK, holder, wait, lane) as held:
        yield held


@contextmanager
def receiver_lock(settings: Settings, *, who: str, now: Now = utc_now) -> Iterator[HeldLock]:
    """Keep every receiver of the journal away while the block runs.

    Raises:
        LockHeldError: a receiver is at work.
        JournalError: the lock cannot be tried at all.
    """
    with _lock(settings, RECEIVER_LOCK, holder_of(who, "serve", now), 0) as held:
        yield held


@contextmanager
def _lock(
    settings: Settings, kind: LockKind, holder: Holder, wait: float | None
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


class _FileLock:
    def check(self) -> None:
        """The kernel keeps the lock as long as the file is open."""


@contextmanager
def _file_lock(
    directory: Path, kind: LockKind, holder: Holder, wait: float | None
) -> Iterator[HeldLock]:
    path = directory / kind.file
    descriptor = _open(path)
    try:
        if not _until(wait, lambda: _flock(descriptor)):
            raise kind.held_by(_read_holder(path), str(path))
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
        require_session(
            self._connection,
            coded("ZV5302", "the connection that held the run lock is lost"),
            self._place,
            Message("nothing more was written; run again, what was open is settled then"),
        )


@contextmanager
def _advisory_lock(
    settings: Settings, kind: LockKind, holder: Holder, wait: float | None, name: str | None = None
) -> Iterator[HeldLock]:
    url = journal_url(settings)
    place, key = journal_name(url), key_in(kind, schema_of(url) if name is None else name)
    engine = lock_engine(url)
    try:
        with guarded(place):
            connection = engine.connect()
        with connection:
            with guarded(place):
                introduce(connection, holder)
                taken = _until(wait, lambda: try_lock(connection, key))
                other = None if taken else session_holder(connection, key)
            if not taken:
                raise kind.held_by(other, place)
            yield _AdvisoryLock(connection, place)
    finally:
        engine.dispose()
