"""Values in an information register, whose records name the object: barcodes, older contacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zvirka.domain import ZERO_REF
from zvirka.mapping import RegisterLine
from zvirka.onec.decoding import Row, RowDecoder
from zvirka.onec.mapping_fit import kind_property, object_property
from zvirka.onec.odata_queries import any_of, canonical
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.protocol import LineBatch
from zvirka.onec.related_values import Choice, LineSource, kinds_column, values_of
from zvirka.onec.schema import Entity

_SPAN = 1 << 27
"""So many records have orders of their own among those of one preference."""


class RegisterRecords:
    """The records of one register for all fields that live there.

    The property that holds the owner may be of a composite type; a record of an owner of another
    catalogue is left out. 1C sorts the records in the same way for all of them and for those of
    some owners, so that the same one of several counts.

    Args:
        reader: where to read.
        entity: the register.
        source: where the fields live; what differs between them is in the choices.
        choices: the fields that live here.
        catalogue: the entity of the owners.
    """

    via = ""
    light = True

    def __init__(
        self,
        reader: PageReader,
        entity: Entity,
        source: RegisterLine,
        choices: Sequence[Choice],
        *,
        catalogue: str,
    ) -> None:
        self._reader = reader
        self._entity = entity
        self._catalogue = catalogue
        self._object = object_property(entity, source)
        self._choices = choices
        self._prefer_empty = source.prefer_empty
        owner_type = f"{source.object}_Type"
        self._owner_type = owner_type if entity.has(owner_type) else ""
        values = [choice.value for choice in choices]
        self._typed = bool(source.type)
        self._kind = kind_property(entity) if self._typed else ""
        if self._typed:
            # A value may be of unlimited length, which 1C does not sort by.
            order = [self._object, "Тип", *([self._kind] if entity.has(self._kind) else [])]
        else:
            order = [self._object, *values, *source.prefer_empty]
        self._order = tuple(dict.fromkeys(order))
        typed = [self._owner_type] if self._owner_type else []
        self._shape = RowDecoder(entity, [*order, *typed, *source.prefer_empty, *values])
        self._selection = Selection(self._shape, self._types(), self._order, self._order)
        self._seen = 0

    def _types(self) -> str:
        if not self._typed:
            return ""
        types = sorted({choice.type for choice in self._choices})
        return any_of([self._reader.queries.clause(self._entity, "Тип", name) for name in types])

    def all(self) -> Iterator[LineBatch]:
        """Every record of the wanted types that belongs to the catalogue."""
        for rows in self._reader.pages(self._selection):
            yield from self._deal(rows)

    def of(self, refs: Sequence[str]) -> Iterator[LineBatch]:
        """Records of these owners."""
        pages = self._reader.by_keys(
            self._shape, refs, clause=self._clause, where=self._types(), order=self._order
        )
        for _, rows in pages:
            yield from self._deal(rows)

    def _clause(self, ref: str) -> str:
        """A composite dimension compares only with a reference cast to its catalogue."""
        if self._entity.properties[self._object] == "Edm.Guid":
            return self._reader.queries.clause(self._entity, self._object, ref)
        return f"{self._object} eq cast(guid'{canonical(ref)}','{self._catalogue}')"

    def _deal(self, rows: Sequence[Row]) -> Iterator[LineBatch]:
        shape = self._shape
        if self._owner_type:
            ours = f"StandardODATA.{self._catalogue}"
            kinds = shape.texts(rows, self._owner_type)
            rows = [row for row, kind in zip(rows, kinds, strict=True) if kind == ours]
        lines = LineSource(
            refs=shape.refs(rows, self._object),
            orders=self._orders(rows),
            types=shape.texts(rows, "Тип") if self._typed else [""] * len(rows),
            kinds=kinds_column(shape, rows, self._kind),
            values=values_of(shape, rows, self._choices),
        )
        return (lines.of(choice, "") for choice in self._choices)

    def _orders(self, rows: Sequence[Row]) -> list[int]:
        """As 1C sorts them, after those that are preferred."""
        first = self._seen
        self._seen += len(rows)
        orders = list(range(first, self._seen))
        for place, name in enumerate(reversed(self._prefer_empty)):
            filled = [text not in (None, "", ZERO_REF) for text in self._shape.texts(rows, name)]
            behind = _SPAN << place
            orders = [order + behind * full for order, full in zip(orders, filled, strict=True)]
        return orders
