"""Phase confirm: every candidate is read again on both sides and decided on."""

from __future__ import annotations

from collections import Counter

import msgspec

from zvirka.comparison import holds
from zvirka.domain import Action, Client, Correction, Counterparty, Difference, Disposition
from zvirka.reconcile.absence import absence_of
from zvirka.reconcile.decide import decide
from zvirka.reconcile.evidence import Evidence
from zvirka.reconcile.links import Links, as_linked
from zvirka.reconcile.pairs import PairReader
from zvirka.reconcile.rekeying import Decided, Rekeys
from zvirka.reconcile.run_context import RunContext
from zvirka.reconcile.snapshot import Absence, NamedOnly, PartialSnapshot, Snapshot
from zvirka.reconcile.suppressing import as_suppressed
from zvirka.reconcile.targeting import Named

_WRITTEN_AT_ONCE = 1000

Planned = Counter[tuple[str, Disposition]]
"""Differences by (action, disposition); the action is '' where only a person can act."""


class Confirmed(msgspec.Struct, frozen=True):
    """What the phase found: differences as planned, and how many clients look absent.

    ``suspected`` clients are absent from a partial snapshot, which proves nothing. ``linked`` of
    the planned deletions are held because another flow is linked to the client.
    """

    planned: Planned
    suspected: int
    linked: int
    warnings: tuple[str, ...]


def confirm(
    context: RunContext, snapshot: Snapshot | NamedOnly, named: Named | None = None
) -> Confirmed:
    """Turn candidates into the run's differences, in the journal, dispositions provisional.

    ``named`` limits the run to the counterparties it was asked for.

    Raises:
        SourceError: 1C cannot be read.
        StoreError: the store cannot be read.
    """
    total = context.matching.find()
    context.environment.progress.phase("confirm", total)
    pairs = PairReader(context, snapshot, total)
    rekeys = Rekeys(context.mapping, context.policy)
    recorder = _Recorder(context)
    # Clients without a counterparty come first: a create may be the other half of a re-key.
    for extras in (True, False):
        for batch in context.matching.candidates(extras=extras):
            wanted = batch if named is None else [one for one in batch if named.includes(one)]
            settled: list[tuple[Counterparty, Client]] = []
            for pair in pairs.read(wanted):
                difference = decide(pair, context.policy)
                if difference is not None:
                    decided = Decided.of(pair, difference)
                    if not rekeys.holds_back(decided):
                        recorder.add(decided)
                elif pair.record is not None and pair.client is not None:
                    settled.append((pair.record, pair.client))
            context.matching.settle(settled)
            context.environment.tick(len(batch))
    for decided in rekeys.settle():
        recorder.add(decided)
    recorder.flush()
    warnings = tuple(recorder.evidence.warnings)
    return Confirmed(recorder.planned, pairs.suspected, recorder.linked, warnings)


def still_wanted(
    context: RunContext, snapshot: Snapshot | NamedOnly, correction: Correction
) -> bool:
    """Whether 1C, asked just now, still wants what a webhook is about to say."""
    ref = correction.ref
    if not ref:
        return True
    there = context.mirror.refresh(context.source, [ref], context.environment.tick)
    record = context.mirror.counterparties([ref])[ref] if there else None
    if correction.action is not Action.DELETE:
        return record is not None and holds(context.mapping, correction.after, record.values)
    if record is not None:
        return record.deletion_mark and context.policy.deletes_marked
    return not isinstance(snapshot, PartialSnapshot) and isinstance(
        absence_of(
            context.source,
            context.mapping,
            snapshot,
            refs=[ref],
            key=correction.key,
            namesakes=context.mirror.refs_with([correction.key]),
            has_client=context.matching.pairing.has_client,
        ),
        Absence,
    )


class _Recorder:
    """Writes differences into the journal, numbered, suppressed and explained."""

    def __init__(self, context: RunContext) -> None:
        self.planned: Planned = Counter()
        self.linked = 0
        self.evidence = Evidence.of(context)
        self._context = context
        self._links = Links(context.environment.settings)
        self._waiting: list[Difference] = []

    def add(self, decided: Decided) -> None:
        """Record one difference."""
        difference = as_suppressed(self._context, decided.difference, decided.wanted, decided.found)
        held = as_linked(difference, self._context.request, self._links)
        self.linked += held is not difference
        difference = held
        number = self.planned.total() + 1
        self._waiting.append(msgspec.structs.replace(difference, number=number))
        self.planned[str(difference.action or ""), difference.disposition] += 1
        if len(self._waiting) >= _WRITTEN_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            explained = self.evidence.explain(self._waiting)
            self._context.environment.journal.add_differences(self._context.run, explained)
            self._waiting = []
