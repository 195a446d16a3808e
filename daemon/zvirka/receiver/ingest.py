"""Takes a batch of webhooks in: receipts and the store, so that no crash loses or doubles one.

Store and journal in one database share one transaction. In two (the default: two SQLite files)
the receipts are on disk as open first, then the store is written, then the receipts are settled;
what a crash left open is settled at the next start, or before the next batch, by whichever receiver
of the journal has its turn then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from loguru import logger
from sqlalchemy import Connection, Engine

from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.upsert import Effect, Upsert, UpsertRequest, waves
from zvirka.errors import StoreError, ZvirkaError
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
    is_followed,
    open_receipts,
    settle_receipts,
    unsettled_receipts,
)
from zvirka.journal.receiver_turns import SoleTurns, Turns
from zvirka.mapping import Mapping
from zvirka.message import Message
from zvirka.policy import Policy
from zvirka.receiver.earlier_messages import LEFT, Earlier, IngestResult, clock_note
from zvirka.receiver.payload import WebhookMessage
from zvirka.receiver.store_transactions import RowsError, StoreTransactions

RECOVERED_AT_ONCE = 256
WROTE = frozenset({Effect.CREATED, Effect.UPDATED, Effect.RESTORED, Effect.DELETED})


class Ingest:
    """One process's way from messages to store and receipts. Not for several threads at a time.

    ``shared`` says that ``journal`` and ``store`` are engines of one database. ``turns`` keeps
    other receivers of the journal away during a batch; without it this receiver is alone.
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
        turns: Turns | None = None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._shared = shared
        self._turns = turns or SoleTurns(journal)
        self._tip: str | None = None
        self._transactions = StoreTransactions(store, layout, self._turns.check)
        clean = self._transactions.keys_are_clean()
        self._upsert = Upsert(layout, mapping, policy, clean=clean, linked_flow=linked_flow)

    def recover(self) -> int:
        """Settle what a crash left open; return how many receipts that were.

        Each is taken in again, which changes nothing if the store already has it. If a run that may
        write was active since, the store may be newer than the message. Its sender was never
        answered, so it is left to the reconciliation.

        Raises:
            JournalError, StoreError: a database cannot be used; everything stays as it was.
            LockHeldError: another receiver does not end its turn.
        """
        with self._turns.turn():
            return self._recover()

    def _recover(self) -> int:
        # Nobody ends a turn with a batch under way: what is open is nobody's.
        with self._turns.writing() as connection:
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
            LockHeldError: another receiver does not end its turn.
        """
        return self.take_drawn(lambda: messages)

    def take_drawn(self, draw: Callable[[], Sequence[WebhookMessage]]) -> list[IngestResult]:
        """Take in the messages that ``draw`` gives once it is our turn; see :meth:`take`."""
        with self._turns.turn():
            try:
                if not self._is_at_the_end():
                    self._recover()
                messages = draw()
                if self._shared:
                    return self._at_once(messages)
                return self._in_steps(messages)
            except BaseException:
                # What the database holds of the chain is only certain after reading it again.
                self._tip = None
                raise

    def look(self) -> None:
        """Make sure that a batch could be taken in now.

        Raises:
            JournalError, StoreError, LockHeldError: as :meth:`take`.
        """
        self.take([])
        self._transactions.look()

    def _is_at_the_end(self) -> bool:
        """Whether our tip is still that of the chain: no other receiver has had a turn since."""
        if self._tip is None:
            return False
        with self._turns.reading() as connection:
            return not is_followed(connection, self._tip)

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
            results, self._tip = self._transactions.perform(work, brief=brief)
        except RowsError as error:
            if len(messages) > 1:
                half = len(messages) // 2
                first = self._at_once(messages[:half], brief=True)
                return first + self._at_once(messages[half:], brief=True)
            alone = [error.result]
            results, self._tip = self._transactions.perform(work)
        return results

    def _in_steps(self, messages: Sequence[WebhookMessage]) -> list[IngestResult]:
        assert self._tip is not None
        with self._turns.writing() as connection:
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
            results = self._transactions.perform(
                lambda store: self._judge(store, messages, earlier), brief=brief
            )
        except RowsError as error:
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
        with self._turns.writing() as connection:
            self._tip = settle_receipts(connection, settlements, self._tip, self._clock())

    def _earlier(self, messages: Sequence[WebhookMessage]) -> Earlier:
        # Nobody else writes receipts now, so this may be read before the store is locked.
        stamped = [message for message in messages if message.stamp is not None]
        with self._turns.reading() as connection:
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
        with self._turns.reading() as connection:
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
