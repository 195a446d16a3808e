"""Phases diff and confirm: both sides are read again for each candidate, then it is a difference.

The scan and the pull were minutes ago, and webhooks go on arriving. So nothing becomes a
difference on the strength of the staging alone: 1C is asked again for just these counterparties,
the store for just these rows, and what agrees on the second look is no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from zvirka.ahead import ahead
from zvirka.counterparty import (
    Action,
    Client,
    Counterparty,
    Difference,
    Disposition,
)
from zvirka.mapping import Comparison
from zvirka.reconcile import judging
from zvirka.reconcile.absence import absence_of
from zvirka.reconcile.comparing import canonical
from zvirka.reconcile.evidence import Evidence
from zvirka.reconcile.ground import Ground
from zvirka.reconcile.matching import Candidate
from zvirka.reconcile.pull import renew
from zvirka.reconcile.snapshot import CompleteSnapshot
from zvirka.reconcile.standing import Side, as_it_stands

_CORRECT = Disposition.CORRECT
_ASK_SINGLY_UP_TO = 5000
"""Past this many candidates one more light pull asks fewer requests than some twenty a request."""
_REMEMBERED_EXTRAS = 10_000
_WRITTEN_AT_ONCE = 1000
_NOT_ASKED = "1C is asked for each of so many deletions when the run is approved"


def confirm(ground: Ground) -> None:
    """Turn the candidates into the run's differences, in the journal, dispositions provisional.

    Raises:
        SourceError: 1C cannot be read.
        StoreError: the store cannot be read.
    """
    total = ground.matching.find()
    ground.house.progress.phase("confirm", total)
    look = _Look(ground, singly=total <= _ASK_SINGLY_UP_TO)
    for batch in ground.matching.candidates(extras=True):
        look.extras(batch)
        ground.house.tick(len(batch))
    for batch in ground.matching.candidates(extras=False):
        look.others(batch)
        ground.house.tick(len(batch))
    look.finish()


class _Awaiting(msgspec.Struct, frozen=True):
    """A difference that may turn out to be half of a re-key."""

    difference: Difference
    wanted: Side
    found: Side


class _Look:
    """The second look, candidate by candidate."""

    def __init__(self, ground: Ground, *, singly: bool) -> None:
        self._ground = ground
        self._singly = singly
        self._written: list[Difference] = []
        self._number = 0
        self._first = not ground.matching.ever_agreed()
        self._extras: dict[str, list[_Awaiting]] = defaultdict(list)
        self._arrivals: dict[str, list[_Awaiting]] = defaultdict(list)
        self._remembered = 0
        self._evidence = Evidence.of(ground)
        extras = ground.matching.candidate_count("extra")
        limit = ground.house.settings.guard.max_deletes
        self._ask = extras <= limit or ground.request.command == "approve"
        if not singly:
            self._look_again_at_all()

    def _look_again_at_all(self) -> None:
        ground = self._ground
        ground.mirror.forget_seen()
        for batch in ahead(ground.source.versions()):
            ground.mirror.see_versions(batch)
            ground.house.tick()
        renew(ground.house, ground.source, ground.mirror, ground.mirror.moved().stale)

    # -- halves of the store ---------------------------------------------------------------------

    def extras(self, batch: Sequence[Candidate]) -> None:
        """Clients 1C does not have, as far as the snapshot tells."""
        ground = self._ground
        clients = self._clients([candidate.row for candidate in batch])
        for candidate in batch:
            client = clients.get(candidate.row)
            if client is None or not client.active:
                continue
            if not isinstance(ground.snapshot, CompleteSnapshot):
                ground.suspected += 1
                continue
            difference = self._extra(candidate, client, ground.snapshot)
            tax = self._tax(client.values)
            if tax and self._remembered < _REMEMBERED_EXTRAS:
                self._extras[tax].append(_Awaiting(difference, None, client.values))
                self._remembered += 1
            else:
                self._write(difference, None, client.values)

    def _extra(
        self, candidate: Candidate, client: Client, snapshot: CompleteSnapshot
    ) -> Difference:
        ground = self._ground
        agreed = candidate.agreed_client is not None
        if not self._ask:
            unproven = judging.absent(
                ground.mapping, client, None, agreed=agreed, ref=candidate.ref, note=_NOT_ASKED
            )
            return msgspec.structs.replace(unproven, disposition=Disposition.HELD)
        proof = absence_of(
            ground.source, ground.mapping, snapshot, ref=candidate.ref, key=client.key
        )
        if isinstance(proof, str):
            return judging.absent(
                ground.mapping, client, None, agreed=agreed, ref=candidate.ref, note=proof
            )
        return judging.absent(
            ground.mapping, client, proof, agreed=agreed, ref=candidate.ref, note=""
        )

    # -- pairs and halves of 1C ------------------------------------------------------------------

    def others(self, batch: Sequence[Candidate]) -> None:
        """Everything else: pairs that differ, counterparties without a client, doubled keys."""
        ground = self._ground
        single = [candidate.ref for candidate in batch if candidate.ref]
        refs = [*single, *(ref for candidate in batch for ref in candidate.refs)]
        if self._singly:
            gone = set(refs) - renew(ground.house, ground.source, ground.mirror, refs)
            ground.mirror.forget(sorted(gone))
        parties = ground.mirror.counterparties(refs)
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
                    self._write(judging.keyless(candidate, values), None, None)
            elif wanted is not None:
                client = client or arrived.get(wanted.key)
                found = self._judge(candidate, wanted, client)
                if found is not None:
                    self._write_or_await(found, wanted, client)
                elif client is not None:
                    settled.append((wanted.ref, client))
        ground.matching.settle(settled)

    def _judge(
        self, candidate: Candidate, wanted: Counterparty, client: Client | None
    ) -> Difference | None:
        ground = self._ground
        is_marked = ground.marks_count and wanted.deletion_mark
        if client is None:
            if candidate.what != "missing" or is_marked:
                return None
            return judging.missing(ground.mapping, wanted, candidate, first=self._first)
        if is_marked:
            return judging.marked(ground.mapping, wanted, client) if client.active else None
        if not client.active:
            return judging.inactive(ground.mapping, wanted, client, candidate)
        return judging.different_as_stored(
            ground.mapping, ground.store.fitting, wanted, client, candidate
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
            self._write(judging.duplicate(candidate, held, mine), None, None)

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
        ground = self._ground
        apply = ground.house.settings.policy.rekey == "apply"
        for tax, gone in self._extras.items():
            fresh = self._arrivals.get(tax, [])
            if len(gone) == len(fresh) == 1 and gone[0].difference.disposition is _CORRECT:
                moved = judging.moved_under(
                    ground.mapping, gone[0].difference, fresh[0].difference, apply=apply
                )
                self._write(moved, fresh[0].wanted, gone[0].found)
                continue
            for awaiting in (*gone, *fresh):
                self._write(awaiting.difference, awaiting.wanted, awaiting.found)
        self._flush()

    # -- writing down -------------------------------------------------------------------------

    def _write(self, difference: Difference, wanted: Side, found: Side) -> None:
        self._number += 1
        stood = judging.numbered(
            as_it_stands(self._ground, difference, wanted, found), self._number
        )
        self._written.append(stood)
        self._ground.plan(stood)
        if len(self._written) >= _WRITTEN_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._written:
            explained = self._evidence.explain(self._written)
            self._ground.house.book.add_differences(self._ground.run, explained)
            self._written = []
