"""A targeted resync: only the named counterparties are asked for, compared and corrected.

It can never delete outside its targets: a delete needs 1C's own answer for that very key.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from zvirka.domain import Action, Client, Counterparty, Difference
from zvirka.errors import UsageError
from zvirka.mapping import Attribute
from zvirka.reconcile import decide
from zvirka.reconcile.absence import absent_by_key
from zvirka.reconcile.evidence import Evidence
from zvirka.reconcile.request import Targets
from zvirka.reconcile.run_context import RunContext
from zvirka.reconcile.snapshot import Absence
from zvirka.reconcile.suppressing import as_it_stands
from zvirka.staging.candidates import Candidate


def check_targets(context: RunContext, targets: Targets) -> None:
    """Refuse targets that cannot be looked up.

    Raises:
        UsageError: none at all, a Ref_Key that is none, or a field 1C cannot search.
    """
    if not (targets.codes or targets.refs or targets.tax_ids):
        raise UsageError(
            "nothing to resync was named",
            place="resync",
            remedy="name counterparties with --code, --ref or --tax-id, or say --all",
        )
    for ref in targets.refs:
        try:
            UUID(ref)
        except ValueError:
            raise UsageError(
                "a Ref_Key is not a GUID", place=f"--ref {ref}", remedy="copy it from a report"
            ) from None
    for option, field, values in (
        ("--code", "code", targets.codes),
        ("--tax-id", "tax_id", targets.tax_ids),
    ):
        if values and not _searchable(context, field):
            raise UsageError(
                f"1C cannot be searched by {field} in this mapping",
                place=option,
                remedy="name counterparties by --ref",
            )


def _searchable(context: RunContext, field: str) -> bool:
    if field not in context.mapping.names:
        return False
    home = context.mapping.field(field).source
    return isinstance(home, Attribute) and not home.via


def resync(context: RunContext, targets: Targets) -> None:
    """Compare the targets and record their differences.

    Raises:
        UsageError: the targets cannot be looked up.
        SourceError: 1C does not answer.
        StoreError: the store cannot be read.
    """
    check_targets(context, targets)
    found = [*_found(context, "code", targets.codes), *_found(context, "tax_id", targets.tax_ids)]
    refs = list(dict.fromkeys([*(str(UUID(ref)) for ref in targets.refs), *(p.ref for p in found)]))
    there = context.mirror.refresh(context.source, refs, context.environment.tick)
    parties = context.mirror.counterparties(sorted(there))
    context.facts.targets = [
        *(f"code {code}" for code in targets.codes),
        *(f"ref {ref}" for ref in targets.refs),
        *(
            f"tax id of {party.key or party.ref}"
            for party in _found(context, "tax_id", targets.tax_ids)
        ),
    ]
    context.asked = {*refs, *targets.codes, *(party.key for party in parties.values())}
    gone = [ref for ref in refs if ref not in there]
    differences = [
        *_of_parties(context, list(parties.values())),
        *_of_absent_refs(context, gone),
        *_of_absent_codes(context, targets, {party.key for party in parties.values()}),
    ]
    _tell_unknown(context, targets, refs, parties)
    numbered = [decide.numbered(one, number) for number, one in enumerate(differences, start=1)]
    for difference in numbered:
        context.plan(difference)
    context.environment.journal.add_differences(context.run, Evidence.of(context).explain(numbered))


def _tell_unknown(
    context: RunContext, targets: Targets, refs: Sequence[str], parties: dict[str, Counterparty]
) -> None:
    """Say of each target that neither side knows it; a request for nothing else is a mistake.

    Raises:
        UsageError: no target is known to either side.
    """
    known = {party.key for party in parties.values()}
    known |= {client.key for client in context.store.read_keys(list(targets.codes))}
    remembered = context.matching.pairing.remembered_rows(refs)
    unknown = [f"code {code}" for code in targets.codes if code not in known]
    unknown += [f"ref {ref}" for ref in refs if ref not in parties and ref not in remembered]
    if unknown and not parties and len(unknown) == len(targets.codes) + len(refs):
        raise UsageError(
            "neither 1C nor the store knows what was named",
            place=", ".join(unknown[:10]),
            remedy="copy the Код as 1C shows it, leading zeros too, or name it by --ref",
        )
    context.facts.warnings += [f"neither 1C nor the store knows {one}" for one in unknown]


def _found(context: RunContext, field: str, values: Sequence[str]) -> list[Counterparty]:
    return context.source.find(field, list(values)) if values else []


def _of_parties(context: RunContext, parties: Sequence[Counterparty]) -> list[Difference]:
    remembered = context.matching.pairing.remembered_rows([party.ref for party in parties])
    by_row = {client.row: client for client in context.store.read_rows(list(remembered.values()))}
    by_key: dict[str, list[Client]] = {}
    held_by_key = context.store.read_keys([party.key for party in parties if party.key])
    owners = context.matching.pairing.remembered_refs([client.row for client in held_by_key])
    for client in held_by_key:
        by_key.setdefault(client.key, []).append(client)
    agreed = context.matching.agreed(
        [(ref, by_row[row]) for ref, row in remembered.items() if row in by_row]
    )
    differences = []
    for party in parties:
        paired = by_row.get(remembered.get(party.ref, ""))
        held = (
            [paired]
            if paired is not None
            else [
                client
                for client in by_key.get(party.key, [])
                if not _is_anothers(context, party, client.ref or owners.get(client.row))
            ]
        )
        difference = _compare(context, party, held, agreed.get(party.ref, (None, None)))
        if difference is not None:
            wanted = None if difference.action is Action.DELETE else party.values
            found = next((client.values for client in held if client.active), None)
            differences.append(as_it_stands(context, difference, wanted, found))
    return differences


def _is_anothers(context: RunContext, party: Counterparty, owner: str | None) -> bool:
    """Whether a client with the party's key is that of a counterparty 1C has under a new key."""
    return owner not in {None, "", party.ref} and context.source.exists(str(owner))


def _compare(
    context: RunContext,
    party: Counterparty,
    held: Sequence[Client],
    agreed: tuple[bool | None, bool | None],
) -> Difference | None:
    pair = Candidate("different", party.ref, "", party.key, *agreed)
    if not party.key and not held:
        candidate = Candidate("keyless_1c", party.ref, "", "", None, None)
        return decide.keyless(candidate, party.values)
    active = [client for client in held if client.active]
    if len(active) > 1 or (not active and len(held) > 1):
        rows = tuple(client.row for client in held)
        candidate = Candidate("duplicate_store", party.ref, "", party.key, None, None, rows=rows)
        return decide.duplicate(candidate, list(held), [party])
    client = active[0] if active else held[0] if held else None
    if context.marks_count and party.deletion_mark:
        alive = client is not None and client.active
        return decide.marked(context.mapping, party, client) if alive and client else None
    if client is None:
        return decide.missing(context.mapping, party, None, first=False)
    if not client.active:
        return decide.inactive(context.mapping, party, client, pair)
    return decide.different_as_stored(context.mapping, context.store.fitting, party, client, pair)


def _of_absent_refs(context: RunContext, refs: Sequence[str]) -> list[Difference]:
    """Named Ref_Keys 1C did not return: gone only when it says so for each."""
    remembered = context.matching.pairing.remembered_rows(refs)
    by_row = {client.row: client for client in context.store.read_rows(list(remembered.values()))}
    keyed = {
        client.key: client
        for client in (context.store.read_keys(list(refs)) if context.mapping.key == "ref" else [])
    }
    differences = []
    for ref in refs:
        client = by_row.get(remembered.get(ref, "")) or keyed.get(ref)
        if client is None or not client.active or context.source.exists(ref):
            continue
        proof = Absence(ref, client.key, f"Ref_Key {ref}")
        differences.append(
            as_it_stands(
                context,
                decide.absent(context.mapping, client, proof, agreed=True, ref=ref, note=""),
                None,
                client.values,
            )
        )
    return differences


def _of_absent_codes(context: RunContext, targets: Targets, there: set[str]) -> list[Difference]:
    """Named codes no counterparty has: their clients are gone from 1C when it says so."""
    if context.mapping.key != "code":
        return []
    codes = [code for code in targets.codes if code not in there]
    differences = []
    for client in context.store.read_keys(codes):
        if not client.active:
            continue
        proof = absent_by_key(context.source, context.mapping, client.key)
        if isinstance(proof, str):
            context.facts.warnings.append(f"code {client.key}: {proof}")
            continue
        differences.append(
            decide.absent(
                context.mapping, client, proof, agreed=True, ref=client.ref or "", note=""
            )
        )
    return differences
