"""The writer that corrects through the ERP's own webhook, and believes only the store.

No message is repeated before the store has been read: a create sent twice makes two clients, and
after a 500 or a time-out the change may have been made, or still be under way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Literal

import msgspec

from zvirka.comparison import holds
from zvirka.domain import Action, Client, Correction, Outcome, OutcomeState
from zvirka.erp.protocol import Allowed, always_allowed
from zvirka.erp.sql.ordering import arrange
from zvirka.erp.sql.store import SqlStore
from zvirka.erp.webhook.endpoint import Endpoint, EndpointAnswer, Reply
from zvirka.erp.webhook.rate import RequestRate
from zvirka.erp.write_refusals import (
    CHANGED,
    CREATES_STOPPED,
    GONE,
    KEY_HELD,
    KEY_TAKEN,
    NO_RESTORE,
)
from zvirka.errors import StoreError
from zvirka.identity import canonical_key, trimmed
from zvirka.mapping import Mapping
from zvirka.message import Coded, Message, coded, joined

Confirm = Callable[[Correction], bool]
"""Asks 1C whether it still wants the correction; called from one thread at a time."""

REPEATS = 1
"""How often a message is sent again after an answer that left it open."""

WAITS = 5
"""How often an ERP that says «not now» (429) is waited for."""

LOOK_EVERY = 1.0
"""Seconds between two looks into the store while an unclear create may still be under way."""

KEY_DOUBLED = Message("two rows have this key since the ERP accepted the create")
KEY_NOT_OWNED = Message("a row that is not owned holds this key, the ERP would correct that one")
WITHDRAWN = Message("1C says otherwise by now")
UNSAFE_KEY = Message(
    "the ERP's webhook finds a client by its tax code or Код: with both changed or empty it would"
    ' create a second one; change the key in the ERP by hand or use writer = "sql"'
)


class _Job(msgspec.Struct, frozen=True):
    """A correction with the message that carries it; repeats carry the same ``messageId``."""

    correction: Correction
    message: dict[str, Any]


class WebhookWriter:
    """A :class:`zvirka.erp.protocol.Writer` that posts what the push module would post.

    ``settle`` is how long an unclear create may still be under way, in seconds; ``clock`` is
    monotonic; ``new_id`` makes message ids. The store is the same one the run compares with.
    """

    def __init__(
        self,
        store: SqlStore,
        endpoint: Endpoint,
        mapping: Mapping,
        *,
        confirm: Confirm,
        rate: RequestRate,
        concurrency: int,
        settle: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._mapping = mapping
        self._confirm = confirm
        self._rate = rate
        self._concurrency = concurrency
        self._settle = settle
        self._clock = clock
        self._sleep = sleep
        self._new_id = new_id
        self._asking = threading.Lock()
        self._allowed: Allowed = always_allowed
        self.doubled: list[str] = []

    def apply(
        self,
        corrections: Sequence[Correction],
        *,
        partly: bool = False,  # noqa: ARG002 - a message goes out whole
        allowed: Allowed = always_allowed,
    ) -> Iterator[Outcome]:
        """Post each correction at most as often as is safe (see the ``Writer`` protocol).

        Raises:
            StoreError: the store or the webhook cannot be reached, or the token is refused. The
                outcomes of messages under way are given first.
        """
        self._allowed = allowed
        arrangement = arrange(corrections, self._store.unique_fields)
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="webhook") as pool:
            yield from self._concurrently(pool, arrangement.free)
        for unit in arrangement.units:
            for correction in unit:
                yield self._settle_one(correction)

    def close(self) -> None:
        """Give back connections."""
        self._store.close()

    def _concurrently(
        self, pool: ThreadPoolExecutor, corrections: Sequence[Correction]
    ) -> Iterator[Outcome]:
        left = iter(corrections)
        under_way: set[Future[Outcome]] = set()
        failure: BaseException | None = None
        while True:
            while failure is None and len(under_way) < self._concurrency:
                correction = next(left, None)
                if correction is None:
                    break
                under_way.add(pool.submit(self._settle_one, correction))
            if not under_way:
                break
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                if (error := future.exception()) is not None:
                    failure = failure or error
                else:
                    yield future.result()
        if failure is not None:
            raise failure

    def _settle_one(self, correction: Correction) -> Outcome:
        job = _Job(correction, self._message(correction))
        sent, waited, reply = 0, 0, None
        while True:
            self._rate.wait()
            stop = self._must_not_send(correction, after=reply)
            if stop is not None:
                return stop
            reply = self._endpoint.post(job.message)
            sent += 1
            if reply.unauthorised:
                raise self._error(
                    coded("ZV2402", "the ERP's webhook refuses the credentials"),
                    "erp.webhook.token",
                )
            if reply.answer is EndpointAnswer.LATER and waited < WAITS:
                waited, sent = waited + 1, sent - 1
                self._rate.hold(reply.pause)
                continue
            outcome = self._outcome_of(correction, reply)
            if outcome is not None:
                return outcome
            if sent > REPEATS:
                if reply.answer is EndpointAnswer.UNREACHABLE:
                    raise self._error(coded("ZV2401", "{what}", what=reply.text), "erp.webhook.url")
                return _outcome(correction, OutcomeState.FAILED, _not_taken(reply, sent))
            self._rate.hold(reply.pause)

    def _must_not_send(self, correction: Correction, *, after: Reply | None) -> Outcome | None:
        """Look at the store and at 1C just before a message goes out."""
        stale = self._stale(correction, thorough=after is not None)
        if stale is not None:
            if after is not None and self._taken(correction) is not None:
                return self._seen(correction, joined([after.text, Message("the store has it")]))
            return stale
        refused = self._unsafe(correction)
        if refused is not None:
            return refused
        with self._asking:
            self._allowed()
            wanted = self._confirm(correction)
        if wanted:
            return None
        detail = WITHDRAWN
        if after is not None:
            detail = joined([WITHDRAWN, Message("it was sent once: {answer}", answer=after.text)])
        return _outcome(correction, OutcomeState.WITHDRAWN, detail)

    def _stale(self, correction: Correction, *, thorough: bool) -> Outcome | None:
        if correction.action is Action.CREATE:
            if self.doubled and not thorough:
                return _outcome(correction, OutcomeState.REFUSED, CREATES_STOPPED)
            rows = self._store.holders(correction.key, thorough=thorough)
            if rows and not self._store.read_rows(rows):
                return _outcome(correction, OutcomeState.FAILED, KEY_NOT_OWNED)
            return _outcome(correction, OutcomeState.SUPERSEDED, KEY_TAKEN) if rows else None
        found = self._store.read_rows([correction.row])
        if not found:
            return _outcome(correction, OutcomeState.SUPERSEDED, GONE)
        client = found[0]
        if client.values != correction.before or client.active != correction.active:
            return _outcome(correction, OutcomeState.SUPERSEDED, CHANGED)
        return None

    def _unsafe(self, correction: Correction) -> Outcome | None:
        """What the ERP would do to the wrong client, or could not do at all."""
        if correction.action is Action.RESTORE and not self._store.soft_delete:
            return _outcome(correction, OutcomeState.REFUSED, NO_RESTORE)
        if correction.new_key and self._store.holders(correction.new_key, thorough=False):
            return _outcome(correction, OutcomeState.FAILED, KEY_HELD)
        if correction.action is Action.DELETE:
            held = self._store.referring_to(correction.row)
            return None if held is None else _outcome(correction, OutcomeState.REFUSED, held)
        if rows := self._store.conflicts(correction):
            reason = Message(
                "other rows hold the same unique value, the ERP would correct the wrong one:"
                " {rows}",
                rows=rows,
            )
            return _outcome(correction, OutcomeState.FAILED, reason)
        if correction.new_key and not self._store.keeps_ref and not self._found_by_tax(correction):
            return _outcome(correction, OutcomeState.REFUSED, UNSAFE_KEY)
        return None

    def _found_by_tax(self, correction: Correction) -> bool:
        """Whether the tax code alone leads the ERP to the row: it is there and does not change."""
        for field in self._mapping.fields:
            if field.payload == "ИНН":
                held = trimmed(correction.before.get(field.name))
                wanted = correction.after.get(field.name, held)
                return bool(held) and held == trimmed(wanted)
        return False

    def _outcome_of(self, correction: Correction, reply: Reply) -> Outcome | None:
        """The outcome after an answer, read from the store where the answer leaves it open."""
        if reply.answer is EndpointAnswer.ACCEPTED:
            return self._seen(correction, "")
        deadline = self._clock() + (
            self._settle if self._may_be_under_way(correction, reply) else 0
        )
        while True:
            if self._taken(correction) is not None:
                return self._seen(correction, joined([reply.text, Message("the store has it")]))
            left = deadline - self._clock()
            if left <= 0:
                break
            self._sleep(min(left, LOOK_EVERY))
        if correction.action is not Action.CREATE and self._stale(correction, thorough=True):
            detail = joined([reply.text, Message("the row changed, but not to what was sent")])
            return _outcome(correction, OutcomeState.FAILED, detail)
        if reply.answer in {EndpointAnswer.REFUSED, EndpointAnswer.LATER}:
            return _outcome(correction, OutcomeState.FAILED, _not_taken(reply, 1))
        return None

    @staticmethod
    def _may_be_under_way(correction: Correction, reply: Reply) -> bool:
        return correction.action is Action.CREATE and reply.answer is EndpointAnswer.UNCLEAR

    def _seen(self, correction: Correction, detail: Message | Literal[""]) -> Outcome:
        if correction.action is not Action.CREATE:
            return _outcome(correction, OutcomeState.APPLIED, detail)
        found = self._store.read_keys([correction.key])
        rows = [client.row for client in found]
        if len(rows) > 1:
            self.doubled.append(correction.key)
            return _outcome(correction, OutcomeState.FAILED, KEY_DOUBLED)
        return _outcome(correction, OutcomeState.APPLIED, detail, next(iter(rows), ""))

    def _taken(self, correction: Correction) -> str | None:
        """The row that shows the correction took; ``None`` when the store does not show it."""
        if correction.action is Action.CREATE:
            return next(iter(self._store.holders(correction.key, thorough=True)), None)
        found = self._store.read_rows([correction.row])
        if correction.action is Action.DELETE:
            return correction.row if not any(client.active for client in found) else None
        return next((c.row for c in found if c.active and self._as_wanted(c, correction)), None)

    def _as_wanted(self, client: Client, correction: Correction) -> bool:
        return holds(self._mapping, self._store.fitting(correction.after), client.values)

    def _message(self, correction: Correction) -> dict[str, Any]:
        values = {**correction.before, **correction.after}
        for name in self._mapping.key:
            if name in values:
                values[name] = canonical_key(values[name])
        data = {
            field.payload: values.get(field.name) or ""
            for field in self._mapping.fields
            if field.payload
        }
        if correction.ref:
            data["Ссылка"] = correction.ref
        actions = {Action.RESTORE: "update"}
        return {
            "action": actions.get(correction.action, correction.action.value),
            "clientData": data,
            "messageId": self._new_id(),
        }

    def _error(self, cause: Coded, place: str) -> StoreError:
        return StoreError(
            cause,
            place=f"{place} ({self._endpoint.place})",
            remedy=Message("nothing more was sent; correct it and run again"),
        )


def _not_taken(reply: Reply, sent: int) -> Message:
    if sent > 1:
        missing = Message("the store does not have it, sent {count} times", count=sent)
    else:
        missing = Message("the store does not have it")
    return joined([reply.text, missing])


def _outcome(
    correction: Correction, state: OutcomeState, detail: Message | Literal[""], row: str = ""
) -> Outcome:
    return Outcome(correction=correction.id, state=state, detail=detail, row=row or correction.row)
