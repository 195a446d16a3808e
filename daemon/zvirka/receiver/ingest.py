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
from sqlalchemy.exc import SQLAlchemyError, StatementError

from zvirka.erp.sql.database_errors import (
    is_passing,
    is_row_fault,
    is_row_wait,
    row_reason,
    store_error,
)
from zvirka.erp.sql.engines import WRITES as STORE_WRITES
from zvirka.erp.sql.engines import wait_briefly
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.upsert import Effect, Upsert, UpsertRequest, waves
from zvirka.errors import StoreError, ZvirkaError
from zvirka.journal.error_messages import guarded
from zvirka.journal.migration import WRITES as JOURNAL_WRITES
from zvirka.journal.receipt_order import (
    Stamps,
    corrected_since,
    last_stamps,
    seen_messages,
    written_since,
)
from zvirka.journal.receipts import (
    SETTLED_LATER,
    Opened,
    Opening,
    OpenReceipt,
    Settlement,
    chain_tip,
    open_receipts,
    settle_receipts,
    unsettled_receipts,
)
from zvirka.mapping import Mapping
from zvirka.message import Message
from zvirka.policy import Policy
from zvirka.receiver.earlier_messages import LEFT, Earlier, IngestResult, clock_note
from zvirka.receiver.payload import WebhookMessage

ATTEMPTS = 3
"""How often a store transaction that lost a deadlock is tried."""
RECOVERED_AT_ONCE = 256
WROTE = frozenset({Effect.CREATED, Effect.UPDATED, Effect.RESTORED, Effect.DELETED})

T = TypeVar("T")


class Ingest:
    """One process's way from messages to store and receipts. Not for several threads at a time.

    ``shared`` says that ``journal`` and ``store`` are engines of one database. ``keep_lock`` is
    asked before each batch: it answers whether the receiver's lock was held all the time, and
    raises LockHeldError when another receiver has it by now. Without it nothing is asked.
    ``linked_flow`` as :class:`Upsert` takes it.
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
        linked_flow: Callable[[str], str] = lambda _: "",
        keep_lock: Callable[[], bool] = lambda: True,
    ) -> None:
        self._journal = journal
        self._store = store
        self._layout = layout
        self._policy = policy
        self._clock = clock
        self._shared = shared
        self._keep_lock = keep_lock
        self._tip: str | None = None
        with _as_store_error(layout.name), store.connect() as connection:
            clean = Reading(layout).keys_are_clean(connection)
        self._upsert = Upsert(layout, mapping, policy, clean=clean, linked_flow=linked_flow)

    def recover(self) -> int:
        """Settle what a crash left open; return how many receipts that were.

        Each is taken in again, which changes nothing if the store already has it. If a run that may
        write was active since, the store may be newer than the message. Its sender was never
        answered, so it is left to the reconciliation.

        Raises:
            JournalError, StoreError: a database cannot be used; everything stays as it was.
        """
        with _writing_journal(self._journal) as connection:
            tip = chain_tip(connection)
            left = unsettled_receipts(connection)
            late = [r for r in left if written_since(connection, r.received_at)]
            settlements = [
                Settlement(r.receipt, LEFT, "a run was at work since it came") for r in late
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
        """Finish open receipts; one that cannot be finished does not block the others."""
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
            detail = Message("it could not be taken in ({kind})", kind=type(error).__name__)
            self._settle([receipts[0].receipt], [IngestResult(LEFT, detail)])

    def take(self, messages: Sequence[WebhookMessage]) -> list[IngestResult]:
        """Take a batch in; a result each, given only when everything of it is on disk.

        Raises:
            JournalError, StoreError: a database cannot be used. Nothing of the batch counts as
                taken in; a part of it may be in the store, and is repeated without harm.
            LockHeldError: another receiver works on this journal.
        """
        if not self._keep_lock():
            # Another receiver may have written since.
            self._tip = None
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

    def _at_once(
        self, messages: Sequence[WebhookMessage], *, brief: bool = False
    ) -> list[IngestResult]:
        assert self._tip is not None
        before, earlier = self._tip, self._earlier(messages)
        alone: list[IngestResult] = []

        def work(connection: Connection) -> tuple[list[IngestResult], str]:
            opened, tip = open_receipts(connection, _openings(messages), before)
            results = alone or self._judge(connection, messages, earlier)
            settlements = _settlements(opened, results)
            return results, settle_receipts(connection, settlements, tip, self._clock())

        try:
            results, self._tip = self._in_store(work, brief=brief)
        except _RowsError as error:
            if len(messages) > 1:
                half = len(messages) // 2
                first = self._at_once(messages[:half], brief=True)
                return first + self._at_once(messages[half:], brief=True)
            alone = [error.result]
            results, self._tip = self._in_store(work)
        return results

    def _in_steps(self, messages: Sequence[WebhookMessage]) -> list[IngestResult]:
        assert self._tip is not None
        with _writing_journal(self._journal) as connection:
            opened, self._tip = open_receipts(connection, _openings(messages), self._tip)
        return self._finish(opened, messages)

    def _finish(
        self,
        opened: Sequence[Opened],
        messages: Sequence[WebhookMessage],
        *,
        brief: bool = False,
    ) -> list[IngestResult]:
        """The store, and then the outcomes, for receipts that are on disk already."""
        earlier = self._earlier(messages)
        try:
            results = self._in_store(
                lambda store: self._judge(store, messages, earlier), brief=brief
            )
        except _RowsError as error:
            if len(messages) > 1:
                half = len(messages) // 2
                first = self._finish(opened[:half], messages[:half], brief=True)
                return first + self._finish(opened[half:], messages[half:], brief=True)
            results = [error.result]
        except StoreError as error:
            self._settle(opened, [IngestResult(Effect.FAILED, error.cause)] * len(opened))
            raise
        self._settle(opened, results)
        return results

    def _settle(self, opened: Sequence[Opened], results: Sequence[IngestResult]) -> None:
        assert self._tip is not None
        settlements = _settlements(opened, results)
        with _writing_journal(self._journal) as connection:
            self._tip = settle_receipts(connection, settlements, self._tip, self._clock())

    def _earlier(self, messages: Sequence[WebhookMessage]) -> Earlier:
        # Only this process writes receipts, so this may be read before the store is locked.
        stamped = [message for message in messages if message.stamp is not None]
        with guarded(_place(self._journal)), self._journal.connect() as connection:
            refs, keys = [m.ref for m in stamped], [m.key for m in stamped]
            return Earlier(
                last_stamps(connection, refs, keys) if stamped else Stamps(),
                seen_messages(connection, [m.message_id or "" for m in messages]),
            )

    def _judge(
        self, store: Connection, messages: Sequence[WebhookMessage], earlier: Earlier
    ) -> list[IngestResult]:
        """Write what is news, and take back what a run has overtaken meanwhile.

        A run notes in the journal what it is about to write. Once our own writes hold their rows,
        no run can write them before we commit; so what the journal holds by then is all there is.
        """
        overtaken: frozenset[str] = frozenset()
        while True:
            with store.begin_nested() as attempt:
                results = self._write(store, messages, earlier, overtaken)
                late = self._overtaken(messages, results) - overtaken
                if not late:
                    return results
                attempt.rollback()
            overtaken |= late

    def _overtaken(
        self, messages: Sequence[WebhookMessage], results: Sequence[IngestResult]
    ) -> frozenset[str]:
        received = {
            message.key: message.received_at
            for message, result in zip(messages, results, strict=True)
            if result.outcome in WROTE
        }
        if not received:
            return frozenset()
        with guarded(_place(self._journal)), self._journal.connect() as connection:
            return corrected_since(connection, received)

    def _write(
        self,
        store: Connection,
        messages: Sequence[WebhookMessage],
        earlier: Earlier,
        overtaken: frozenset[str],
    ) -> list[IngestResult]:
        """Leave out what is older than the store, and do the rest."""
        requests = [self._request_of(message) for message in messages]
        known = earlier.copy()
        results: dict[int, IngestResult] = {}
        for wave in waves(requests):
            fresh: list[int] = []
            for number in wave:
                result = known.result(messages[number])
                if result is None and messages[number].key in overtaken:
                    result = IngestResult(
                        LEFT, Message("a run wrote this client meanwhile; send again")
                    )
                if result is None:
                    fresh.append(number)
                else:
                    results[number] = result
            upserted = self._upsert.apply(store, [requests[number] for number in fresh])
            for number, done in zip(fresh, upserted, strict=True):
                detail = done.detail or clock_note(messages[number])
                results[number] = IngestResult(str(done.effect), detail)
                if done.effect not in SETTLED_LATER:
                    known.note(messages[number])
        return [results[number] for number in range(len(messages))]

    def _request_of(self, message: WebhookMessage) -> UpsertRequest:
        marked = bool(message.marked) and self._policy.deletes_marked
        gone = message.action == "delete" or marked
        return UpsertRequest(key=message.key, ref=message.ref, gone=gone, values=message.values)

    def _in_store(self, work: Callable[[Connection], T], *, brief: bool = False) -> T:
        """Do work in one transaction; ``brief`` is not to wait long for locks.

        Raises:
            StoreError: the store cannot be used.
            _RowsError: the trouble is that of one message.
        """
        attempt = 1
        with _as_store_error(self._layout.name):
            while True:
                try:
                    with _writing(self._store) as connection:
                        if brief:
                            wait_briefly(connection)
                        return work(connection)
                except StatementError as error:
                    if attempt == ATTEMPTS or not is_passing(error):
                        if is_row_wait(error):
                            raise _RowsError(IngestResult(LEFT, row_reason(error))) from None
                        if is_row_fault(error):
                            result = IngestResult(Effect.FAILED, row_reason(error))
                            raise _RowsError(result) from None
                        raise
                attempt += 1


class _RowsError(Exception):
    """Some message of a batch keeps the others from being committed; its result if it is alone."""

    def __init__(self, result: IngestResult) -> None:
        self.result = result
        super().__init__(result.detail)


def _openings(messages: Sequence[WebhookMessage]) -> list[Opening]:
    return [
        Opening(
            received_at=message.received_at,
            action=message.action,
            key=message.key,
            ref=message.ref,
            message_id=message.message_id or "",
            stamp=message.stamp,
            payload_digest=message.digest,
            payload=msgspec.to_builtins(msgspec.structs.replace(message, extra={})),
            extra=message.extra,
        )
        for message in messages
    ]


def _settlements(opened: Sequence[Opened], results: Sequence[IngestResult]) -> list[Settlement]:
    pairs = zip(opened, results, strict=True)
    return [Settlement(receipt, result.outcome, result.detail) for receipt, result in pairs]


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        writing = connection.execution_options(**{STORE_WRITES: True, JOURNAL_WRITES: True})
        with writing.begin():
            yield writing


@contextmanager
def _writing_journal(engine: Engine) -> Iterator[Connection]:
    with guarded(_place(engine)), _writing(engine) as connection:
        yield connection


@contextmanager
def _as_store_error(place: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise store_error(error, place) from None


def _place(journal: Engine) -> str:
    return journal.url.render_as_string()
