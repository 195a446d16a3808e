"""When two values of a field count as equal, and the canonical form that decides it.

Canonical forms serve comparison and digests only. What is written to the store is always 1C's own
value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as MappingABC
from functools import lru_cache

import phonenumbers

from zvirka.domain import FieldDifference, Values
from zvirka.identity import trimmed
from zvirka.mapping import Comparison, Mapping

_SPACES = re.compile(r"\s+")
_NOT_DIGITS = re.compile(r"\D+")

ABSENT = "absent"
"""The digest of a side that has nothing."""


def canonical(comparison: Comparison, value: str | None, region: str = "UA") -> str:
    """The form in which two values of a field are equal or not; NULL and '' are one.

    ``phone``: E.164 with an extension after «;ext=», when the number can be read at all, else its
    digits, else its text: two unreadable values still compare.
    """
    if value is None:
        return ""
    if comparison is Comparison.EXACT:
        return value
    text = trimmed(value)
    match comparison:
        case Comparison.CASELESS:
            return _SPACES.sub(" ", text).casefold()
        case Comparison.DIGITS:
            return _NOT_DIGITS.sub("", text) or text.casefold()
        case Comparison.PHONE:
            return _phone(text, region)
        case Comparison.EMAIL:
            return text.casefold()
        case _:
            return text


@lru_cache(maxsize=4096)
def _phone(text: str, region: str) -> str:
    digits = _NOT_DIGITS.sub("", text)
    for readable in (text, digits):
        try:
            number = phonenumbers.parse(readable, region)
        except phonenumbers.NumberParseException:
            continue
        formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return f"{formatted};ext={number.extension}" if number.extension else formatted
    return digits or text.casefold()


def field_differences(
    mapping: Mapping, wanted: Values, found: Values
) -> tuple[FieldDifference, ...]:
    """The fields of ``wanted`` whose values are not equal to those found, in mapping order."""
    differing = []
    for field in mapping.fields:
        if field.name not in wanted:
            continue
        ours, theirs = wanted[field.name], found.get(field.name)
        if ours == theirs:
            continue
        compare = mapping.comparison(field)
        if canonical(compare, ours, mapping.region) != canonical(compare, theirs, mapping.region):
            differing.append(FieldDifference(field.name, ours, theirs))
    return tuple(differing)


def holds(mapping: Mapping, wanted: Values, found: Values) -> bool:
    """Whether ``found`` holds all of ``wanted``; fields that ``wanted`` leaves out do not count.

    This is the only definition of "the row is as 1C wants it". Where the store cuts values,
    ``wanted`` has to be as the store can hold it (:meth:`zvirka.erp.protocol.Store.fitting`).
    """
    return not field_differences(mapping, wanted, found)


def values_digest(mapping: Mapping, values: MappingABC[str, str | None] | None) -> str:
    """A digest of the canonical values of one side; :data:`ABSENT` where there is nothing.

    It does not change when a value is only written differently; if it changed, the side did.
    """
    if values is None:
        return ABSENT
    running = hashlib.sha256()
    for field in mapping.fields:
        text = canonical(mapping.comparison(field), values.get(field.name), mapping.region)
        running.update(text.encode("utf-8", "surrogatepass"))
        running.update(b"\x00")
    return running.hexdigest()[:32]
