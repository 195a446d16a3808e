"""Applies webhooks to the store: finds each client by key or Ref_Key and corrects its row.

The same layout, statements and ownership as the reconciliation's writer; the difference is that
the row is looked up and judged inside the very transaction that writes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, select

from zvirka.comparison import field_differences, holds
from zvirka.domain import Action, Client, Correction, Outcome, OutcomeState
from zvirka.erp.protocol import ClientElsewhere
from zvirka.erp.sharing import kept_elsewhere, still_known
from zvirka.erp.sql.expressions import AsText
from zvirka.erp.sql.shared_rows import SharedRows
from zvirka.erp.sql.store_queries import Reading, chunks
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.transaction import Transaction
from zvirka.erp.sql.typed_values import column_values
from zvirka.mapping import Mapping
from zvirka.policy import Policy

LOOKS = 3
"""How often a row that changes between look and write is looked at."""


class Effect(StrEnum):
    """What became of a request."""

    CREATED = "created"
    UPDATED = "updated"
    RESTORED = "restored"
    DELETED = "deleted"
    UNCHANGED = "unchanged"  # the store holds all of it already
    ABSENT = "absent"  # nothing to delete
    REFUSED = "refused"  # could not be stored as it is
    FAILED = "failed"  # the database said no to this row
    LINKED = "linked"  # another flow of the same table keeps the client
    HELD = "held"  # a person or the reconciliation must decide
    WAITING = "waiting"  # refers to a row that is not there yet


DONE = {
    Action.CREATE: Effect.CREATED,
    Action.UPDATE: Effect.UPDATED,
    Action.RESTORE: Effect.RESTORED,
    Action.DELETE: Effect.DELETED,
}


class UpsertRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client as it should be, or that it should be gone.

    ``values`` holds mapped fields only; one that is left out keeps its stored value. ``ref`` is
    empty when the sender did not tell it.
    """

    key: str
    ref: str
    gone: bool
    values: dict[str, str | None]


class UpsertResult(msgspec.Struct, frozen=True):
    """What became of a request; ``detail`` names fields, columns and constraints, never values.

    Nothing is written of a request that refers to a row that is not there yet.
    """

    effect: Effect
    detail: str = ""


class Upsert:
    """Applies requests to one layout; the caller begins and commits the transaction.

    ``policy`` says whether a client moves to a new key, and whether one is created that another
    flow of the table keeps. ``clean`` says that no stored key needs trimming to match.
    ``linked_flow`` names the flow that is linked to a row of ours, '' for none.
    """

    def __init__(
        self,
        layout: TableLayout,
        mapping: Mapping,
        policy: Policy,
        *,
        clean: bool,
        linked_flow: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._layout = layout
        self._mapping = mapping
        self._reading = Reading(layout)
        self._policy = policy
        self._clean = clean
        self._linked_flow = linked_flow
        self._shared_rows = SharedRows(layout)

    def apply(
        self, connection: Connection, requests: Sequence[UpsertRequest]
    ) -> list[UpsertResult]:
        """Carry out the requests, one result each, in their order. A bad row fails alone.

        No two requests may name the same client: see :func:`waves`.
        """
        answers: dict[int, UpsertResult] = {}
        waiting = dict(enumerate(requests))
        doubled: list[str] = []
        for _ in range(LOOKS):
            found = self._found(connection, waiting.values())
            corrections: dict[int, Correction] = {}
            for number, request in waiting.items():
                judged = self._judge(number, request, found)
                if isinstance(judged, Correction):
                    corrections[number] = judged
                else:
                    answers[number] = judged
            transaction = Transaction(
                connection, self._layout, self._reading, clean=self._clean, doubled=doubled
            )
            overtaken: set[int] = set()
            waiting_rows: set[int] = set()
            created = False
            for outcome in transaction.bulk([*corrections.values()]):
                action = corrections[outcome.correction].action
                answers[outcome.correction] = _result_of(action, outcome)
                if outcome.state in {OutcomeState.SUPERSEDED, OutcomeState.FAILED}:
                    overtaken.add(outcome.correction)
                elif outcome.waits:
                    waiting_rows.add(outcome.correction)
                elif action is Action.CREATE and outcome.state is OutcomeState.APPLIED:
                    created = True
            if created:  # perhaps what the others of this table wait for
                overtaken |= waiting_rows
            waiting = {
                number: request for number, request in waiting.items() if number in overtaken
            }
            if not waiting:
                break
        return [answers[number] for number in range(len(requests))]

    def _found(self, connection: Connection, requests: Collection[UpsertRequest]) -> _Found:
        """The clients by key, and by Ref_Key those whose key is not there."""
        wanted = {request.key: request.ref for request in requests}
        # A row that another program wrote as 1C pads its code is found through the index, too.
        as_sent = {
            request.values.get(field) or request.key
            for request in requests
            for field in self._layout.key.fields
        }
        keys = [*wanted, *sorted(as_sent - wanted.keys())]
        by_key: dict[str, list[Client]] = defaultdict(list)
        for client in self._reading.by_keys(connection, keys, clean=self._clean):
            by_key[client.key].append(client)
        by_ref: dict[str, list[Client]] = defaultdict(list)
        if self._keeps_ref:
            missing = [ref for key, ref in wanted.items() if ref and key not in by_key]
            for client in self._by_refs(connection, missing):
                by_ref[client.ref or ""].append(client)
        shared = {}
        if self._policy.shared == "first":
            field = self._layout.sharing.field
            values = [request.values.get(field) for request in requests if not request.gone]
            shared = dict(self._shared_rows.find(connection, values))
        return _Found(by_key, by_ref, shared)

    @property
    def _keeps_ref(self) -> bool:
        """Whether the store has a column for Ref_Key besides the pairing key."""
        return self._layout.ref is not None and not self._layout.key.is_ref

    def _by_refs(self, connection: Connection, refs: Sequence[str]) -> list[Client]:
        column = self._layout.ref
        assert column is not None
        rows: list[str] = []
        for chunk in chunks(refs):
            statement = select(AsText(self._layout.pk)).where(self._layout.owned)
            statement = statement.where(column.in_(column_values(column, chunk)))
            rows += connection.execute(statement).scalars().all()
        return self._reading.by_rows(connection, rows) if rows else []

    def _judge(
        self, number: int, request: UpsertRequest, found: _Found
    ) -> UpsertResult | Correction:
        holders = found.by_key.get(request.key, [])
        if len(holders) > 1:
            holders = [client for client in holders if request.ref and client.ref == request.ref]
            if len(holders) != 1:
                return UpsertResult(Effect.HELD, "the store has several rows with this key")
        moved = [] if holders or not request.ref else found.by_ref.get(request.ref, [])
        if len(moved) > 1:
            return UpsertResult(Effect.HELD, "the store has several rows with this Ref_Key")
        if not holders and not moved and request.gone:
            return UpsertResult(Effect.ABSENT)
        client = next(iter(holders or moved), None)
        if client is None or not (client.active or request.gone):
            value = request.values.get(self._layout.sharing.field)
            if elsewhere := found.shared.get(self._layout.sharing.canonical(value)):
                return UpsertResult(Effect.LINKED, kept_elsewhere(elsewhere))
        if client is None:
            return self._creation(number, request)
        if request.gone:
            return self._removal(number, request, client)
        if moved and self._policy.rekey == "propose":
            return UpsertResult(Effect.HELD, "the store has the client under another key")
        return self._change(number, request, client)

    def _removal(
        self, number: int, request: UpsertRequest, client: Client
    ) -> UpsertResult | Correction:
        if request.ref and client.ref and client.ref != request.ref:
            return UpsertResult(Effect.ABSENT, "another counterparty holds the key by now")
        if not client.active:
            return UpsertResult(Effect.UNCHANGED)
        if flow := self._linked_flow(client.row):
            return UpsertResult(Effect.HELD, still_known(flow))
        return Correction(
            id=number,
            action=Action.DELETE,
            key=client.key,
            ref=request.ref,
            row=client.row,
            active=client.active,
            before=client.values,
        )

    def _creation(self, number: int, request: UpsertRequest) -> Correction:
        return Correction(
            id=number,
            action=Action.CREATE,
            key=request.key,
            ref=request.ref,
            after=request.values,
        )

    def _change(
        self, number: int, request: UpsertRequest, client: Client
    ) -> UpsertResult | Correction:
        fields = self._layout.key.fields
        wanted = {name: value for name, value in request.values.items() if name not in fields}
        after: dict[str, str | None] = {}
        if not holds(self._mapping, self._layout.fitting(wanted), client.values):
            differing = field_differences(self._mapping, wanted, client.values)
            after = {one.field: one.wanted for one in differing}
        moves = client.key != request.key
        adopts = self._keeps_ref and bool(request.ref) and client.ref != request.ref
        if client.active and not after and not moves and not adopts:
            return UpsertResult(Effect.UNCHANGED)
        return Correction(
            id=number,
            action=Action.UPDATE if client.active else Action.RESTORE,
            key=client.key,
            ref=request.ref,
            row=client.row,
            active=client.active,
            before=client.values,
            after=after,
            new_key=request.key if moves or adopts else None,
        )


class _Found(msgspec.Struct, frozen=True):
    by_key: dict[str, list[Client]]
    by_ref: dict[str, list[Client]]
    shared: dict[str, ClientElsewhere]


def waves(requests: Sequence[UpsertRequest]) -> Iterator[list[int]]:
    """Cut where a client comes again, so that each request sees the effect of those before it.

    Gives positions in ``requests``, in order.
    """
    wave: list[int] = []
    seen: set[tuple[str, str]] = set()
    for number, request in enumerate(requests):
        marks = {("key", request.key)} | ({("ref", request.ref)} if request.ref else set())
        if marks & seen:
            yield wave
            wave, seen = [], set()
        wave.append(number)
        seen |= marks
    if wave:
        yield wave


def _result_of(action: Action, outcome: Outcome) -> UpsertResult:
    match outcome.state:
        case OutcomeState.APPLIED:
            return UpsertResult(DONE[action], outcome.detail)
        case OutcomeState.REFUSED:
            effect = Effect.WAITING if outcome.waits else Effect.REFUSED
            return UpsertResult(effect, outcome.detail)
        case _:
            return UpsertResult(Effect.FAILED, outcome.detail)
