"""Asks 1C for records by their pairing key."""

from __future__ import annotations

from collections.abc import Iterable

from zvirka.domain import Counterparty
from zvirka.identity import key_parts
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.onec.mapping_fit import is_guid
from zvirka.onec.protocol import Source


def searched_field(mapping: Mapping) -> Field | None:
    """The field of the key by which 1C can be searched; ``None`` if it has no such field."""
    return next((field for field in mapping.key_fields if is_searchable(field)), None)


def is_searchable(field: Field) -> bool:
    """Whether 1C can be searched by a field: it is an attribute of the object itself."""
    return isinstance(field.source, Attribute) and not field.source.via


def can_be_asked(mapping: Mapping, key: str) -> bool:
    """Whether 1C can be asked for this key: not for a reference to a row that is not of 1C."""
    field = searched_field(mapping)
    if field is None or len(mapping.key) == 1:
        return field is not None
    parts = key_parts(key, len(mapping.key))
    if parts is None:
        return False
    return not field.reference or is_guid(parts[mapping.key.index(field.name)])


def find_keys(source: Source, mapping: Mapping, keys: Iterable[str]) -> list[Counterparty]:
    """Records of 1C with one of these pairing keys.

    1C is asked for one part of a composite key; the others are compared here.

    Raises:
        SourceError: 1C cannot be read, or not searched by the key.
    """
    field = searched_field(mapping)
    name = mapping.key[0] if field is None else field.name
    wanted = dict.fromkeys(keys)
    if len(mapping.key) == 1:
        return source.find(name, list(wanted)) if wanted else []
    split = [key_parts(key, len(mapping.key)) for key in wanted]
    number = mapping.key.index(name)
    values = dict.fromkeys(parts[number] for parts in split if parts is not None)
    if field is not None and field.reference:  # a row without a Ref_Key is not of 1C
        values = {value: None for value in values if is_guid(value)}
    found = source.find(name, list(values)) if values else []
    return [record for record in found if record.key in wanted]
