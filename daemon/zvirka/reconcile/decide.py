"""The decision table: from a pair of sides to a difference. Pure functions over read values.

Every trigger (night, plan, resync, feed, approval) decides here, on pairs that
:mod:`zvirka.reconcile.pairs` has read.
"""

from __future__ import annotations

import msgspec

from zvirka.comparison import field_differences, holds
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
from zvirka.erp.protocol import ClientElsewhere
from zvirka.erp.sharing import kept_elsewhere
from zvirka.mapping import Mapping
from zvirka.message import Message, also, joined
from zvirka.policy import Policy
from zvirka.reconcile.snapshot import Absence, Unproven


class AgreementState(msgspec.Struct, frozen=True):
    """Which sides are as they were when both last agreed on the counterparty."""

    record_same: bool
    client_same: bool


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one counterparty and its client when the decision is made.

    ``record`` is the counterparty and ``client`` the store's row, as both sides answered last,
    ``None`` where a side has nothing. ``fitted`` are the record's values as the store can hold
    them. ``agreement`` is ``None`` when the sides never agreed on it; ``first`` says that they
    never agreed on anything. ``absence`` is 1C's answer about an unpaired client.
    ``refs`` and ``rows`` name all that share the key when they are too many to tell apart;
    ``key_taken`` marks a client whose key 1C has given to a counterparty with another client.
    ``elsewhere`` is the client that another flow of the same table keeps for the counterparty.
    """

    mapping: Mapping
    key: str
    ref: str = ""
    record: Counterparty | None = None
    client: Client | None = None
    fitted: Values = {}
    agreement: AgreementState | None = None
    first: bool = False
    absence: Absence | Unproven | None = None
    refs: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    key_taken: bool = False
    elsewhere: ClientElsewhere | None = None


def decide(pair: Pair, policy: Policy) -> Difference | None:
    """The difference between the two sides of a pair, or ``None`` when they agree."""
    record, client = pair.record, pair.client
    marked = record is not None and record.deletion_mark and policy.deletes_marked
    wanted = None if marked else record
    existing = client if client is not None and client.active else None

    if len(pair.refs) > 1 or len(pair.rows) > 1 or pair.key_taken:
        # the key does not say which record belongs to which client
        return _duplicate(pair)
    if wanted and not wanted.key and (not client or client.key):
        # nothing to find or to store it by; a client keeps the key it has
        return _keyless(pair, wanted.values, Message("1C"))
    if wanted and not existing and pair.elsewhere and policy.shared == "first":
        # the base of another flow knows the counterparty as well, and had it created first
        return _linked(pair, wanted, pair.elsewhere)
    if wanted and not client:
        # never reached the store, or was removed from it
        return _missing(pair, wanted)
    if wanted and client and not client.active:
        # was deactivated in the store, or is wanted again in 1C
        return _inactive(pair, wanted, client)
    if wanted and client:
        return None if _in_step(pair, wanted, client) else _different(pair, wanted, client)
    if not existing:
        # neither side has it
        return None
    if marked:
        return _extra(pair, existing, Cause.MISSED_DELETE, Message("marked for deletion in 1C"))
    if not existing.key:
        return _keyless(pair, existing.values, Message("the store"))
    if isinstance(pair.absence, Absence):
        # was deleted in 1C, or never was there
        note = Message("1C was asked for {what}: not there", what=pair.absence.asked_for)
        return _extra(pair, existing, _cause_of_absence(pair), note)
    if isinstance(pair.absence, Unproven):
        # looks absent, and must not be deleted on that
        return msgspec.structs.replace(
            _extra(pair, existing, _cause_of_absence(pair), pair.absence.reason),
            disposition=Disposition.HELD if pair.absence.postponed else Disposition.REPORTED,
        )
    return None


def moved_under(
    mapping: Mapping, gone: Difference, fresh: Difference, policy: Policy
) -> Difference:
    """A delete and a create that share the tax id, as one client under a new key."""
    found = {field.field: field.found for field in gone.fields}
    wanted = {field.field: field.wanted for field in fresh.fields}
    apply = policy.rekey == "apply"
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
        note=joined(
            [
                Message("the same tax id under another key"),
                Message("the client had key {key}", key=gone.key or gone.ref),
                *([] if apply else [Message('policy.rekey = "apply" makes zvirka move it')]),
            ]
        ),
    )


# -- causes ---------------------------------------------------------------------------------------


def _cause_of_missing(pair: Pair) -> Cause:
    if pair.agreement is not None:
        return Cause.ERP_EDIT
    return Cause.UNKNOWN if pair.first else Cause.MISSED_CREATE


def _cause_of_inactive(pair: Pair) -> Cause:
    if pair.agreement is None:
        return Cause.UNKNOWN
    return Cause.ERP_EDIT if pair.agreement.record_same else Cause.MISSED_UPDATE


def _cause_of_change(pair: Pair) -> Cause:
    match pair.agreement:
        case AgreementState(record_same=True, client_same=False):
            return Cause.ERP_EDIT
        case AgreementState(record_same=False, client_same=True):
            return Cause.MISSED_UPDATE
        case AgreementState(record_same=False, client_same=False):
            return Cause.CONFLICT
    return Cause.UNKNOWN


def _cause_of_absence(pair: Pair) -> Cause:
    return Cause.UNKNOWN if pair.agreement is None else Cause.MISSED_DELETE


# -- differences ----------------------------------------------------------------------------------


def _missing(pair: Pair, wanted: Counterparty) -> Difference:
    return Difference(
        number=0,
        kind=Kind.MISSING,
        cause=_cause_of_missing(pair),
        key=wanted.key,
        ref=wanted.ref,
        name=name_of(wanted.values),
        fields=tuple(
            FieldDifference(field.name, wanted.values.get(field.name), None)
            for field in pair.mapping.fields
        ),
        action=Action.CREATE,
        note=_note_of_missing(pair),
    )


def _note_of_missing(pair: Pair) -> str:
    note = Message("the client was removed from the store") if pair.agreement is not None else ""
    return also(note, kept_elsewhere(pair.elsewhere)) if pair.elsewhere is not None else note


def _linked(pair: Pair, wanted: Counterparty, elsewhere: ClientElsewhere) -> Difference:
    return Difference(
        number=0,
        kind=Kind.MISSING,
        cause=Cause.SHARED,
        key=wanted.key,
        ref=pair.ref,
        name=name_of(wanted.values),
        row=elsewhere.row,
        disposition=Disposition.LINKED,
        note=kept_elsewhere(elsewhere),
    )


def _inactive(pair: Pair, wanted: Counterparty, client: Client) -> Difference:
    return Difference(
        number=0,
        kind=Kind.INACTIVE,
        cause=_cause_of_inactive(pair),
        key=wanted.key,
        ref=wanted.ref,
        name=name_of(wanted.values),
        row=client.row,
        fields=_differing(pair, wanted, client),
        action=Action.RESTORE,
    )


def _in_step(pair: Pair, wanted: Counterparty, client: Client) -> bool:
    """Whether an active client is the record's, under its key, with its values."""
    return (
        client.key == wanted.key
        and client.ref in {None, wanted.ref}
        and holds(pair.mapping, pair.fitted, client.values)
    )


def _differing(pair: Pair, wanted: Counterparty, client: Client) -> tuple[FieldDifference, ...]:
    """The fields the client should hold otherwise; a value the store has cut is no difference."""
    return tuple(
        msgspec.structs.replace(one, wanted=wanted.values.get(one.field))
        for one in field_differences(pair.mapping, pair.fitted, client.values)
    )


def _different(pair: Pair, wanted: Counterparty, client: Client) -> Difference:
    fields = _differing(pair, wanted, client)
    another_key = wanted.key != client.key
    another_ref = client.ref not in {None, wanted.ref}
    if not fields and another_key and not pair.mapping.key_is_ref:
        fields = (FieldDifference(pair.mapping.key_name, wanted.key, client.key),)
    note = ""
    if another_ref:
        note = Message("the record was re-created in 1C: same key, another Ref_Key")
    elif another_key:
        note = Message("the key changed in 1C: one client under a new key")
    return Difference(
        number=0,
        kind=Kind.REKEYED if another_key or another_ref else Kind.DIFFERENT,
        cause=_cause_of_change(pair),
        key=wanted.key,
        ref=wanted.ref,
        name=name_of(wanted.values),
        row=client.row,
        fields=fields,
        action=Action.UPDATE,
        note=note,
    )


def _extra(pair: Pair, client: Client, cause: Cause, note: str) -> Difference:
    return Difference(
        number=0,
        kind=Kind.EXTRA,
        cause=cause,
        key=pair.key,
        ref=pair.ref,
        name=name_of(client.values),
        row=client.row,
        fields=tuple(
            FieldDifference(field.name, None, client.values.get(field.name))
            for field in pair.mapping.fields
            if client.values.get(field.name)
        ),
        action=Action.DELETE,
        note=note,
    )


def _duplicate(pair: Pair) -> Difference:
    side = pair.record or pair.client
    return Difference(
        number=0,
        kind=Kind.DUPLICATE,
        cause=Cause.DUPLICATE,
        key=pair.key,
        ref=pair.ref,
        name=name_of(side.values) if side is not None else "",
        rows=pair.rows,
        disposition=Disposition.REPORTED,
        note=Message(
            "the key stands {count} times in 1C: {refs}", count=len(pair.refs), refs=pair.refs
        )
        if len(pair.refs) > 1
        else Message("the key stands more than once in the store"),
    )


def _keyless(pair: Pair, values: Values, side: Message) -> Difference:
    return Difference(
        number=0,
        kind=Kind.KEYLESS,
        cause=Cause.UNKNOWN,
        key="",
        ref=pair.ref,
        name=name_of(values),
        row=pair.client.row if pair.client is not None else "",
        disposition=Disposition.REPORTED,
        note=Message("the pairing key is empty in {where}", where=side),
    )


def name_of(values: Values) -> str:
    """What a person calls the counterparty."""
    return (values.get("name") or values.get("full_name") or "").strip()
