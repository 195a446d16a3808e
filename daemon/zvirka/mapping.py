"""How a field is called, where 1C keeps it, and how its two values are compared.

Settings are turned into these once; every other module reads only these.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

import msgspec

from zvirka.domain import Values
from zvirka.identity import canonical_key, canonical_part, joined_key


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
    """A record of an information register that names the object in its property ``object``.

    ``type`` and ``kind`` choose records by Тип and Вид, where the register has them. Of several
    records one with the properties of ``prefer_empty`` empty counts first, the first of them most;
    then, without a ``type``, the one with the lowest value.
    """

    type: str = ""
    kind: str = ""
    value: str = "Представление"
    register: str = "КонтактнаяИнформация"
    object: str = "Объект"
    prefer_empty: tuple[str, ...] = ()


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

    ``key`` is ``("ref",)`` or the names of the mapped fields that are the pairing key together
    (``code`` is one like any other); mostly it is a single one. The order of ``fields`` is the
    order of columns everywhere.
    """

    catalog: str
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ("code",)
    scope: str = ""
    """An OData filter that takes only part of the catalogue; empty for all of it."""
    groups: Literal["without", "with", "only"] = "without"
    """Whether the groups of a hierarchical catalogue are records as well, or nothing else is."""
    slice: bool = False
    """``catalog`` is an information register, and a record what is in force of it on a day. It has
    no Ref_Key, DataVersion or deletion mark: its key identifies it."""
    region: str = "UA"
    """Default region of phone numbers without a country code."""

    @property
    def names(self) -> tuple[str, ...]:
        """Field names in column order."""
        return tuple(field.name for field in self.fields)

    @property
    def key_is_ref(self) -> bool:
        """Whether records are paired by Ref_Key."""
        return self.key == ("ref",)

    @property
    def key_fields(self) -> tuple[Field, ...]:
        """The fields that are the pairing key; none when it is Ref_Key."""
        return () if self.key_is_ref else tuple(map(self.field, self.key))

    @property
    def key_name(self) -> str:
        """The pairing key as a person calls it: ``code``, ``tax_id + branch``."""
        return " + ".join(self.key)

    @property
    def is_pushed(self) -> bool:
        """Whether the push module tells of this catalogue: the key travels in its messages.

        A message names its counterparty by one field, so a key of several never does. The module
        does not send groups.
        """
        if self.slice or self.groups == "only":
            return False
        fields = self.key_fields
        return self.key_is_ref or (len(fields) == 1 and bool(fields[0].payload))

    def key_of(self, ref: str, values: Values) -> str:
        """The pairing key of a record of 1C; '' when it has none."""
        if self.key_is_ref:
            return ref
        if len(self.key) == 1:
            return canonical_key(values[self.key[0]])
        return joined_key(
            [
                canonical_part(values[field.name], is_ref=bool(field.reference))
                for field in self.key_fields
            ]
        )

    def field(self, name: str) -> Field:
        """Return the field of that name; KeyError when the mapping has none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def comparison(self, field: Field) -> Comparison:
        """How two values of the field are compared; the key is always stored trimmed."""
        exact = field.compare is Comparison.EXACT
        return Comparison.TRIMMED if exact and field.name in self.key else field.compare

    def fingerprint(self) -> str:
        """A digest of scope and mapping: what changes it makes the next run careful."""
        content = msgspec.to_builtins(self)
        if len(self.key) == 1:
            content["key"] = self.key[0]
        if self.groups == "without":
            del content["groups"]
        if not self.slice:
            del content["slice"]
        for field in content["fields"]:
            # Newer than version 0.1: unset, they must not change the digest of an older mapping.
            for holder, name in (
                (field, "reference"),
                (field, "values"),
                (field["source"], "prefer_empty"),
            ):
                if not holder.get(name, True):
                    del holder[name]
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
