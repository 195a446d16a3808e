"""Takes a batch of webhooks in: receipts and the store, so that no crash loses or doubles one.

Store and journal in one database share one transaction. In two (the default: two SQLite files)
the receipts are on disk as open first, then the store is written, then the receipts are settled;
what a crash left open is settled at the next start, or before the next batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import msgspec
from loguru import logger
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError

from zvirka.erp.sql.database_errors import is_passing, store_error
from zvirka.erp.sql.engines import WRITES as STORE_WRITES
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.upsert import Effect, Upsert, UpsertRequest, waves
from zvirka.errors import JournalError, StoreError, ZvirkaError
from zvirka.journal.database import WRITES as JOURNAL_WRITES
from zvirka.journal.receipts import (
    SETTLED_LATER,
    Opened,
    Opening,
    OpenReceipt,
    Settlement,
    chain_tip,
    last_stamps,
    open_receipts,
    reconciled_since,
    settle_receipts,
    unsettled_receipts,
)
from zvirka.mapping import Mapping
from zvirka.policy import Policy
from zvirka.receiver.payload import WebhookMessage

ATTEMPTS = 3
"""How often a store transaction that lost a deadlock is tried."""
AHEAD_MS = 600_000
"""A stamp further ahead of our clock than this would block every later message: not trusted."""
RECOVERED_AT_ONCE = 256
STALE, LEFT = "stale", "left"
"""Outcomes besides the store's own: older than what the store holds; left to reconciliation."""


T = TypeVar("T")


class IngestResult(msgspec.Struct, frozen=True):
    """What became of one webhook: the outcome of its receipt, without personal data in it."""

    outcome: str
    detail: str = ""


class Ingest:
    """One process's way from messages to store and receipts. Not for several threads at a time.

    ``shared`` says that ``journal`` and ``store`` are engines of one database.
    """

    def __init__(
        self,
        journal: Engine,
        store: Engine,
        layout: TableLayout,
        mapping: Mapping,
        policy: Policy,
        clock: Callable[[], datetime],
        *,
        shared: bool,
    ) -> None:
        self._journal = journal
        self._store = store
        self._layout = layout
        self._policy = policy
        self._clock = clock
        self._shared = shared
        self._tip: str | None = None
        with _as_store_error(layout.name), store.connect() as connection:
            clean = Reading(layout).keys_are_clean(connection)
        self._upsert = Upsert(layout, mapping, policy, clean=clean)

    def recover(self) -> int:
        """Settle what a crash left open; return how many receipts that were.

        Each is taken in once more, which changes nothing where the store has it already. Where a
        reconciliation has run since, the store is newer than the message, and it is left alone.

        Raises:
            JournalError, StoreError: a database cannot be used; everything stays as it was.
        """
        with _writing_journal(self._journal) as connection:
            tip = chain_tip(connection)
            left = unsettled_receipts(connection)
            late = [r for r in left if reconciled_since(connection, r.received_at)]
            settlements = [
                Settlement(r.receipt, LEFT, "a reconciliation has run since it came") for r in late
            ]
            tip = settle_receipts(connection, settlements, tip, self._clock())
        self._tip = tip
        again = [receipt for receipt in left if receipt not in late]
        for start in range(0, len(again), RECOVERED_AT_ONCE):
            self._take_again(again[start : start + RECOVERED_AT_ONCE])
        if left:
            logger.warning("receipts of an interrupted receiver settled", receipts=len(left))
        return len(left)

    def _take_again(self, receipts: Sequence[OpenReceipt]) -> None:
        """Finish open receipts; one that cannot be finished must keep nobody else back."""
        try:
            messages = [msgspec.convert(receipt.payload, WebhookMessage) for receipt in receipts]
            self._finish([receipt.receipt for receipt in receipts], messages)
        except ZvirkaError:
            raise
        except Exception as error:
            if len(receipts) > 1:
                for receipt in receipts:
                    self._take_again([receipt])
                return
            detail = f"it could not be taken in ({type(error).__name__})"
            self._settle([receipts[0].receipt], [IngestResult(LEFT, detail)])

    def take(self, messages: Sequence[WebhookMessage]) -> list[IngestResult]:
        """Take a batch in; a verdict each, given only when everything of it is on disk.

        Raises:
            JournalError, StoreError: a database cannot be used. Nothing of the batch counts as
                taken in; a part of it may be in the store, and is repeated without harm.
        """
        if self._tip is None:
            self.recover()
        try:
            if self._shared:
                return self._at_once(messages)
            return self._in_steps(messages)
        except BaseException:
            # What the database holds of the chain is only certain after reading it again.
            self._tip = None
            raise

    def _at_once(self, messages: Sequence[WebhookMessage]) -> list[IngestResult]:
        assert self._tip is not None
        before, stamps = self._tip, self._stamps(messages)

        def work(connection: Connection) -> tuple[list[IngestResult], str]:
            opened, tip = open_receipts(connection, _openings(messages), before)
            verdicts = self._judge(connection, messages, stamps)
            settlements = _settlements(opened, verdicts)
            return verdicts, settle_receipts(connection, settlements, tip, self._clock())

        verdicts, self._tip = self._in_store(work)
        return verdicts

    def _in_steps(self, messages: Sequence[WebhookMessage]) -> list[IngestResult]:
        assert self._tip is not None
        with _writing_journal(self._journal) as connection:
            opened, self._tip = open_receipts(connection, _openings(messages), self._tip)
        return self._finish(opened, messages)

    def _finish(
        self, opened: Sequence[Opened], messages: Sequence[WebhookMessage]
    ) -> list[IngestResult]:
        """The store, and then the outcomes, for receipts that are on disk already."""
        stamps = self._stamps(messages)
        try:
            verdicts = self._in_store(lambda store: self._judge(store, messages, stamps))
        except StoreError as error:
            self._settle(opened, [IngestResult(Effect.FAILED, error.cause)] * len(opened))
            raise
        self._settle(opened, verdicts)
        return verdicts

    def _settle(self, opened: Sequence[Opened], verdicts: Sequence[IngestResult]) -> None:
        assert self._tip is not None
        settlements = _settlements(opened, verdicts)
        with _writing_journal(self._journal) as connection:
            self._tip = settle_receipts(connection, settlements, self._tip, self._clock())

    def _stamps(self, messages: Sequence[WebhookMessage]) -> Stamps:
        # Only this process writes receipts, so this may be read before the store is locked.
        stamped = [message for message in messages if message.stamp is not None]
        if not stamped:
            return Stamps({}, {})
        with _as_journal_error(self._journal), self._journal.connect() as connection:
            refs, keys = [m.ref for m in stamped], [m.key for m in stamped]
            return Stamps(*last_stamps(connection, refs, keys))

    def _judge(
        self, store: Connection, messages: Sequence[WebhookMessage], stamps: Stamps
    ) -> list[IngestResult]:
        """Leave out what is older than the store, and do the rest."""
        wishes = [self._wish(message) for message in messages]
        verdicts: dict[int, IngestResult] = {}
        for wave in waves(wishes):
            fresh = [number for number in wave if not stamps.is_stale(messages[number])]
            granted = self._upsert.grant(store, [wishes[number] for number in fresh])
            verdicts |= dict.fromkeys(wave, IngestResult(STALE, "a newer message was taken in"))
            for number, grant in zip(fresh, granted, strict=True):
                verdicts[number] = IngestResult(str(grant.effect), grant.detail)
                if grant.effect not in SETTLED_LATER:
                    stamps = stamps.after(messages[number])
        return [verdicts[number] for number in range(len(messages))]

    def _wish(self, message: WebhookMessage) -> UpsertRequest:
        marked = bool(message.marked) and self._policy.deletes_marked
        gone = message.action == "delete" or marked
        return UpsertRequest(key=message.key, ref=message.ref, gone=gone, values=message.values)

    def _in_store(self, work: Callable[[Connection], T]) -> T:
        attempt = 1
        with _as_store_error(self._layout.name):
            while True:
                try:
                    with _writing(self._store) as connection:
                        return work(connection)
                except StatementError as error:
                    if attempt == ATTEMPTS or not is_passing(error):
                        raise
                attempt += 1


class Stamps(msgspec.Struct, frozen=True):
    """The newest stamps taken in, by Ref_Key and by pairing key."""

    by_ref: dict[str, int]
    by_key: dict[str, int]

    def is_stale(self, message: WebhookMessage) -> bool:
        """Whether something newer about this counterparty, or under this key, has been taken in."""
        stamp = trusted_stamp(message)
        newest = max(self.by_ref.get(message.ref, -1), self.by_key.get(message.key, -1))
        return stamp is not None and stamp < newest

    def after(self, message: WebhookMessage) -> Stamps:
        """The stamps with this message taken in."""
        stamp = trusted_stamp(message)
        if stamp is None:
            return self
        by_ref = self.by_ref | ({message.ref: stamp} if message.ref else {})
        return Stamps(by_ref, self.by_key | {message.key: stamp})


def trusted_stamp(message: WebhookMessage) -> int | None:
    """The stamp, unless it is of a clock so far ahead that it would block all that follows."""
    if message.stamp is None:
        return None
    limit = message.received_at.timestamp() * 1000 + AHEAD_MS
    return message.stamp if message.stamp <= limit else None


def _openings(messages: Sequence[WebhookMessage]) -> list[Opening]:
    return [
        Opening(
            received_at=message.received_at,
            action=message.action,
            key=message.key,
            ref=message.ref,
            message_id=message.message_id or "",
            stamp=(stamp := trusted_stamp(message)),
            payload_digest=message.digest,
            payload=msgspec.to_builtins(msgspec.structs.replace(message, extra={})),
            extra=message.extra
            if stamp == message.stamp
            else {**message.extra, "stamp": message.stamp},
        )
        for message in messages
    ]


def _settlements(opened: Sequence[Opened], verdicts: Sequence[IngestResult]) -> list[Settlement]:
    pairs = zip(opened, verdicts, strict=True)
    return [Settlement(receipt, verdict.outcome, verdict.detail) for receipt, verdict in pairs]


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        writing = connection.execution_options(**{STORE_WRITES: True, JOURNAL_WRITES: True})
        with writing.begin():
            yield writing


@contextmanager
def _writing_journal(engine: Engine) -> Iterator[Connection]:
    with _as_journal_error(engine), _writing(engine) as connection:
        yield connection


@contextmanager
def _as_store_error(place: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise store_error(error, place) from None


@contextmanager
def _as_journal_error(engine: Engine) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise JournalError(
            "a receipt does not fit to the journal: another process writes receipts",
            place=engine.url.render_as_string(),
            remedy="run one receiver a journal",
        ) from None
    except SQLAlchemyError as error:
        raise JournalError(
            f"the receipts cannot be written ({type(error).__name__})",
            place=engine.url.render_as_string(),
            remedy="check that the journal's database is there, writable and not full",
        ) from None
