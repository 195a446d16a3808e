"""Does the mapping fit the schema: which entities it needs, and which of its names are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from zvirka.mapping import Attribute, ContactLine, Field, Mapping, RegisterLine
from zvirka.message import Message
from zvirka.onec.decoding import GUID_PATTERN
from zvirka.onec.schema import Entity, Schema, near

KINDS = "Catalog_ВидыКонтактнойИнформации"
_LINES = "_RecordType"
_GUID = re.compile(GUID_PATTERN)
_TAX_IDS = ("КодПоЕДРПОУ", "ИНН", "КодПоОКПО", "НалоговыйНомер", "ИННПлательщикаНДС")
"""Where configurations keep the tax id: names that do not resemble each other, but mean it."""


class Missing(msgspec.Struct, frozen=True):
    """A name that the schema does not have.

    ``entity`` is where it was looked for; ``name`` is empty when the entity itself is missing.
    ``near`` are names that resemble it, ``field`` is the mapped field, empty for the catalogue.
    """

    field: str
    entity: str
    name: str = ""
    near: tuple[str, ...] = ()

    @property
    def text(self) -> Message:
        """What is missing, as a sentence."""
        if not self.name:
            return Message("{entity} is not in the OData composition", entity=self.entity)
        return Message("{entity} has no property {name}", entity=self.entity, name=self.name)


def catalog_entity(mapping: Mapping, name: str = "") -> str:
    """The entity of the mapping's catalogue or register, or of another catalogue."""
    if mapping.slice and not name:
        return f"InformationRegister_{mapping.catalog}"
    return f"Catalog_{name or mapping.catalog}"


def record_entity(schema: Schema, mapping: Mapping) -> Entity | None:
    """The type of the mapping's records.

    Records of a register that documents write have a type beside the one of the whole set.
    """
    name = catalog_entity(mapping)
    lines = schema.entity(f"{name}{_LINES}") if mapping.slice else None
    return lines or schema.entity(name)


def section_entity(mapping: Mapping, source: ContactLine) -> str:
    """The entity of a contact line's tabular section."""
    return f"{catalog_entity(mapping, source.catalog)}_{source.section}"


def register_entity(source: RegisterLine) -> str:
    """The entity of an information register."""
    return f"InformationRegister_{source.register}"


def is_guid(text: str) -> bool:
    """Whether a kind is given by its Ref_Key."""
    return bool(_GUID.match(text))


def kind_property(entity: Entity) -> str:
    """The property that holds the kind of a line: a reference, or a composite of older bases."""
    return "Вид_Key" if entity.has("Вид_Key") else "Вид"


def object_property(entity: Entity, source: RegisterLine) -> str:
    """The dimension that holds the owner: a reference, or a composite of older bases."""
    key = f"{source.object}_Key"
    return key if entity.has(key) else source.object


def asked_of(mapping: Mapping) -> frozenset[str]:
    """Names of the entity types that the mapping may need."""
    names = {catalog_entity(mapping)}
    if mapping.slice:
        names.add(f"{catalog_entity(mapping)}{_LINES}")
    for field in mapping.fields:
        source = field.source
        if isinstance(source, RegisterLine):
            names.add(register_entity(source))
        else:
            names.add(catalog_entity(mapping, source.catalog))
        if isinstance(source, ContactLine):
            names.add(section_entity(mapping, source))
        if needs_kinds(field):
            names.add(KINDS)
    return frozenset(names)


def needs_kinds(field: Field) -> bool:
    """Whether the field names a kind that has to be looked up."""
    kind = getattr(field.source, "kind", "")
    return bool(kind) and not is_guid(kind)


def missing_in(schema: Schema, mapping: Mapping, all_names: tuple[str, ...] = ()) -> list[Missing]:
    """Every name of the mapping that the schema lacks, with near ones.

    Args:
        schema: the schema of :func:`asked_of`.
        mapping: what is looked for.
        all_names: every entity type of the publication, when known, for proposals.
    """
    found: list[Missing] = []
    catalogue = catalog_entity(mapping)
    if schema.entity(catalogue) is None:
        return [Missing("", catalogue, near=tuple(near(catalogue, all_names)))]
    for field in mapping.fields:
        for entity, name in _needed(schema, mapping, field):
            own = entity == catalogue
            holder = record_entity(schema, mapping) if own else schema.entity(entity)
            if holder is None:
                found.append(Missing(field.name, entity, near=tuple(near(entity, all_names))))
                break
            if name and not holder.has(name):
                proposals = tuple(_near_properties(name, holder))
                found.append(Missing(field.name, entity, name, proposals))
    return found


def _near_properties(name: str, entity: Entity) -> list[str]:
    """Names alike, and those that other configurations use for the same."""
    alike = near(name, entity.properties)
    if name in _TAX_IDS or any(one in _TAX_IDS for one in alike):
        alike += [one for one in _TAX_IDS if entity.has(one) and one not in alike]
    return alike


def _needed(schema: Schema, mapping: Mapping, field: Field) -> Iterator[tuple[str, str]]:
    """Pairs of entity and property that a field needs; an empty property means the entity."""
    source = field.source
    if not isinstance(source, RegisterLine) and source.via:
        yield catalog_entity(mapping), source.via
    if isinstance(source, Attribute):
        yield catalog_entity(mapping, source.catalog), source.name
        return
    if isinstance(source, ContactLine):
        entity = section_entity(mapping, source)
    else:
        entity = register_entity(source)
    if source.type:
        yield entity, "Тип"
    yield entity, source.value
    holder = schema.entity(entity)
    if holder is None:
        return
    if source.kind:
        yield entity, kind_property(holder)
    if isinstance(source, RegisterLine):
        yield entity, object_property(holder, source)
        yield from ((entity, name) for name in source.prefer_empty)
    if needs_kinds(field) and isinstance(source, ContactLine):
        yield KINDS, "Ref_Key"
