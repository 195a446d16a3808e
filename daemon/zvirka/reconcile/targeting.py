"""Stages the counterparties that a resync or the feed names, and others that may own their clients.

They are paired and decided on as in any run. Only the named counterparties are corrected.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec

from zvirka.domain import Client, Counterparty, Trigger
from zvirka.errors import UsageError
from zvirka.message import Message, coded
from zvirka.reconcile.key_search import find_keys, is_searchable, searched_field
from zvirka.reconcile.request import Targets
from zvirka.reconcile.run_context import RunContext
from zvirka.staging.candidates import Candidate


class Named(msgspec.Struct, frozen=True):
    """What a targeted run is about.

    ``rows`` are the clients that the named counterparties have or had. ``targets`` repeats the
    request for the report, tax ids replaced by keys; ``warnings`` tell of targets that
    nobody knows.
    """

    refs: frozenset[str]
    keys: frozenset[str]
    rows: frozenset[str]
    targets: tuple[str, ...]
    warnings: tuple[Message, ...]

    def includes(self, candidate: Candidate) -> bool:
        """Whether a candidate is about something named."""
        return (
            candidate.key in self.keys
            or not self.refs.isdisjoint({candidate.ref, *candidate.refs})
            or not self.rows.isdisjoint({candidate.row, *candidate.rows})
        )


def check_targets(context: RunContext, targets: Targets) -> None:
    """Refuse targets that cannot be looked up.

    Raises:
        UsageError: none are named, a Ref_Key is not a GUID, or 1C cannot search the field.
    """
    named = (*targets.codes, *targets.refs, *targets.tax_ids)
    if not named or not all(map(str.strip, named)):
        raise UsageError(
            coded("ZV3501", "nothing to resync was named"),
            place="resync",
            remedy=Message("name counterparties with --code, --ref or --tax-id, or say --all"),
        )
    for ref in targets.refs:
        try:
            UUID(ref)
        except ValueError:
            raise UsageError(
                coded("ZV3509", "a Ref_Key is not a GUID"),
                place=f"--ref {ref}",
                remedy=Message("copy it from a report"),
            ) from None
    for option, field, values in (
        ("--code", "code", targets.codes),
        ("--tax-id", "tax_id", targets.tax_ids),
    ):
        if values and not _searchable(context, field):
            raise UsageError(
                coded("ZV1305", "1C cannot be searched by {field} in this mapping", field=field),
                place=option,
                remedy=Message("name counterparties by --ref"),
            )


def _searchable(context: RunContext, field: str) -> bool:
    mapping = context.mapping
    if field == "code" and len(mapping.key) > 1:
        return searched_field(mapping) is not None
    return field in mapping.names and is_searchable(mapping.field(field))


def stage_named(context: RunContext, targets: Targets) -> Named:
    """Read the targets on both sides, stage them and pair them.

    Raises:
        UsageError: the targets cannot be looked up, or neither side knows any of them.
        SourceError: 1C does not answer.
        StoreError: the store cannot be read.
    """
    check_targets(context, targets)
    by_tax_id = _found(context, "tax_id", targets.tax_ids)
    found = [*_found(context, "code", targets.codes), *by_tax_id]
    refs = list(dict.fromkeys([*(str(UUID(ref)) for ref in targets.refs), *(p.ref for p in found)]))
    records = _read_records(context, refs)
    keys = {record.key for record in records.values()} - {""}
    clients = _read_clients(context, refs, {*keys, *targets.codes, *_keys_of(context, refs)})
    named = _named(context, targets, refs, records, clients, by_tax_id)

    # Others that have, or had, one of these clients or keys may be the ones to keep it.
    rivals = context.matching.remembered.refs_of(list(clients)) - set(refs)
    rivals |= {client.ref for client in clients.values() if client.ref} - set(refs)
    rivals |= context.mirror.refs_with([*keys, *(c.key for c in clients.values())]) - set(refs)
    rivals |= {one.ref for one in _successors(context, refs, records, clients)} - set(refs)
    others = _read_records(context, sorted(rivals))
    clients |= _read_clients(context, list(others), ())
    matching = context.matching
    matching.clients.reread(list(clients.values()))
    matching.unchanged.name([*refs, *rivals], list(clients))
    matching.pairing.find(matching.unchanged.sides())
    return named


def _named(
    context: RunContext,
    targets: Targets,
    refs: Sequence[str],
    records: dict[str, Counterparty],
    clients: dict[str, Client],
    by_tax_id: Sequence[Counterparty],
) -> Named:
    paired = context.matching.remembered.rows_of(refs)
    known = {record.key for record in records.values()} | {c.key for c in clients.values()}
    lost = [ref for ref in refs if ref not in records and ref not in known]
    unknown = [f"code {code}" for code in targets.codes if code not in known]
    unknown += [f"ref {ref}" for ref in lost if paired.get(ref) not in clients]
    tax_ids = {(party.values.get("tax_id") or "").strip() for party in by_tax_id}
    nobody = tuple(f"…{one[-2:]}" for one in targets.tax_ids if one.strip() not in tax_ids)
    if nobody and not by_tax_id and not (targets.codes or targets.refs):
        raise UsageError(
            coded("ZV3510", "nobody in 1C has the tax id that was named"),
            place=f"--tax-id {', '.join(nobody[:10])}",
            remedy=Message("name a client that 1C no longer has by --code or --ref"),
        )
    # The feed also names folders, and what was created and deleted between two messages.
    by_person = context.request.trigger != Trigger.FEED
    if by_person and unknown and not records and len(unknown) == len(targets.codes) + len(refs):
        raise UsageError(
            coded("ZV3510", "neither 1C nor the store knows what was named"),
            place=", ".join(unknown[:10]),
            remedy=Message("copy the Код as 1C shows it, leading zeros too, or name it by --ref"),
        )
    codes = frozenset(targets.codes)
    return Named(
        refs=frozenset(refs),
        keys=codes,
        rows=frozenset(paired.values())
        | {row for row, client in clients.items() if client.key in codes},
        targets=(
            *(f"code {code}" for code in targets.codes),
            *(f"ref {ref}" for ref in targets.refs),
            *(f"tax id of {party.key or party.ref}" for party in by_tax_id),
        ),
        warnings=(
            *(
                Message("neither 1C nor the store knows {one}", one=one)
                for one in (unknown if by_person else ())
            ),
            *(Message("nobody in 1C has the tax id {one}", one=one) for one in nobody),
        ),
    )


def _found(context: RunContext, field: str, values: Sequence[str]) -> list[Counterparty]:
    if field == "code" and len(context.mapping.key) > 1:
        return find_keys(context.source, context.mapping, values)
    return context.source.find(field, list(values)) if values else []


def _read_records(context: RunContext, refs: Sequence[str]) -> dict[str, Counterparty]:
    """Counterparties as 1C has them now; the mirror forgets what 1C does not return."""
    there = context.mirror.refresh(context.source, refs, context.environment.tick)
    context.mirror.forget(sorted(set(refs) - there))
    return context.mirror.counterparties(sorted(there))


def _read_clients(
    context: RunContext, refs: Sequence[str], keys: Collection[str]
) -> dict[str, Client]:
    """Clients the counterparties were last paired with, and those under the keys, by row."""
    rows = context.matching.remembered.rows_of(refs)
    found = context.store.read_rows(list(rows.values())) + context.store.read_keys(sorted(keys))
    return {client.row: client for client in found}


def _keys_of(context: RunContext, refs: Iterable[str]) -> Iterable[str]:
    return refs if context.mapping.key_is_ref else ()


def _successors(
    context: RunContext,
    refs: Sequence[str],
    records: dict[str, Counterparty],
    clients: dict[str, Client],
) -> list[Counterparty]:
    """Find counterparties by the keys of the named ones' rows, where those keys differ.

    The named one is gone and was created again in 1C, or its row belongs to another client now.
    """
    if searched_field(context.mapping) is None:
        return []
    rows = context.matching.remembered.rows_of(refs)
    keys = {
        clients[row].key
        for ref, row in rows.items()
        if row in clients and (ref not in records or clients[row].key != records[ref].key)
    }
    return find_keys(context.source, context.mapping, sorted(keys - {""}))
