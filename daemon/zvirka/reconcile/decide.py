"""From a pair of sides to a difference: pure functions, no 1C, no store, no journal.

The truth table, with ``W`` what 1C wants (a marked counterparty wants a delete under the policies
delete and deactivate) and ``C`` the client:

====================  ==================  =========  =======================================
W                     C                   action     cause, by the last agreement
====================  ==================  =========  =======================================
there                 none                create     missed create; ERP edit when once agreed
there                 active, differs     update     1C moved: missed update; the ERP moved:
                                                     ERP edit; both moved: conflict
there                 inactive            restore    ERP edit when 1C did not move
marked                active              delete     missed delete
absent, proven        active              delete     missed delete when once agreed
====================  ==================  =========  =======================================

Without a last agreement the cause is unknown, except that a counterparty nobody ever agreed on
and the store does not have is a missed create once there was a first agreement at all.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from zvirka.comparison import field_differences
from zvirka.domain import (
    Action,
    Cause,
    Client,
    Counterparty,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Values,
)
from zvirka.mapping import Mapping
from zvirka.reconcile.snapshot import Absence
from zvirka.staging.candidates import Candidate


def missing(
    mapping: Mapping, wanted: Counterparty, candidate: Candidate | None, *, first: bool
) -> Difference:
    """1C has it, the store does not; ``first`` says that nothing was ever agreed on at all."""
    agreed = candidate is not None and candidate.agreed_wanted is not None
    return Difference(
        number=0,
        kind=Kind.MISSING,
        cause=Cause.ERP_EDIT if agreed else Cause.UNKNOWN if first else Cause.MISSED_CREATE,
        key=wanted.key,
        ref=wanted.ref,
        name=name_of(wanted.values),
        fields=tuple(
            FieldDifference(field.name, wanted.values.get(field.name), None)
            for field in mapping.fields
        ),
        action=Action.CREATE,
        note="the client was removed from the store" if agreed else "",
    )


def different(
    mapping: Mapping, wanted: Counterparty, client: Client, candidate: Candidate | None
) -> Difference | None:
    """Both are there and active; ``None`` when they are equal after all."""
    fields = field_differences(mapping, wanted.values, client.values)
    rekeyed = wanted.key != client.key or (client.ref is not None and client.ref != wanted.ref)
    if not fields and not rekeyed:
        return None
    if not fields and mapping.key != "ref" and wanted.key != client.key:
        fields = (FieldDifference(mapping.key, wanted.key, client.key),)
    note = ""
    if client.ref is not None and client.ref != wanted.ref:
        note = "the counterparty was created anew in 1C: same key, another Ref_Key"
    elif rekeyed:
        note = "the key changed in 1C: one client under a new key"
    return Difference(
        number=0,
        kind=Kind.REKEYED if rekeyed else Kind.DIFFERENT,
        cause=_moved(candidate),
        key=wanted.key,
        ref=wanted.ref,
        name=name_of(wanted.values),
        row=client.row,
        fields=fields,
        action=Action.UPDATE,
        note=note,
    )


def different_as_stored(
    mapping: Mapping,
    fitting: Callable[[Values], dict[str, str | None]],
    wanted: Counterparty,
    client: Client,
    candidate: Candidate | None,
) -> Difference | None:
    """:func:`different`, but a value the store could only hold cut is no difference."""
    as_stored = msgspec.structs.replace(wanted, values=fitting(wanted.values))
    if different(mapping, as_stored, client, candidate) is None:
        return None
    return different(mapping, wanted, client, candidate)


def inactive(
    mapping: Mapping, wanted: Counterparty, client: Client, candidate: Candidate | None
) -> Difference:
    """1C has it, the store has it soft-deleted."""
    agreed = candidate.agreed_wanted if candidate is not None else None
    return Difference(
        number=0,
        kind=Kind.INACTIVE,
        cause=Cause.UNKNOWN
        if agreed is None
        else Cause.ERP_EDIT
        if agreed
        else Cause.MISSED_UPDATE,
        key=wanted.key,
        ref=wanted.ref,
        name=name_of(wanted.values),
        row=client.row,
        fields=field_differences(mapping, wanted.values, client.values),
        action=Action.RESTORE,
    )


def marked(mapping: Mapping, wanted: Counterparty, client: Client) -> Difference:
    """1C has it with a deletion mark, and the policy says that means a delete."""
    return Difference(
        number=0,
        kind=Kind.EXTRA,
        cause=Cause.MISSED_DELETE,
        key=wanted.key,
        ref=wanted.ref,
        name=name_of(client.values),
        row=client.row,
        fields=_held(mapping, client),
        action=Action.DELETE,
        note="marked for deletion in 1C",
    )


def absent(
    mapping: Mapping, client: Client, absence: Absence | None, *, agreed: bool, ref: str, note: str
) -> Difference:
    """The store has it, the snapshot does not. Only a proven absence leads to a delete."""
    return Difference(
        number=0,
        kind=Kind.EXTRA,
        cause=Cause.MISSED_DELETE if agreed else Cause.UNKNOWN,
        key=client.key,
        ref=ref,
        name=name_of(client.values),
        row=client.row,
        fields=_held(mapping, client),
        action=Action.DELETE,
        disposition=Disposition.CORRECT if absence is not None else Disposition.REPORTED,
        note=f"1C was asked for {absence.asked_for}: not there" if absence is not None else note,
    )


def moved_under(
    mapping: Mapping, gone: Difference, fresh: Difference, *, apply: bool
) -> Difference:
    """A delete and a create that share the tax id: one client under a new key."""
    found = {field.field: field.found for field in gone.fields}
    wanted = {field.field: field.wanted for field in fresh.fields}
    return Difference(
        number=0,
        kind=Kind.REKEYED,
        cause=gone.cause if gone.cause is not Cause.UNKNOWN else fresh.cause,
        key=fresh.key,
        ref=fresh.ref,
        name=fresh.name,
        row=gone.row,
        fields=field_differences(mapping, wanted, found),
        action=Action.UPDATE,
        disposition=Disposition.CORRECT if apply else Disposition.REPORTED,
        note=f"the same tax id under another key; the client had key {gone.key or gone.ref}"
        + ("" if apply else '; policy.rekey = "apply" makes zvirka move it'),
    )


def duplicate(
    candidate: Candidate, clients: list[Client], parties: list[Counterparty]
) -> Difference:
    """A key that stands more than once on a side; nothing is guessed."""
    in_1c = candidate.what == "duplicate_1c"
    names = [*(party.values for party in parties), *(client.values for client in clients)]
    side = (
        f"the key stands {len(candidate.refs)} times in 1C: " + ", ".join(candidate.refs)
        if in_1c
        else "the key stands more than once in the store"
    )
    return Difference(
        number=0,
        kind=Kind.DUPLICATE,
        cause=Cause.DUPLICATE,
        key=candidate.key,
        ref=candidate.ref,
        name=name_of(names[0]) if names else "",
        rows=candidate.rows,
        disposition=Disposition.REPORTED,
        note=side,
    )


def keyless(candidate: Candidate, values: dict[str, str | None]) -> Difference:
    """Nothing to pair by."""
    where = "1C" if candidate.what == "keyless_1c" else "the store"
    return Difference(
        number=0,
        kind=Kind.KEYLESS,
        cause=Cause.UNKNOWN,
        key="",
        ref=candidate.ref,
        name=name_of(values),
        row=candidate.row,
        disposition=Disposition.REPORTED,
        note=f"the pairing key is empty in {where}",
    )


def numbered(difference: Difference, number: int) -> Difference:
    """The difference under its number within the run."""
    return msgspec.structs.replace(difference, number=number)


def name_of(values: dict[str, str | None]) -> str:
    """What a person calls the counterparty."""
    return (values.get("name") or values.get("full_name") or "").strip()


def _held(mapping: Mapping, client: Client) -> tuple[FieldDifference, ...]:
    return tuple(
        FieldDifference(field.name, None, client.values.get(field.name))
        for field in mapping.fields
        if client.values.get(field.name)
    )


def _moved(candidate: Candidate | None) -> Cause:
    if candidate is None or candidate.agreed_wanted is None:
        return Cause.UNKNOWN
    if candidate.agreed_wanted:
        return Cause.UNKNOWN if candidate.agreed_client else Cause.ERP_EDIT
    return Cause.MISSED_UPDATE if candidate.agreed_client else Cause.CONFLICT
