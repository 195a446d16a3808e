"""Proof that a counterparty is gone: 1C's own answer for its Ref_Keys and for its key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from zvirka.mapping import Mapping
from zvirka.message import Message
from zvirka.onec.protocol import Source
from zvirka.reconcile.key_search import find_keys, searched_field
from zvirka.reconcile.run_conditions import in_words
from zvirka.reconcile.snapshot import Absence, AbsenceBasis, CompleteSnapshot, Unproven

STILL_THERE = Message("1C still has it, out of scope or turned into a group: left alone")
KEY_IN_USE = Message("1C has this key under another Ref_Key: left alone")
CANNOT_ASK = Message("1C cannot be asked for this key, so its absence is not proven: left alone")


def absence_of(
    source: Source,
    mapping: Mapping,
    basis: AbsenceBasis,
    *,
    refs: Sequence[str],
    key: str,
    namesakes: Collection[str],
    has_client: Callable[[str], bool],
) -> Absence | Unproven:
    """Ask 1C for every Ref_Key the client was ever paired with, and for its key.

    A key that cannot be searched for is absent if a complete snapshot does not have it. The type
    of ``basis`` excludes a partial snapshot.

    Args:
        source: 1C.
        mapping: which field the key is.
        basis: how 1C was read in this run.
        refs: all Ref_Keys the client is known by; none when it was never paired.
        key: the client's pairing key.
        namesakes: all Ref_Keys the mirror has under the key. 1C does not find a Код with blanks
            around it by the key.
        has_client: whether the counterparty of a Ref_Key has another client. Its key then says
            nothing about this one.

    Raises:
        SourceError: 1C does not answer. A question without an answer proves nothing.
    """
    if mapping.slice:  # the key is all that identifies a record
        refs, namesakes = (), ()
    if mapping.key_is_ref:
        refs = list(dict.fromkeys([*refs, key]))
    try:
        if any(source.exists(ref) for ref in refs):
            return Unproven(STILL_THERE)
    except ValueError:
        return Unproven(CANNOT_ASK)
    asked = [f"Ref_Key {ref}" for ref in refs]
    if not mapping.key_is_ref:
        if any(not has_client(ref) and source.exists(ref) for ref in namesakes):
            return Unproven(KEY_IN_USE if refs else STILL_THERE)
        if (field := searched_field(mapping)) is not None:
            found = find_keys(source, mapping, [key])
            if any(not has_client(one.ref) for one in found):
                return Unproven(KEY_IN_USE if refs else STILL_THERE)
            asked.append(f"{in_words(field.source)} {key}")
        elif not refs or not isinstance(basis, CompleteSnapshot):
            return Unproven(CANNOT_ASK)
    return Absence(", ".join(asked))
