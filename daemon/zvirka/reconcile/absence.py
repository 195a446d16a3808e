"""Proof that a counterparty is gone: a complete snapshot without it, then 1C's own answer."""

from __future__ import annotations

from zvirka.mapping import Attribute, Mapping
from zvirka.onec.protocol import Source
from zvirka.reconcile.snapshot import Absence, CompleteSnapshot

STILL_THERE = "1C still has it, out of scope or turned into a group: left alone"
CANNOT_ASK = "1C cannot be asked for this key, so its absence is not proven: left alone"


def absence_of(
    source: Source, mapping: Mapping, snapshot: CompleteSnapshot, *, ref: str, key: str
) -> Absence | str:
    """Ask 1C for this very counterparty; the proof, or the sentence why there is none.

    By Ref_Key where it is known; else by key, where the key is an attribute of the object. The
    type of ``snapshot`` is the point: a partial one cannot be passed.

    Raises:
        SourceError: 1C does not answer. A question without an answer proves nothing.
    """
    assert isinstance(snapshot, CompleteSnapshot)
    if ref:
        return STILL_THERE if source.exists(ref) else Absence(ref, key, f"Ref_Key {ref}")
    return absent_by_key(source, mapping, key)


def absent_by_key(source: Source, mapping: Mapping, key: str) -> Absence | str:
    """Ask 1C whether any counterparty has this key."""
    if mapping.key == "ref":
        try:
            return STILL_THERE if source.exists(key) else Absence(key, key, f"Ref_Key {key}")
        except ValueError:
            return CANNOT_ASK
    home = mapping.field(mapping.key).source
    if not isinstance(home, Attribute) or home.via:
        return CANNOT_ASK
    found = source.find(mapping.key, [key])
    return STILL_THERE if found else Absence("", key, f"{home.name} {key}")
