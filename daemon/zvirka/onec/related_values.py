"""Related values, stored outside the counterparty: contact lines and partners.

Each class reads one such place for all fields that live there: everything in pages, or what
belongs to some owners.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from itertools import compress
from typing import Protocol

import msgspec
from loguru import logger

from zvirka.domain import ZERO_REF
from zvirka.mapping import Attribute, ContactLine, Field, RegisterLine
from zvirka.onec.decoding import Row, RowDecoder
from zvirka.onec.mapping_fit import kind_property
from zvirka.onec.odata_queries import all_of, any_of
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.protocol import LineBatch
from zvirka.onec.schema import Entity

_LAST = 2_147_483_647
"""The order of a placeholder for a missing line; real lines come before it."""

_SINCE = "ДействуетС"
"""From which day a line counts (БСП 3.x); the empty date of 1C says always."""
_FIRST_DAY = date(2000, 1, 1)
_DAYS = 36_524
_LINES = 58_000
"""The most days and lines that an order encodes, so that it stays below :data:`_LAST`."""


def orders_of(
    lines: Sequence[int], since: Sequence[str | None], today: date
) -> Sequence[int | None]:
    """The order of each contact line among those of its kind; ``None`` while it is not in force.

    БСП takes the latest beginning that is not in the future, and of equal ones the lowest line.

    Args:
        lines: the number of each line.
        since: the day from which it counts, as 1C writes a date; ``None``: always.
        today: the date in the base's own time zone.
    """
    behind = {begin: _behind(begin, today) for begin in set(since)}
    return [
        None
        if (first := behind[begin]) is None
        else first + (line if line < _LINES else _LINES - 1)
        for line, begin in zip(lines, since, strict=True)
    ]


def _behind(since: str | None, today: date) -> int | None:
    """The order of the first line with this beginning."""
    day = date.fromisoformat(since[:10]) if since else date.min
    if day > today:
        return None
    newest = min(_DAYS, max(0, (day - _FIRST_DAY).days))
    return (_DAYS - newest) * _LINES


def _begins(name: str, since: date, until: date) -> str:
    """The filter of a beginning after one day and not after another."""
    return f"{name} gt datetime'{since}T00:00:00' and {name} le datetime'{until}T00:00:00'"


class RelatedValues(Protocol):
    """One place where values live. ``light``: no DataVersion of a counterparty covers them."""

    via: str
    light: bool

    def all(self) -> Iterator[LineBatch]:
        """Every value there, in pages."""
        ...

    def of(self, refs: Sequence[str]) -> Iterator[LineBatch]:
        """The values of these owners; for a linked owner without one, a line that says so."""
        ...


class Choice(msgspec.Struct, frozen=True):
    """Selects the lines of a field: of that Тип and, if there are ``kinds``, of one of these."""

    field: str
    type: str
    kinds: frozenset[str]
    value: str


class LineSource(msgspec.Struct, frozen=True):
    """Lines of a page in columns, before they are dealt out to fields.

    A line whose order is ``None`` is not in force yet and belongs to no field.
    """

    refs: list[str]
    orders: Sequence[int | None]
    types: list[str | None]
    kinds: list[str]
    values: dict[str, list[str | None]]

    def of(self, choice: Choice, via: str) -> LineBatch:
        """The lines that are this field's."""
        wanted, type_ = choice.kinds, choice.type
        chosen = [
            found == type_ and order is not None and (not wanted or kind in wanted)
            for found, kind, order in zip(self.types, self.kinds, self.orders, strict=True)
        ]
        return LineBatch(
            field=choice.field,
            via=via,
            refs=list(compress(self.refs, chosen)),
            orders=[order for order in compress(self.orders, chosen) if order is not None],
            values=list(compress(self.values[choice.value], chosen)),
        )


def kinds_column(shape: RowDecoder, rows: Sequence[Row], name: str) -> list[str]:
    """The kinds of lines in lower case; empty texts where the shape does not have them."""
    if name not in shape.names:
        return [""] * len(rows)
    kinds = shape.texts(rows, name)
    lower_case = {kind: (kind or "").lower() for kind in set(kinds)}
    return list(map(lower_case.__getitem__, kinds))


def values_of(
    shape: RowDecoder, rows: Sequence[Row], choices: Sequence[Choice]
) -> dict[str, list[str | None]]:
    """Return the columns that hold the values of the fields, by property name."""
    return {name: shape.texts(rows, name) for name in {choice.value for choice in choices}}


def _none_for(batch: LineBatch, refs: Collection[str]) -> LineBatch:
    """The batch, with a line that says «none» for each owner that has none."""
    without = sorted(set(refs) - set(batch.refs))
    return LineBatch(
        field=batch.field,
        via=batch.via,
        refs=[*batch.refs, *without],
        orders=[*batch.orders, *[_LAST] * len(without)],
        values=[*batch.values, *[None] * len(without)],
    )


class ContactLines:
    """The tabular section of the catalogue itself or of one it refers to.

    Read from the section's own entity set where it is published, at a tenth of the weight; else
    nested in the owners.

    Args:
        reader: where to read.
        owner: the entity that has the section.
        section: the entity of its lines.
        name: the section's name in the owner.
        choices: the fields that live here.
        via: the link that leads to the owner, empty for the counterparty itself.
        owners: how to page through the owners, for nested reading.
        today: the date in the base's own time zone.
    """

    def __init__(
        self,
        reader: PageReader,
        owner: Entity,
        section: Entity,
        name: str,
        choices: Sequence[Choice],
        *,
        via: str,
        owners: Selection,
        today: Callable[[], date],
    ) -> None:
        self.via = via
        self._today = today
        self._dated = section.has(_SINCE)
        self.light = bool(via)
        self.name = name
        self.nested = name in owner.sections
        self._reader = reader
        self._choices = choices
        self._kind = kind_property(section)
        names = ["LineNumber", "Тип", *[choice.value for choice in choices]]
        names += [_SINCE] if self._dated else []
        if any(choice.kinds for choice in choices):
            names.append(self._kind)
        self.shape = RowDecoder(section, names)
        self._set = RowDecoder(section, ["Ref_Key", *names]) if section.published else None
        self.published = self._set is not None
        """Whether the section has an entity set of its own."""
        extra = [owners.keyset] if owners.keyset else []
        self._owner = (
            RowDecoder(owner, ["Ref_Key", *extra], {name: self.shape}) if self.nested else None
        )
        self._owners = owners

    def all(self) -> Iterator[LineBatch]:
        """Every line there is, of owners in scope or not."""
        if self._set is not None:
            yield from self._all_of_set(self._set)
            return
        assert self._owner is not None
        selection = msgspec.structs.replace(self._owners, shape=self._owner)
        for rows in self._reader.pages(selection):
            yield from self.dealt(self._owner, rows)

    def _all_of_set(self, shape: RowDecoder) -> Iterator[LineBatch]:
        """The entity set, read once more when the count says that lines were lost or moved."""
        selection = Selection(
            shape, self._where(shape.entity), ("Ref_Key", "LineNumber"), ("Ref_Key", "LineNumber")
        )
        counted = self._reader.count(selection) if self._reader.counts else None
        for look in (1, 2):
            read = 0
            for rows in self._reader.pages(selection):
                read += len(rows)
                yield from self._deal(self._columns(shape, rows, shape.refs(rows)))
            if not self._reader.counts or counted is None:
                return
            before, counted = counted, self._reader.count(selection)
            if before == read == counted:
                return
            logger.info(
                "contact lines moved while they were read",
                entity=shape.entity.name,
                before=before,
                read=read,
                after=counted,
                look=look,
            )

    def _where(self, section: Entity) -> str:
        """Only lines that some field wants: by kind where every field names one, else by Тип."""
        clause = self._reader.queries.clause
        if section.properties.get(self._kind) == "Edm.Guid" and all(
            choice.kinds for choice in self._choices
        ):
            kinds = sorted({kind for choice in self._choices for kind in choice.kinds})
            return any_of([clause(section, self._kind, kind) for kind in kinds])
        types = sorted({choice.type for choice in self._choices})
        return any_of([clause(section, "Тип", type_) for type_ in types])

    def of(self, refs: Sequence[str]) -> Iterator[LineBatch]:
        """Lines of these owners, nested where possible: one answer, one moment."""
        wanted = [ref for ref in refs if ref != ZERO_REF]
        shape = self._owner or self._set
        assert shape is not None
        for asked, rows in self._reader.by_keys(shape, wanted):
            batches = (
                self.dealt(shape, rows)
                if self._owner
                else self._deal(self._columns(shape, rows, shape.refs(rows)))
            )
            yield from (_none_for(batch, asked) if self.via else batch for batch in batches)

    def dealt(self, owner: RowDecoder, rows: Sequence[Row]) -> Iterator[LineBatch]:
        """Lines nested in rows of the owner's shape, dealt out to their fields."""
        sections = list(map(owner.getter(self.name), rows))
        refs = [
            ref
            for ref, lines in zip(owner.refs(rows), sections, strict=True)
            for _ in range(len(lines))
        ]
        lines = [line for section in sections for line in section]
        return self._deal(self._columns(self.shape, lines, refs))

    def _columns(self, shape: RowDecoder, rows: Sequence[Row], refs: list[str]) -> LineSource:
        return LineSource(
            refs=refs,
            orders=self._orders(shape, rows),
            types=shape.texts(rows, "Тип"),
            kinds=kinds_column(shape, rows, self._kind),
            values=values_of(shape, rows, self._choices),
        )

    def _orders(self, shape: RowDecoder, rows: Sequence[Row]) -> Sequence[int | None]:
        lines: list[int] = list(map(shape.getter("LineNumber"), rows))
        if not self._dated:
            return lines
        return orders_of(lines, shape.texts(rows, _SINCE), self._today())

    def taking_effect(self, since: date) -> Iterator[list[str]]:
        """Owners of lines in force from a day after ``since`` and not after today."""
        today = self._today()
        if not self._dated or since >= today:
            return
        if self._set is not None:
            order = ("Ref_Key", "LineNumber")
            shape = RowDecoder(self._set.entity, list(order))
            selection = Selection(shape, _begins(_SINCE, since, today), order, order)
        else:
            some = f"{self.name}/any(line: {_begins(f'line/{_SINCE}', since, today)})"
            where = all_of([some, self._owners.where])
            selection = msgspec.structs.replace(self._owners, where=where)
        for rows in self._reader.pages(selection):
            yield selection.shape.refs(rows)

    def _deal(self, lines: LineSource) -> Iterator[LineBatch]:
        return (lines.of(choice, self.via) for choice in self._choices)


class LinkedAttributes:
    """Attributes of a catalogue that the counterparty refers to: ``Партнер_Key`` → Партнеры."""

    light = True

    def __init__(
        self, reader: PageReader, entity: Entity, fields: Sequence[Field], *, via: str, keyset: str
    ) -> None:
        self.via = via
        self._reader = reader
        self._names = {
            field.name: field.source.name for field in fields if isinstance(field.source, Attribute)
        }
        extra = [keyset] if keyset else []
        self._shape = RowDecoder(entity, ["Ref_Key", *extra, *self._names.values()])
        self._selection = Selection(self._shape, "", ("Ref_Key",), keyset=keyset)

    def all(self) -> Iterator[LineBatch]:
        """The attributes of every object of that catalogue."""
        for rows in self._reader.pages(self._selection):
            yield from self._batches(rows)

    def of(self, refs: Sequence[str]) -> Iterator[LineBatch]:
        """The attributes of these objects."""
        wanted = [ref for ref in refs if ref != ZERO_REF]
        for asked, rows in self._reader.by_keys(self._shape, wanted):
            yield from (_none_for(batch, asked) for batch in self._batches(rows))

    def _batches(self, rows: Sequence[Row]) -> Iterator[LineBatch]:
        refs = self._shape.refs(rows)
        for field, name in self._names.items():
            values = self._shape.texts(rows, name)
            yield LineBatch(field, self.via, refs, [0] * len(refs), values)


def choice_of(field: Field, kinds: frozenset[str]) -> Choice:
    """Which lines are the field's."""
    source = field.source
    assert isinstance(source, ContactLine | RegisterLine)
    return Choice(field.name, source.type, kinds, source.value)
