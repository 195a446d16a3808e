"""How a field is called, where 1C keeps it, and how its two values are compared.

Settings are turned into these once; every other module reads only these.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

import msgspec


class Comparison(StrEnum):
    """How two values of a field are held to be equal. What is written is always 1C's own."""

    EXACT = "exact"
    TRIMMED = "trimmed"  # the default; NULL equals ''
    CASELESS = "caseless"
    DIGITS = "digits"
    PHONE = "phone"  # E.164
    EMAIL = "email"


class Attribute(msgspec.Struct, frozen=True, tag_field="home", tag="attribute"):
    """A property of the catalogue's own entity, e.g. ``КодПоЕДРПОУ``."""

    name: str
    via: str = ""
    """A reference attribute to go through first, e.g. ``Партнер_Key`` of Catalog_Партнеры."""
    catalog: str = ""
    """The catalogue ``via`` refers to, e.g. ``Партнеры``; empty without ``via``."""


class ContactLine(msgspec.Struct, frozen=True, tag_field="home", tag="contact"):
    """A line of the tabular section КонтактнаяИнформация (of the object, or of ``catalog``).

    ``type`` is Тип ('Телефон', …). ``kind`` is a GUID, a PredefinedDataName or a Description of
    Catalog_ВидыКонтактнойИнформации; empty takes the first line of the type. ``value`` is the
    property that holds the text.
    """

    type: str
    kind: str = ""
    value: str = "Представление"
    section: str = "КонтактнаяИнформация"
    via: str = ""
    catalog: str = ""


class RegisterLine(msgspec.Struct, frozen=True, tag_field="home", tag="register"):
    """A record of an information register of older trade bases (dimensions Объект, Тип, Вид)."""

    type: str
    kind: str = ""
    value: str = "Представление"
    register: str = "КонтактнаяИнформация"
    object: str = "Объект"


FieldSource = Attribute | ContactLine | RegisterLine


class Field(msgspec.Struct, frozen=True):
    """One mapped field: ``name`` is ours (``tax_id``), ``source`` is 1C's, ``compare`` the law."""

    name: str
    source: FieldSource
    compare: Comparison = Comparison.TRIMMED
    payload: str = ""
    """The key of clientData in the webhook («ИНН»); empty means it does not travel there."""
    reference: str = ""
    """The flow that the reference attribute points to; the store holds its primary key."""
    values: tuple[tuple[str, str], ...] = ()
    """1C's values of an enumeration and the store's, in pairs."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """The whole mapping of one configuration.

    ``key`` is ``ref`` or the name of a mapped field (``code`` is one like any other); the order
    of ``fields`` is the order of columns everywhere.
    """

    catalog: str
    fields: tuple[Field, ...]
    key: str = "code"
    scope: str = ""
    """An OData filter that takes only part of the catalogue; empty for all of it."""
    groups: Literal["without", "with", "only"] = "without"
    """Whether the groups of a hierarchical catalogue are records as well, or nothing else is."""
    region: str = "UA"
    """Default region of phone numbers without a country code."""

    @property
    def names(self) -> tuple[str, ...]:
        """Field names in column order."""
        return tuple(field.name for field in self.fields)

    def field(self, name: str) -> Field:
        """Return the field of that name; KeyError when the mapping has none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def comparison(self, field: Field) -> Comparison:
        """How two values of the field are compared; the key is always stored trimmed."""
        exact = field.compare is Comparison.EXACT
        return Comparison.TRIMMED if exact and field.name == self.key else field.compare

    def fingerprint(self) -> str:
        """A digest of scope and mapping: what changes it makes the next run careful."""
        content = msgspec.to_builtins(self)
        if self.groups == "without":
            del content["groups"]
        for field in content["fields"]:
            # Newer than version 0.1: unset, they must not change the digest of an older mapping.
            for name in ("reference", "values"):
                if not field[name]:
                    del field[name]
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
