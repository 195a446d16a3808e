"""Reads candidates again on both sides and builds the pairs that are decided on.

The staging is minutes old and webhooks go on arriving, so nothing becomes a difference on
the staging alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from zvirka.domain import Client, Command, Counterparty
from zvirka.erp.protocol import ClientElsewhere
from zvirka.message import Message
from zvirka.prefetch import prefetch
from zvirka.reconcile.absence import absence_of
from zvirka.reconcile.decide import AgreementState, Pair
from zvirka.reconcile.run_context import RunContext
from zvirka.reconcile.snapshot import (
    Absence,
    CompleteSnapshot,
    NamedOnly,
    PartialSnapshot,
    Snapshot,
    Unproven,
)
from zvirka.staging.candidates import Candidate

Elsewhere = Mapping[str, ClientElsewhere | None]

_ASK_SINGLY_UP_TO = 5000
"""Past this many candidates one more light pull asks fewer requests than some twenty a request."""
_POSTPONED = Unproven(
    Message("1C is asked for each of so many deletions when the run is approved"), postponed=True
)


class PairReader:
    """Builds pairs from candidates. ``suspected`` counts clients absent from a partial snapshot.

    Args:
        context: the run.
        snapshot: how 1C was read; only a complete snapshot, or named counterparties, can prove
            an absence.
        candidates: how many candidates there are.
    """

    def __init__(
        self, context: RunContext, snapshot: Snapshot | NamedOnly, candidates: int
    ) -> None:
        self.suspected = 0
        self._context = context
        self._snapshot = snapshot
        self._first = context.matching.agreement.is_empty()
        extras = context.matching.candidate_count("extra")
        self._ask_now = (
            context.targeted
            or context.request.command == Command.APPROVE
            # Suppressed deletions are not written, so they do not count towards the limit.
            or extras - len(context.suppressions) <= context.environment.settings.guard.max_deletes
        )
        self._refresh = not context.targeted and candidates <= _ASK_SINGLY_UP_TO
        if candidates > _ASK_SINGLY_UP_TO and not context.targeted:
            self._refresh_all()

    def _refresh_all(self) -> None:
        context = self._context
        context.mirror.seen.forget()
        for batch in prefetch(context.source.versions()):
            context.mirror.seen.add(batch)
            context.environment.tick()
        stale = context.mirror.moved().stale
        context.mirror.refresh(context.source, stale, context.environment.tick)

    def read(self, batch: Sequence[Candidate]) -> Iterator[Pair]:
        """The pairs of a batch of candidates; those gone from both sides are left out.

        Raises:
            SourceError: 1C cannot be read.
            StoreError: the store cannot be read.
        """
        records = self._records(batch)
        rows = [row for one in batch for row in (one.row, *one.rows) if row]
        clients = {client.row: client for client in self._context.store.read_rows(rows)}
        halves = [records[c.ref] for c in batch if c.ref in records and c.row not in clients]
        arrived = self._arrived(halves)
        elsewhere = self._elsewhere(batch, records, clients)
        for candidate in batch:
            if candidate.alone:
                pair = self._alone(candidate, clients.get(candidate.row))
            elif candidate.refs or candidate.rows:
                pair = self._doubled(candidate, records, clients, elsewhere)
            else:
                record = records.get(candidate.ref)
                client = clients.get(candidate.row)
                if client is None and record is not None:
                    client = arrived.get(record.key)
                pair = self._paired(candidate, record, client, elsewhere)
            if pair is not None:
                yield pair

    def _records(self, batch: Sequence[Candidate]) -> dict[str, Counterparty]:
        context = self._context
        refs = [ref for one in batch if not one.alone for ref in (one.ref, *one.refs) if ref]
        asked = refs if self._refresh else context.mirror.shortened(refs)
        there = context.mirror.refresh(context.source, asked, context.environment.tick)
        context.mirror.forget(sorted(set(asked) - there))
        return context.mirror.counterparties(refs)

    def _arrived(self, wanted: Sequence[Counterparty]) -> dict[str, Client]:
        """Clients that came in since the scan, under a key that was missing then."""
        context = self._context
        found: dict[str, list[Client]] = defaultdict(list)
        clients = context.store.read_keys([record.key for record in wanted if record.key])
        taken = context.matching.pairing.paired_rows([client.row for client in clients])
        for client in clients:
            # A row that is another's client is no arrival: its own key is about to change.
            if client.active and client.row not in taken:
                found[client.key].append(client)
        return {key: clients[0] for key, clients in found.items() if len(clients) == 1}

    def _elsewhere(
        self,
        batch: Sequence[Candidate],
        records: dict[str, Counterparty],
        clients: dict[str, Client],
    ) -> Elsewhere:
        """Clients of other flows, by Ref_Key of the counterparties that have no living client."""
        living = {row for row, client in clients.items() if client.active}
        lone = [records[c.ref] for c in batch if c.ref in records and c.row not in living]
        found = self._context.store.elsewhere([record.values for record in lone]) if lone else []
        return {record.ref: one for record, one in zip(lone, found, strict=True)}

    def _paired(
        self,
        candidate: Candidate,
        record: Counterparty | None,
        client: Client | None,
        elsewhere: Elsewhere,
    ) -> Pair | None:
        """A counterparty with its client, or without one."""
        if record is None:
            return None
        return Pair(
            mapping=self._context.mapping,
            key=record.key,
            ref=record.ref,
            record=record,
            client=client,
            fitted=self._context.store.fitting(record.values),
            agreement=_agreement_of(candidate),
            first=self._first,
            elsewhere=elsewhere.get(record.ref),
        )

    def _doubled(
        self,
        candidate: Candidate,
        records: dict[str, Counterparty],
        clients: dict[str, Client],
        elsewhere: Elsewhere,
    ) -> Pair | None:
        """All that share a key; what is left of them if the second look finds fewer."""
        mine = [records[ref] for ref in (candidate.ref, *candidate.refs) if ref in records]
        held = [clients[row] for row in candidate.rows if row in clients]
        if len(mine) < 2 and len(held) < 2:
            taken = self._context.matching.pairing.paired_rows(list(candidate.rows))
            client = next((one for one in held if one.row not in taken), None)
            return self._paired(candidate, mine[0] if mine else None, client, elsewhere)
        return Pair(
            mapping=self._context.mapping,
            key=candidate.key,
            ref=candidate.ref,
            record=mine[0] if mine else None,
            client=held[0] if held else None,
            refs=tuple(one.ref for one in mine),
            rows=tuple(one.row for one in held),
        )

    def _alone(self, candidate: Candidate, client: Client | None) -> Pair | None:
        """A client nobody is paired with."""
        if client is None or not client.active:
            return None
        absence = None
        if client.key and not candidate.key_taken:
            if isinstance(self._snapshot, PartialSnapshot):
                self.suspected += 1
                return None
            absence = self._absence(candidate, client, self._snapshot)
        return Pair(
            mapping=self._context.mapping,
            key=client.key,
            ref=candidate.ref,
            client=client,
            agreement=_agreement_of(candidate),
            absence=absence,
            rows=(client.row,) if candidate.key_taken else (),
            key_taken=candidate.key_taken,
        )

    def _absence(
        self, candidate: Candidate, client: Client, basis: CompleteSnapshot | NamedOnly
    ) -> Absence | Unproven:
        if not self._ask_now:
            return _POSTPONED
        context = self._context
        return absence_of(
            context.source,
            context.mapping,
            basis,
            refs=candidate.refs,
            key=client.key,
            namesakes=context.mirror.refs_with([client.key]),
            has_client=context.matching.pairing.has_client,
        )


def _agreement_of(candidate: Candidate) -> AgreementState | None:
    known = candidate.agreed_client if candidate.alone else candidate.agreed_wanted
    if known is None:
        return None
    return AgreementState(bool(candidate.agreed_wanted), bool(candidate.agreed_client))
