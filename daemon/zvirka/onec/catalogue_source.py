"""The catalogue Контрагенты of one publication, as a run reads it: a :class:`Source`.

What a counterparty is: an object of the catalogue within ``scope`` that is no group. Objects
come by Код where there is one, else by ``$skip``; related values come from
:mod:`zvirka.onec.related_values`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cached_property

import msgspec
from loguru import logger

from zvirka.domain import Counterparty
from zvirka.identity import canonical_key, trimmed
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.onec import failures
from zvirka.onec.decoding import Row, RowDecoder, decode_ref
from zvirka.onec.odata_queries import all_of, any_of, canonical
from zvirka.onec.protocol import LineBatch, ObjectBatch, SourceTraffic, Undelivered, VersionBatch
from zvirka.onec.related_values import ContactLines
from zvirka.onec.schema import CONTRADICTIONS
from zvirka.onec.source_access import SourceAccess
from zvirka.onec.source_layout import SourceLayout, proven_schema

_CONTROL_ROWS = 20


class CatalogueSource:
    """One session with the catalogue: see :class:`zvirka.onec.protocol.Source` for each method.

    Args:
        access: the session, entered and left with the catalogue, and how it is read.
        mapping: which fields, and where they live.
        today: the date in the base's own time zone, which says what contact lines are in force.
    """

    def __init__(
        self, access: SourceAccess, mapping: Mapping, *, today: Callable[[], date] = date.today
    ) -> None:
        self._access = access
        self.session = access.session
        self.traffic: SourceTraffic = access.session.traffic
        """What was asked of 1C so far."""
        self.mapping = mapping
        self.restricted = access.allowed_only
        """Rows may be missing without a word: a snapshot is never complete."""
        self._controls: dict[str, str | None] = {}
        self._today = today

    def __enter__(self) -> CatalogueSource:
        self.session.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._access.leave(*exc)

    def shape(self) -> dict[str, str]:
        """Type by name of what the publication has of the mapped entities, as last read."""
        return self._access.schemas.shape()

    # -- what the schema says --------------------------------------------------------------------

    def _laid(self, *, fresh: bool = False) -> SourceLayout:
        schema = proven_schema(self._access.schemas, self.mapping, fresh=fresh)
        reader = self._access.reader(schema)
        return SourceLayout(reader, schema, self.mapping, today=self._today)

    @cached_property
    def layout(self) -> SourceLayout:
        """How the mapping lies in this publication; the first use may read $metadata."""
        return self._laid()

    # -- Source ----------------------------------------------------------------------------------

    def preflight(self) -> int:
        """Prove names, kinds, rights and filters on one row; return the number in scope.

        Raises:
            ComposedLessError: a name that the cached schema has is published no longer.
            FilterIgnoredError: 1C answers a filter with other rows, or without the one it has.
            OnecError: 1C cannot be read, or a mapped name does not exist.
        """
        try:
            self._probe()
        except CONTRADICTIONS:
            logger.warning("1C does not know a name of the cached schema, reading it again")
            self.layout = self._laid(fresh=True)
            self._probe()
        return self.count()

    def _probe(self) -> None:
        layout, reader = self.layout, self.layout.reader
        shape = layout.whole.shape
        in_scope = reader.queries.page(layout.entity, shape.select, top=1, where=layout.where)
        known = shape.refs(reader.rows(in_scope, shape))
        if not known and layout.where:
            # Nothing in scope, or an empty answer to every filter.
            anything = RowDecoder(layout.entity, ["Ref_Key"])
            unfiltered = reader.queries.page(layout.entity, anything.select, top=1)
            known = anything.refs(reader.rows(unfiltered, anything))
        if known:
            reader.prove_filters(layout.entity, known[0])
        logger.debug("mapped places are known", related=len(layout.related))

    def count(self) -> int:
        """The number of counterparties in scope now."""
        return self.layout.reader.count(self.layout.select())

    def objects(self) -> Iterator[ObjectBatch]:
        """All counterparties in scope, in pages."""
        layout = self.layout
        whole = layout.whole
        return (layout.object_batch(whole.shape, rows) for rows in layout.reader.pages(whole))

    def lines(self) -> Iterator[LineBatch]:
        """All related values, in pages."""
        return (batch for place in self.layout.related for batch in place.all())

    def light_lines(self) -> Iterator[LineBatch]:
        """Related values that no DataVersion of a counterparty covers."""
        return (batch for place in self.layout.related if place.light for batch in place.all())

    def taking_effect(self, since: date) -> Iterator[list[str]]:
        """Ref_Keys of counterparties with a contact line in force from after ``since`` up to today.

        No DataVersion changes on that day.
        """
        for place in self.layout.related:
            if isinstance(place, ContactLines) and not place.light:
                yield from place.taking_effect(since)

    def versions(self) -> Iterator[VersionBatch]:
        """Ref_Key, DataVersion and DeletionMark of all in scope, in pages."""
        return self.layout.versions()

    def fetch(self, refs: Sequence[str]) -> Iterator[tuple[ObjectBatch, list[LineBatch]]]:
        """Whole objects by Ref_Key with all their lines; what is absent is not there now."""
        for _, rows in self.layout.reader.by_keys(
            self.layout.fetched, refs, where=self.layout.where
        ):
            yield self.layout.with_lines(rows)

    def exists(self, ref: str) -> bool:
        """Ask for this one key. False only when 1C itself says «object not found» (code 9).

        Raises:
            OnecError: 1C says anything else; then nothing is known.
        """
        query = self.layout.reader.queries.one(self.layout.entity, ref, ["Ref_Key"])
        try:
            found = self.session.get(query.path, query.params, decode=decode_ref)
        except failures.ObjectNotFoundError:
            return False
        if found != canonical(ref):
            raise failures.UnexpectedAnswerError(
                cause=coded("ZV1401", "1C answered with another object than was asked for"),
                place=query.path,
            )
        return True

    def find(self, field: str, values: Sequence[str]) -> list[Counterparty]:
        """Counterparties whose attribute field equals one of the values.

        Raises:
            OnecError: the field is no attribute of the object, or 1C cannot be read.
        """
        if field not in self.layout.attributes:
            raise failures.QueryRefusedError(
                cause=coded(
                    "ZV1305",
                    "only fields that are attributes of the counterparty can be searched by",
                ),
                place=f"onec.fields.{field}",
                remedy=Message("name the counterparty by code or by ref"),
            )
        name = self.layout.attributes[field]
        found: list[Counterparty] = []
        for value in dict.fromkeys(values):
            rows = self._equal(name, value)
            if rows is None:
                rows = self._equal(name, value, fresh_control=True)
            if rows is None:
                raise failures.FilterIgnoredError(place=f"{self.layout.entity.name}.{name}")
            objects, lines = self.layout.with_lines(rows)
            found += counterparties(self.mapping, objects, lines)
        return list({one.ref: one for one in found}.values())

    def _equal(self, name: str, value: str, *, fresh_control: bool = False) -> list[Row] | None:
        """Counterparties whose property equals the value, whole; ``None`` when that is not sure.

        A value that some counterparty is known to have is asked for along: an answer without it,
        or with any other, proves nothing.
        """
        layout = self.layout
        if fresh_control or name not in self._controls:
            self._controls[name] = self._some_value(name)
        control = self._controls[name]
        asked = [value] if control is None else [value, control]
        clauses = [layout.reader.queries.clause(layout.entity, name, one) for one in asked]
        where = all_of([any_of(clauses), layout.where])
        selection = msgspec.structs.replace(layout.whole, shape=layout.fetched, where=where)
        rows = [row for page in layout.reader.pages(selection) for row in page]
        texts = layout.fetched.texts(rows, name)
        seen = set(map(_collated, texts))
        if not seen <= set(map(_collated, asked)):
            return None
        if control is not None and _collated(control) not in seen:
            return None
        wanted = canonical_key(value)
        return [row for row, text in zip(rows, texts, strict=True) if canonical_key(text) == wanted]

    def _some_value(self, name: str) -> str | None:
        """A value that one of the first counterparties has, ``None`` when all are empty."""
        layout = self.layout
        shape = RowDecoder(layout.entity, [name])
        query = layout.reader.queries.page(
            layout.entity, shape.select, top=_CONTROL_ROWS, where=layout.where
        )
        texts = shape.texts(layout.reader.rows(query, shape), name)
        return next((text for text in texts if text and text.strip()), None)

    def undelivered(self) -> Iterator[Undelivered]:
        """What waits in the outbox of the extension, the newest first; needs no $metadata."""
        return self._access.outbox(self.mapping.catalog).newest()


def _collated(text: str | None) -> str:
    """A text as the databases of 1C compare it: without case and without blanks at its end."""
    return trimmed(text).casefold()


def counterparties(
    mapping: Mapping, objects: ObjectBatch, lines: Sequence[LineBatch]
) -> list[Counterparty]:
    """Whole counterparties out of columns: for few of them, where a run needs objects.

    Of several lines of one field the lowest order counts.
    """
    related: dict[tuple[str, str], tuple[int, str | None]] = {}
    via = {batch.field: batch.via for batch in lines}
    for batch in lines:
        for ref, order, value in zip(batch.refs, batch.orders, batch.values, strict=True):
            known = related.get((batch.field, ref))
            if known is None or order < known[0]:
                related[batch.field, ref] = (order, value)
    found = []
    for number, ref in enumerate(objects.refs):
        values: dict[str, str | None] = {}
        for name in mapping.names:
            if name in objects.values:
                values[name] = objects.values[name][number]
                continue
            link = via.get(name, "")
            holder = objects.links[link][number] if link else ref
            values[name] = related.get((name, holder), (0, None))[1]
        found.append(
            Counterparty(
                ref=ref,
                key=mapping.key_of(ref, values),
                version=objects.versions[number],
                deletion_mark=objects.marks[number],
                values=values,
            )
        )
    return found
