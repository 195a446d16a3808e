"""Who may write receipts: one receiver, or those of several machines in turns.

Receipts are one chain, so a receiver that appends to it has to know its end. With the journal on
SQLite one receiver works at a time, as long as it lives. On PostgreSQL the receivers take turns
batch by batch: an advisory lock is held for each.

A receiver writes its receipts on the very connection that holds the lock. When that connection
breaks, the server undoes what was not committed before it gives the lock to another. A store in
another database is kept apart by :meth:`Turns.check` right before its commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from zvirka.errors import JournalError, LockHeldError
from zvirka.journal.advisory_locks import (
    introduce,
    key_in,
    lock_engine,
    require_session,
    session_holder,
)
from zvirka.journal.engine import journal_engine, journal_name, journal_url, schema_of
from zvirka.journal.error_messages import guarded
from zvirka.journal.lock_holder import RECEIVER_LOCK, TURN_LOCK, Holder, holder_of
from zvirka.journal.migration import WRITES
from zvirka.journal.run_lock import receiver_lock
from zvirka.message import Message, coded
from zvirka.now import Now, utc_now
from zvirka.settings.model import Settings

TURN_SECONDS = 10.0
"""How long a turn, or a lock of a table, is waited for; 1C waits 30 seconds for its answer."""

_LOCK_TIMED_OUT = "55P03"
_LOST = coded("ZV5302", "the connection that held the receiver's turn is lost")
_SENT_AGAIN = Message("what was open is settled in the next turn; 1C sends again")


class Turns(Protocol):
    """The right to write receipts. Not for several threads at a time."""

    def turn(self) -> AbstractContextManager[None]:
        """Keep other receivers from writing while the block runs.

        Raises:
            LockHeldError: another receiver does not end its own turn in time.
            JournalError: the journal cannot be reached.
        """
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A durable transaction of the journal; only during a turn.

        Raises:
            JournalError: the journal cannot be written, or the turn is lost.
        """
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees what is committed; only during a turn.

        Raises:
            JournalError: the journal cannot be read, or the turn is lost.
        """
        ...

    def check(self) -> None:
        """Make sure that it is still our turn; to be called before the store is committed.

        Raises:
            JournalError: the turn is lost: the connection that held it has broken.
        """
        ...


class SoleTurns:
    """:class:`Turns` of a receiver that is alone with its journal."""

    def __init__(self, journal: Engine) -> None:
        self._journal = journal
        self._place = journal_name(journal.url)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """At once."""
        yield

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A durable transaction of the journal."""
        with (
            guarded(self._place),
            self._journal.connect().execution_options(**{WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees what is committed."""
        with guarded(self._place), self._journal.connect() as connection:
            yield connection

    def check(self) -> None:
        """Nothing can be lost."""


@contextmanager
def receiver_turns(settings: Settings, *, who: str, now: Now = utc_now) -> Iterator[Turns]:
    """Be a receiver of the journal while the block runs.

    Args:
        settings: say where the journal is.
        who: a login or a unit's name, for the message others get.
        now: the clock, for the holder's words.

    Raises:
        LockHeldError: another receiver works on a journal on SQLite; or on PostgreSQL a restore,
            or a receiver of a version that takes no turns.
        JournalError: the journal cannot be reached.
    """
    if journal_url(settings).get_backend_name() == "sqlite":
        with receiver_lock(settings, who=who, now=now):
            journal = journal_engine(journal_url(settings))
            try:
                yield SoleTurns(journal)
            finally:
                journal.dispose()
        return
    turns = _SharedTurns(settings, holder_of(who, "serve", now))
    try:
        with guarded(turns.place):
            turns.connect()
        yield turns
    finally:
        turns.close()


class _SharedTurns:
    """:class:`Turns` of several receivers of one journal on PostgreSQL.

    Each keeps the receivers' lock as long as it lives, shared with the others, so that a restore
    is refused; and the lock of turns for a batch.
    """

    def __init__(self, settings: Settings, holder: Holder) -> None:
        url = journal_url(settings)
        self.place = journal_name(url)
        self._holder = holder
        self._engine = lock_engine(url)
        self._present = key_in(RECEIVER_LOCK, schema_of(url))
        self._turn = key_in(TURN_LOCK, schema_of(url))
        self._session: Connection | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep other receivers from writing; they come in the order in which they asked."""
        with guarded(self.place):
            try:
                self._take()
            except DBAPIError:
                # The server was restarted since the last turn: a new connection, once.
                self._leave()
                self._take()
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A durable transaction of the journal, on the connection that holds the turn."""
        with guarded(self.place):
            session = self._held()
            session.exec_driver_sql("BEGIN")
            try:
                yield session
                session.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(SQLAlchemyError):
                    session.exec_driver_sql("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The connection that holds the turn, without a transaction."""
        with guarded(self.place):
            yield self._held()

    def check(self) -> None:
        """The turn lives as long as the server holds the session."""
        require_session(self._held(), _LOST, self.place, _SENT_AGAIN)

    def connect(self) -> Connection:
        """The session of this receiver; a new one if it has none."""
        if self._session is None:
            session = self._engine.connect()
            try:
                self._begin(session)
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def close(self) -> None:
        """End the session, and with it the locks."""
        self._leave()
        self._engine.dispose()

    def _begin(self, session: Connection) -> None:
        introduce(session, self._holder)
        session.exec_driver_sql(f"SET lock_timeout = '{TURN_SECONDS:.0f}s'")
        session.exec_driver_sql("SET synchronous_commit = on")
        shared = text("SELECT pg_try_advisory_lock_shared(:key)")
        if not session.execute(shared, {"key": self._present}).scalar():
            raise RECEIVER_LOCK.held_by(session_holder(session, self._present), self.place)

    def _held(self) -> Connection:
        """The session of this turn, never a new one, which would not hold the lock."""
        if self._session is None or self._session.invalidated:
            raise JournalError(_LOST, place=self.place, remedy=_SENT_AGAIN)
        return self._session

    def _take(self) -> None:
        session = self.connect()
        try:
            session.execute(text("SELECT pg_advisory_lock(:key)"), {"key": self._turn})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_TIMED_OUT:
                raise
            raise self._refusal(session) from None

    def _refusal(self, session: Connection) -> LockHeldError:
        return TURN_LOCK.held_by(session_holder(session, self._turn), self.place)

    def _give_back(self) -> None:
        if self._session is None:
            return
        try:
            unlock = text("SELECT pg_advisory_unlock(:key)")
            given = self._session.execute(unlock, {"key": self._turn}).scalar()
        except SQLAlchemyError:
            given = False
        if not given:
            self._leave()

    def _leave(self) -> None:
        """End the session; one that is broken is ended by the server."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(SQLAlchemyError):
                session.close()
