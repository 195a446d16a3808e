"""How the mapped fields lie in one publication: what to select, filter and read where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cached_property

import msgspec

from zvirka.mapping import Attribute, ContactLine, Field, Mapping, RegisterLine
from zvirka.message import Message, coded
from zvirka.onec import failures
from zvirka.onec.contact_kinds import Kinds
from zvirka.onec.decoding import Row, RowDecoder
from zvirka.onec.mapping_fit import (
    asked_of,
    catalog_entity,
    missing_in,
    needs_kinds,
    register_entity,
    section_entity,
)
from zvirka.onec.odata_queries import all_of
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.protocol import LineBatch, ObjectBatch, VersionBatch
from zvirka.onec.register_records import RegisterRecords
from zvirka.onec.related_values import ContactLines, LinkedAttributes, RelatedValues, choice_of
from zvirka.onec.schema import Entity, Schema, SchemaCache

_KEYSET_TYPES = frozenset({"Edm.String", "Edm.Int16", "Edm.Int32", "Edm.Int64"})

_FEW_MARKED = 50_000


def proven_schema(schemas: SchemaCache, mapping: Mapping, *, fresh: bool = False) -> Schema:
    """The schema, proven to hold every mapped name; fetched again before one is missed.

    Raises:
        ComposedLessError: a mapped name was published when the schema was last read.
        MappingMismatchError: a mapped name does not exist.
        NotInCompositionError: an entity is not published.
        OnecError: $metadata could not be read.
    """
    asked = asked_of(mapping)
    schema = schemas.load(asked, fresh=fresh)
    if not fresh and missing_in(schema, mapping):
        schema = schemas.load(asked, fresh=True)
    if found := missing_in(schema, mapping, schemas.all_names):
        first = found[0]
        place = f"onec.fields.{first.field}" if first.field else "onec.catalog"
        if (first.entity, first.name) in schemas.lost:
            raise failures.ComposedLessError(
                cause=coded(
                    "",
                    "{cause}: {details}",
                    cause=failures.ComposedLessError.says,
                    details=first.text,
                ),
                place=place,
            )
        kind = failures.MappingMismatchError if first.name else failures.NotInCompositionError
        raise kind(
            cause=coded(kind.says.code, "{what}", what=first.text),
            place=place,
            remedy=Message("perhaps: {names}", names=first.near) if first.near else None,
        )
    return schema


class SourceLayout:
    """The mapping laid over a schema that is proven to hold it.

    Args:
        reader: reads sets; kinds are looked up through it.
        schema: of :func:`proven_schema`.
        mapping: which fields, and where they live.
        today: the date in the base's own time zone.
    """

    def __init__(
        self, reader: PageReader, schema: Schema, mapping: Mapping, *, today: Callable[[], date]
    ) -> None:
        self.reader = reader
        self._schema = schema
        self._mapping = mapping
        self._today = today
        self._name = catalog_entity(mapping)
        self.entity = self._entity(self._name)
        """The catalogue's own entity."""

    def _entity(self, name: str) -> Entity:
        entity = self._schema.entity(name)
        if entity is None:
            raise failures.NotInCompositionError(place=name)
        return entity

    @cached_property
    def _kinds(self) -> Kinds:
        """Kinds of contact information, looked up at most once."""
        return Kinds(self.reader, self._schema)

    @cached_property
    def where(self) -> str:
        """The filter of what a counterparty is, safe to be and-ed."""
        groups = ""
        if self._mapping.groups == "only":
            groups = "IsFolder eq true"
        elif self._mapping.groups == "without" and self.entity.has("IsFolder"):
            groups = "IsFolder eq false"
        scope = f"({self._mapping.scope})" if self._mapping.scope.strip() else ""
        return all_of([groups, scope])

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Properties of the object itself, by field name."""
        return {
            field.name: field.source.name
            for field in self._mapping.fields
            if isinstance(field.source, Attribute) and not field.source.via
        }

    @cached_property
    def links(self) -> list[str]:
        """The reference attributes that other fields go through."""
        return sorted({getattr(field.source, "via", "") for field in self._mapping.fields} - {""})

    def select(self, *names: str, nested: dict[str, RowDecoder] | None = None) -> Selection:
        """Counterparties with these properties, paged as the catalogue allows."""
        keyset = _keyset_of(self.entity)
        carried = [keyset] if keyset else []
        shape = RowDecoder(self.entity, ["Ref_Key", *names, *carried], nested)
        return Selection(shape, self.where, ("Ref_Key",), keyset=keyset)

    @cached_property
    def whole(self) -> Selection:
        """Everything mapped that the object itself holds."""
        return self.select("DataVersion", "DeletionMark", *self.attributes.values(), *self.links)

    @cached_property
    def fetched(self) -> RowDecoder:
        """Whole objects with the contact lines nested: one answer, one moment."""
        return self.select(*self.whole.shape.names, nested=self._nested).shape

    @cached_property
    def _nested(self) -> dict[str, RowDecoder]:
        return {place.name: place.shape for place in self._own_sections}

    @cached_property
    def _own_sections(self) -> list[ContactLines]:
        return [
            place
            for place in self.related
            if isinstance(place, ContactLines) and not place.via and place.nested
        ]

    @cached_property
    def related(self) -> list[RelatedValues]:
        """Every place outside the object that holds mapped values."""
        places: dict[tuple[str, ...], list[Field]] = {}
        for field in self._mapping.fields:
            source = field.source
            if isinstance(source, RegisterLine):
                typed = "typed" if source.type else ""
                place: tuple[str, ...] = ("register", source.register, source.object, typed)
                place += source.prefer_empty
            elif isinstance(source, ContactLine):
                place = ("contact", source.via, source.catalog, source.section)
            elif source.via:
                place = ("linked", source.via, source.catalog)
            else:
                continue
            places.setdefault(place, []).append(field)
        return [self._place(fields) for fields in places.values()]

    def _place(self, fields: list[Field]) -> RelatedValues:
        source = fields[0].source
        if isinstance(source, RegisterLine):
            choices = [choice_of(field, self._register_kinds(field)) for field in fields]
            entity = self._entity(register_entity(source))
            return RegisterRecords(self.reader, entity, source, choices, catalogue=self._name)
        owner = self._entity(catalog_entity(self._mapping, source.catalog))
        keyset = _keyset_of(owner)
        if isinstance(source, Attribute):
            return LinkedAttributes(self.reader, owner, fields, via=source.via, keyset=keyset)
        section = self._entity(section_entity(self._mapping, source))
        owners = Selection(
            RowDecoder(owner, ["Ref_Key"]),
            "" if source.via else self.where,
            ("Ref_Key",),
            keyset=keyset,
        )
        choices = [choice_of(field, self._contact_kinds(field)) for field in fields]
        return ContactLines(
            self.reader,
            owner,
            section,
            source.section,
            choices,
            via=source.via,
            owners=owners,
            today=self._today,
        )

    def _contact_kinds(self, field: Field) -> frozenset[str]:
        kind = getattr(field.source, "kind", "")
        return self._kinds.required(kind, field.name) if kind else frozenset()

    def _register_kinds(self, field: Field) -> frozenset[str]:
        """A register's kind may be a reference, or in older bases the text itself."""
        kind = getattr(field.source, "kind", "")
        if not kind:
            return frozenset()
        refs = self._kinds.refs(kind) if needs_kinds(field) else frozenset[str]()
        return refs | {kind.lower()}

    def object_batch(self, shape: RowDecoder, rows: Sequence[Row]) -> ObjectBatch:
        """Rows of whole objects as a batch."""
        return ObjectBatch(
            refs=shape.refs(rows),
            versions=[text or "" for text in shape.texts(rows, "DataVersion")],
            marks=list(map(bool, map(shape.getter("DeletionMark"), rows))),
            values={field: shape.texts(rows, name) for field, name in self.attributes.items()},
            links={link: shape.refs(rows, link) for link in self.links},
        )

    def versions(self) -> Iterator[VersionBatch]:
        """Ref_Key, DataVersion and DeletionMark of all in scope, in as few bytes as 1C can say it.

        The few that are marked are asked for apart, which spares a quarter of every row; so does
        the Код that carries the pages. A mark set meanwhile changes the DataVersion too.
        """
        marked = self._marked()
        names = ["Ref_Key", "DataVersion", *(["DeletionMark"] if marked is None else [])]
        shape = RowDecoder(self.entity, names)
        for rows in self.reader.pages(msgspec.structs.replace(self.select(), shape=shape)):
            refs = shape.refs(rows)
            yield VersionBatch(
                refs=refs,
                versions=[text or "" for text in shape.texts(rows, "DataVersion")],
                marks=list(map(bool, map(shape.getter("DeletionMark"), rows)))
                if marked is None
                else [ref in marked for ref in refs],
            )

    def _marked(self) -> frozenset[str] | None:
        """Ref_Keys with a deletion mark, ``None`` when there are too many to ask for apart."""
        where = all_of(["DeletionMark eq true", self.where])
        selection = msgspec.structs.replace(self.select(), where=where)
        if not self.reader.counts or self.reader.count(selection) > _FEW_MARKED:
            return None
        shape = selection.shape
        pages = self.reader.pages(selection)
        return frozenset(ref for rows in pages for ref in shape.refs(rows))

    def with_lines(self, rows: Sequence[Row]) -> tuple[ObjectBatch, list[LineBatch]]:
        """Rows of :attr:`fetched` as a batch, with all related values."""
        shape = self.fetched
        objects = self.object_batch(shape, rows)
        lines: list[LineBatch] = []
        for place in self.related:
            if isinstance(place, ContactLines) and place in self._own_sections:
                lines += place.dealt(shape, rows)
            elif objects.refs:
                lines += place.of(objects.links[place.via] if place.via else objects.refs)
        return objects, lines


def _keyset_of(entity: Entity) -> str:
    """Code, where there is one that can be compared."""
    return "Code" if entity.properties.get("Code") in _KEYSET_TYPES else ""
