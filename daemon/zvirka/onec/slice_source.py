"""What is in force of an information register on one day: a :class:`Source` of prices.

A record is a line of the virtual table СрезПоследних, read at one period for all pages of a run. It
has no Ref_Key, DataVersion or deletion mark, and disappears without a trace. Its key identifies
it; where a Ref_Key is asked for it gets one made of the key. So it is always read whole.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from itertools import compress
from uuid import UUID, uuid5

import msgspec

from zvirka.domain import Counterparty
from zvirka.identity import canonical_part, joined_key, trimmed
from zvirka.mapping import Attribute, Mapping
from zvirka.message import coded
from zvirka.onec import failures
from zvirka.onec.catalogue_source import counterparties
from zvirka.onec.decoding import Row, RowDecoder
from zvirka.onec.mapping_fit import catalog_entity, is_guid, record_entity
from zvirka.onec.odata_queries import all_of, any_of
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.protocol import LineBatch, ObjectBatch, SourceTraffic, Undelivered, VersionBatch
from zvirka.onec.schema import CONTRADICTIONS, Entity
from zvirka.onec.source_access import SourceAccess
from zvirka.onec.source_layout import proven_schema

_NAMESPACE = UUID("6f3c8c1e-6f0b-4b52-9d0a-7a7669726b61")
_NOBODY = "ffffffff-ffff-4fff-bfff-ffffffffffff"
_FEW = 20


class SliceLayout:
    """The register laid over a schema that is proven to hold the mapping.

    Args:
        reader: reads the slice.
        entity: the type of its records.
        mapping: which fields; all of them are attributes.
    """

    def __init__(self, reader: PageReader, entity: Entity, mapping: Mapping) -> None:
        self.reader = reader
        self.entity = entity
        self._mapping = mapping
        self.attributes = {
            field.name: field.source.name
            for field in mapping.fields
            if isinstance(field.source, Attribute)
        }
        """Properties by field name."""
        self.shape = RowDecoder(entity, tuple(self.attributes.values()))
        self._dimensions = tuple(self.attributes[name] for name in mapping.key)
        self.where = f"({mapping.scope})" if mapping.scope.strip() else ""

    def selection(self, *clauses: str) -> Selection:
        """Records in scope that satisfy all clauses."""
        where = all_of([*clauses, self.where])
        return Selection(self.shape, where, self._dimensions, self._dimensions)

    def batches(self, *clauses: str) -> Iterator[ObjectBatch]:
        """The same, in pages."""
        return map(self.batch, self.reader.pages(self.selection(*clauses)))

    def batch(self, rows: Sequence[Row]) -> ObjectBatch:
        """Rows as records with a Ref_Key made of the key, and a version made of the values."""
        values = {name: self.shape.texts(rows, place) for name, place in self.attributes.items()}
        keys = zip(*(values[name] for name in self._mapping.key), strict=True)
        return ObjectBatch(
            refs=[self._ref(parts) for parts in keys],
            versions=[_version(texts) for texts in zip(*values.values(), strict=True)],
            marks=[False] * len(rows),
            values=values,
            links={},
        )

    def _ref(self, texts: Sequence[str | None]) -> str:
        name = joined_key([self._mapping.catalog, *map(canonical_part, texts)])
        return str(uuid5(_NAMESPACE, name))

    def some_value(self, name: str) -> str | None:
        """The first value of a property among the first records; ``None`` if all are empty."""
        query = self.reader.queries.page(
            self.entity, self.shape.select, top=_FEW, where=self.where, order=self._dimensions
        )
        texts = self.shape.texts(self.reader.rows(query, self.shape), name)
        return next((text for text in texts if trimmed(text)), None)

    def prove_filters(self) -> None:
        """Ask for an item that is there or one that cannot be: only the first may come.

        Raises:
            FilterIgnoredError: the answer is another.
        """
        name = next((d for d in self._dimensions if self._is_reference(d)), "")
        known = self.some_value(name) if name else None
        if known is None:
            return
        asked = [self.reader.queries.clause(self.entity, name, ref) for ref in (known, _NOBODY)]
        query = self.reader.queries.page(
            self.entity, self.shape.select, top=_FEW, where=any_of(asked)
        )
        if set(self.shape.texts(self.reader.rows(query, self.shape), name)) != {known}:
            raise failures.FilterIgnoredError(place=self.entity.name)

    def _is_reference(self, name: str) -> bool:
        return self.entity.properties[name] == "Edm.Guid"

    def equal(self, field: str, value: str) -> Iterator[ObjectBatch]:
        """Records whose property equals the value.

        A value that some record has is asked for along: an answer without it, or with any other,
        proves nothing.

        Raises:
            FilterIgnoredError: the answer is such a one.
        """
        name = self.attributes[field]
        if self._is_reference(name) and not is_guid(value):
            return  # of another program: no record of 1C has it
        control = self.some_value(name)
        asked = list(dict.fromkeys([value] if control is None else [value, control]))
        clauses = [self.reader.queries.clause(self.entity, name, one) for one in asked]
        seen: set[str] = set()
        for batch in self.batches(any_of(clauses)):
            texts = [trimmed(text) for text in batch.values[field]]
            seen.update(map(str.casefold, texts))
            yield _only(batch, [text == trimmed(value) for text in texts])
        known = control is None or trimmed(control).casefold() in seen
        if not known or not seen <= {trimmed(one).casefold() for one in asked}:
            raise failures.FilterIgnoredError(place=f"{self.entity.name}.{name}")


class SliceSource:
    """One session with the register: see :class:`zvirka.onec.protocol.Source` for each method.

    Args:
        access: the session, entered and left with the register, and how it is read.
        mapping: which fields of which register.
        day: the day, whole, on which what is read is in force.
    """

    def __init__(self, access: SourceAccess, mapping: Mapping, *, day: date) -> None:
        self._access = access
        self.traffic: SourceTraffic = access.session.traffic
        """What was asked of 1C so far."""
        self.mapping = mapping
        self.restricted = access.allowed_only
        """Rows may be missing without a word: a snapshot is never complete."""
        self._day = day

    def __enter__(self) -> SliceSource:
        self._access.session.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._access.leave(*exc)

    def shape(self) -> dict[str, str]:
        """Type by name of what the publication has of the register, as last read."""
        return self._access.schemas.shape()

    @cached_property
    def layout(self) -> SliceLayout:
        """How the mapping lies in this publication; the first use may read $metadata."""
        return self._laid()

    def _laid(self, *, fresh: bool = False) -> SliceLayout:
        schema = proven_schema(self._access.schemas, self.mapping, fresh=fresh)
        entity = record_entity(schema, self.mapping)
        if entity is None:
            raise failures.NotInCompositionError(place=catalog_entity(self.mapping))
        reader = self._access.reader(schema, virtual=slice_path(self.mapping, self._day))
        return SliceLayout(reader, entity, self.mapping)

    def preflight(self) -> int:
        """Prove names, rights, the slice and filters; return the number of records.

        Raises:
            FilterIgnoredError: 1C answers a filter with other rows, or without the one it has.
            OnecError: 1C cannot be read, or a mapped name does not exist.
        """
        try:
            self.layout.prove_filters()
        except CONTRADICTIONS:
            self.layout = self._laid(fresh=True)
            self.layout.prove_filters()
        return self.count()

    def count(self) -> int:
        """The number of records in force on the day."""
        return self.layout.reader.count(self.layout.selection())

    def objects(self) -> Iterator[ObjectBatch]:
        """All records in force on the day, in pages."""
        return self.layout.batches()

    def lines(self) -> Iterator[LineBatch]:
        """Nothing: a register holds all values itself."""
        return iter(())

    def light_lines(self) -> Iterator[LineBatch]:
        """Nothing, as :meth:`lines`."""
        return iter(())

    def taking_effect(self, since: date) -> Iterator[list[str]]:
        """Nothing: all records are read on each day."""
        del since
        return iter(())

    def versions(self) -> Iterator[VersionBatch]:
        """All records, with a version made of their values."""
        for batch in self.objects():
            yield VersionBatch(refs=batch.refs, versions=batch.versions, marks=batch.marks)

    def fetch(self, refs: Sequence[str]) -> Iterator[tuple[ObjectBatch, list[LineBatch]]]:
        """These records; 1C cannot be asked for them, so the whole slice is read for them."""
        wanted = set(refs)
        if not wanted:
            return
        for batch in self.objects():
            yield _only(batch, [ref in wanted for ref in batch.refs]), []

    def exists(self, ref: str) -> bool:
        """Whether the record is in the slice, which is read whole."""
        return any(batch.refs for batch, _ in self.fetch([ref]))

    def find(self, field: str, values: Sequence[str]) -> list[Counterparty]:
        """Records whose field equals one of the values.

        Raises:
            OnecError: the register has no such field, or 1C cannot be read.
        """
        if field not in self.layout.attributes:
            raise failures.QueryRefusedError(
                cause=coded(
                    "ZV1305",
                    "only fields that are attributes of the counterparty can be searched by",
                ),
                place=f"onec.fields.{field}",
            )
        found: list[Counterparty] = []
        for value in dict.fromkeys(values):
            for batch in self.layout.equal(field, value):
                found += counterparties(self.mapping, batch, [])
        return list({one.ref: one for one in found}.values())

    def undelivered(self) -> Iterator[Undelivered]:
        """Nothing: the extension does not push registers."""
        return iter(())


def slice_path(mapping: Mapping, day: date) -> str:
    """The path of the slice at the end of a day."""
    period = f"{day.isoformat()}T23:59:59"
    return f"{catalog_entity(mapping)}/SliceLast(Period=datetime'{period}')"


def _version(texts: Sequence[str | None]) -> str:
    """Eight bytes as a DataVersion is written; they change when a value does."""
    content = msgspec.json.encode(texts)
    return base64.b64encode(hashlib.sha256(content).digest()[:8]).decode()


def _only(batch: ObjectBatch, kept: Sequence[bool]) -> ObjectBatch:
    """The rows of a page that are wanted."""
    return ObjectBatch(
        refs=list(compress(batch.refs, kept)),
        versions=list(compress(batch.versions, kept)),
        marks=list(compress(batch.marks, kept)),
        values={name: list(compress(column, kept)) for name, column in batch.values.items()},
        links={},
    )
