"""Phases diff and confirm: both sides are read again for each candidate, then it is a difference.

The scan and the pull were minutes ago, and webhooks go on arriving. So nothing becomes a
difference on the strength of the staging alone: 1C is asked again for just these counterparties,
the store for just these rows, and what agrees on the second look is no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from zvirka.comparison import canonical
from zvirka.domain import (
    Action,
    Client,
    Counterparty,
    Difference,
    Disposition,
)
from zvirka.mapping import Comparison
from zvirka.prefetch import ahead
from zvirka.reconcile import decide
from zvirka.reconcile.absence import absence_of
from zvirka.reconcile.evidence import Evidence
from zvirka.reconcile.pull import renew
from zvirka.reconcile.run_context import RunContext
from zvirka.reconcile.snapshot import CompleteSnapshot
from zvirka.reconcile.suppressing import Side, as_it_stands
from zvirka.staging.candidates import Candidate

_CORRECT = Disposition.CORRECT
_ASK_SINGLY_UP_TO = 5000
"""Past this many candidates one more light pull asks fewer requests than some twenty a request."""
_REMEMBERED_EXTRAS = 10_000
_WRITTEN_AT_ONCE = 1000
_NOT_ASKED = "1C is asked for each of so many deletions when the run is approved"


def confirm(context: RunContext) -> None:
    """Turn the candidates into the run's differences, in the journal, dispositions provisional.

    Raises:
        SourceError: 1C cannot be read.
        StoreError: the store cannot be read.
    """
    total = context.matching.find()
    context.environment.progress.phase("confirm", total)
    look = _Look(context, singly=total <= _ASK_SINGLY_UP_TO)
    for batch in context.matching.candidates(extras=True):
        look.extras(batch)
        context.environment.tick(len(batch))
    for batch in context.matching.candidates(extras=False):
        look.others(batch)
        context.environment.tick(len(batch))
    look.finish()


class _Awaiting(msgspec.Struct, frozen=True):
    """A difference that may turn out to be half of a re-key."""

    difference: Difference
    wanted: Side
    found: Side


class _Look:
    """The second look, candidate by candidate."""

    def __init__(self, context: RunContext, *, singly: bool) -> None:
        self._ground = context
        self._singly = singly
        self._written: list[Difference] = []
        self._number = 0
        self._first = not context.matching.ever_agreed()
        self._extras: dict[str, list[_Awaiting]] = defaultdict(list)
        self._arrivals: dict[str, list[_Awaiting]] = defaultdict(list)
        self._remembered = 0
        self._evidence = Evidence.of(context)
        extras = context.matching.candidate_count("extra")
        limit = context.environment.settings.guard.max_deletes
        # Suppressed deletions are not written, so they do not count towards the limit.
        few = extras - len(context.standings) <= limit
        self._ask = few or context.request.command == "approve"
        if not singly:
            self._look_again_at_all()

    def _look_again_at_all(self) -> None:
        context = self._ground
        context.mirror.forget_seen()
        for batch in ahead(context.source.versions()):
            context.mirror.see_versions(batch)
            context.environment.tick()
        renew(context.environment, context.source, context.mirror, context.mirror.moved().stale)

    # -- halves of the store ---------------------------------------------------------------------

    def extras(self, batch: Sequence[Candidate]) -> None:
        """Clients 1C does not have, as far as the snapshot tells."""
        context = self._ground
        clients = self._clients([candidate.row for candidate in batch])
        for candidate in batch:
            client = clients.get(candidate.row)
            if client is None or not client.active:
                continue
            if not isinstance(context.snapshot, CompleteSnapshot):
                context.suspected += 1
                continue
            difference = self._extra(candidate, client, context.snapshot)
            tax = self._tax(client.values)
            if tax and self._remembered < _REMEMBERED_EXTRAS:
                self._extras[tax].append(_Awaiting(difference, None, client.values))
                self._remembered += 1
            else:
                self._write(difference, None, client.values)

    def _extra(
        self, candidate: Candidate, client: Client, snapshot: CompleteSnapshot
    ) -> Difference:
        context = self._ground
        agreed = candidate.agreed_client is not None
        if not self._ask:
            unproven = decide.absent(
                context.mapping, client, None, agreed=agreed, ref=candidate.ref, note=_NOT_ASKED
            )
            return msgspec.structs.replace(unproven, disposition=Disposition.HELD)
        proof = absence_of(
            context.source, context.mapping, snapshot, ref=candidate.ref, key=client.key
        )
        if isinstance(proof, str):
            return decide.absent(
                context.mapping, client, None, agreed=agreed, ref=candidate.ref, note=proof
            )
        return decide.absent(
            context.mapping, client, proof, agreed=agreed, ref=candidate.ref, note=""
        )

    # -- pairs and halves of 1C ------------------------------------------------------------------

    def others(self, batch: Sequence[Candidate]) -> None:
        """Everything else: pairs that differ, counterparties without a client, doubled keys."""
        context = self._ground
        single = [candidate.ref for candidate in batch if candidate.ref]
        refs = [*single, *(ref for candidate in batch for ref in candidate.refs)]
        if self._singly:
            gone = set(refs) - renew(context.environment, context.source, context.mirror, refs)
            context.mirror.forget(sorted(gone))
        parties = context.mirror.counterparties(refs)
        clients = self._clients(
            [row for candidate in batch for row in (candidate.row, *candidate.rows) if row]
        )
        arrived = self._arrived(
            [parties[c.ref] for c in batch if c.what == "missing" and c.ref in parties]
        )
        settled: list[tuple[str, Client]] = []
        for candidate in batch:
            wanted = parties.get(candidate.ref)
            client = clients.get(candidate.row)
            if candidate.what.startswith("duplicate"):
                self._duplicate(candidate, parties, clients)
            elif candidate.what.startswith("keyless"):
                values = wanted.values if wanted else client.values if client else None
                if values is not None:
                    self._write(decide.keyless(candidate, values), None, None)
            elif wanted is not None:
                client = client or arrived.get(wanted.key)
                found = self._judge(candidate, wanted, client)
                if found is not None:
                    self._write_or_await(found, wanted, client)
                elif client is not None:
                    settled.append((wanted.ref, client))
        context.matching.settle(settled)

    def _judge(
        self, candidate: Candidate, wanted: Counterparty, client: Client | None
    ) -> Difference | None:
        context = self._ground
        is_marked = context.marks_count and wanted.deletion_mark
        if client is None:
            if candidate.what != "missing" or is_marked:
                return None
            return decide.missing(context.mapping, wanted, candidate, first=self._first)
        if is_marked:
            return decide.marked(context.mapping, wanted, client) if client.active else None
        if not client.active:
            return decide.inactive(context.mapping, wanted, client, candidate)
        return decide.different_as_stored(
            context.mapping, context.store.fitting, wanted, client, candidate
        )

    def _arrived(self, wanted: Sequence[Counterparty]) -> dict[str, Client]:
        """Clients that came in since the scan, under a key that was missing then."""
        found: dict[str, list[Client]] = defaultdict(list)
        held = self._ground.store.read_keys([party.key for party in wanted if party.key])
        taken = self._ground.matching.pairing.paired_rows([client.row for client in held])
        for client in held:
            # A row that is another's client is no arrival: its own key is about to change.
            if client.active and client.row not in taken:
                found[client.key].append(client)
        return {key: clients[0] for key, clients in found.items() if len(clients) == 1}

    def _duplicate(
        self,
        candidate: Candidate,
        parties: dict[str, Counterparty],
        clients: dict[str, Client],
    ) -> None:
        held = [clients[row] for row in candidate.rows if row in clients]
        mine = [parties[ref] for ref in candidate.refs if ref in parties]
        if len(held) > 1 or len(mine) > 1 or len(candidate.rows) == 1:
            self._write(decide.duplicate(candidate, held, mine), None, None)

    def _clients(self, rows: Sequence[str]) -> dict[str, Client]:
        return {client.row: client for client in self._ground.store.read_rows(rows)}

    # -- re-keys -----------------------------------------------------------------------------

    def _write_or_await(
        self, difference: Difference, wanted: Counterparty, client: Client | None
    ) -> None:
        """A create whose tax id an absent client has waits: it may be that client's re-key."""
        is_delete = difference.action is Action.DELETE
        values = None if is_delete else wanted.values
        found = client.values if client is not None and client.active else None
        tax = self._tax(wanted.values) if difference.action is Action.CREATE else ""
        if tax and tax in self._extras:
            self._arrivals[tax].append(_Awaiting(difference, values, found))
        else:
            self._write(difference, values, found)

    def _tax(self, values: dict[str, str | None]) -> str:
        return canonical(Comparison.DIGITS, values.get("tax_id"))

    def finish(self) -> None:
        """Settle what waited, and write what is left."""
        context = self._ground
        apply = context.environment.settings.policy.rekey == "apply"
        for tax, gone in self._extras.items():
            fresh = self._arrivals.get(tax, [])
            if len(gone) == len(fresh) == 1 and gone[0].difference.disposition is _CORRECT:
                moved = decide.moved_under(
                    context.mapping, gone[0].difference, fresh[0].difference, apply=apply
                )
                self._write(moved, fresh[0].wanted, gone[0].found)
                continue
            for awaiting in (*gone, *fresh):
                self._write(awaiting.difference, awaiting.wanted, awaiting.found)
        self._flush()

    # -- writing down -------------------------------------------------------------------------

    def _write(self, difference: Difference, wanted: Side, found: Side) -> None:
        self._number += 1
        stood = decide.numbered(as_it_stands(self._ground, difference, wanted, found), self._number)
        self._written.append(stood)
        self._ground.plan(stood)
        if len(self._written) >= _WRITTEN_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._written:
            explained = self._evidence.explain(self._written)
            self._ground.environment.journal.add_differences(self._ground.run, explained)
            self._written = []
