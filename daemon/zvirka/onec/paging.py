"""Pages of a set that lose nothing, sized by bytes.

1C has no server-driven paging, compares no GUIDs, and orders by presentation. So a set with a
scalar Code is read by keyset: ``Code ge '<last>'``, the overlap dropped by identity. Any other set
is read by ``$skip`` in a stable order, each page overlapping the one before it: where no row of
the overlap comes back, rows were deleted before it, and the page is asked for further back.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import msgspec
from loguru import logger

from zvirka.onec import failures
from zvirka.onec.decoding import Row, RowDecoder, decode_count
from zvirka.onec.odata_queries import Queries, Query, all_of, any_of, canonical
from zvirka.onec.schema import Entity
from zvirka.onec.session import HEAVY, OnecSession

_PROBE = 100
_SMALLEST = 20
_LARGEST = 25_000
_GROWTH = 20
_OVERLAP = 20
_GOOD_PAGES = 5
"""So many pages come before a larger one is tried again after a failure."""
_TRIES = 10
_STEPS_BACK = 50
_IDLE_PAGES = 3
"""So many full pages without a new row mean that 1C ignores $skip or the order."""
_MOST_KEYS = 200
_NOBODY = "ffffffff-ffff-4fff-bfff-ffffffffffff"
"""A Ref_Key no object has: 1C makes references of the time and the machine."""


class Selection(msgspec.Struct, frozen=True):
    """What to page through: rows of ``shape`` that satisfy ``where``.

    ``keyset`` is the property whose order carries the pages, empty for ``$skip``; ``order`` is the
    order for the latter, and ``identity`` what makes a row that row. Where the shape leaves the
    keyset out, to spare its weight in every row, it is asked for at the end of each page.
    """

    shape: RowDecoder
    where: str
    order: tuple[str, ...]
    identity: tuple[str, ...] = ("Ref_Key",)
    keyset: str = ""


class _Size:
    """How many rows to ask for, so that an answer weighs about the target."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.rows = _PROBE
        self.floor = _SMALLEST
        """The least that makes progress: more than the rows that share one Code."""
        self._ceiling = _LARGEST
        self._good = 0

    def saw(self, rows: int, weight: int) -> None:
        self._good += 1
        if self._good >= _GOOD_PAGES:
            self._good, self._ceiling = 0, min(_LARGEST, self._ceiling * 2)
        if rows:
            fitting = self.target * rows // max(weight, 1)
            self.rows = min(fitting, self.rows * _GROWTH, self._ceiling)
        self.rows = max(self.rows, self.floor)

    def shrink(self) -> bool:
        """Ask for less; false when it is the least already."""
        if self.rows <= self.floor:
            return False
        self.rows = self._ceiling = max(self.floor, self.rows // 4)
        self._good = 0
        return True

    def grow(self) -> bool:
        """More rows share one Code than a page holds; false when a page is the largest already."""
        if self.rows >= _LARGEST:
            return False
        self.rows = self.floor = self.rows * 2
        return True


class PageReader:
    """Reads sets through one session.

    Args:
        session: where to ask.
        queries: how to ask.
        page_bytes: what a page should weigh.
        max_url: the longest URL the web server takes.
    """

    def __init__(
        self, session: OnecSession, queries: Queries, *, page_bytes: int, max_url: int
    ) -> None:
        self.session = session
        self.queries = queries
        self._page_bytes = page_bytes
        self._max_url = max_url
        self.counts = True
        """Whether ``/$count`` is served, as far as known."""

    def rows(self, query: Query, shape: RowDecoder) -> list[Row]:
        """The rows of one small answer."""
        return self.session.get(query.path, query.params, decode=shape.decode)

    def pages(self, selection: Selection) -> Iterator[list[Row]]:
        """All rows, in pages, without the overlap; a row that moves meanwhile may come twice.

        Raises:
            OnecError: a page could not be read however small; no page is ever left out.
        """
        return self._by_keyset(selection) if selection.keyset else self._by_skip(selection)

    def _page(
        self, selection: Selection, size: _Size, where: str, skip: int, order: Sequence[str]
    ) -> tuple[list[Row], bool]:
        """One page, smaller where 1C cannot make it as large, and whether it was full."""
        shape = selection.shape
        failures = 0

        def weigh(body: bytes) -> tuple[list[Row], int]:
            return shape.decode(body), len(body)

        while True:
            asked = size.rows
            query = self.queries.page(
                shape.entity, shape.select, top=asked, skip=skip, where=where, order=order
            )
            try:
                rows, weight = self.session.get(
                    query.path, query.params, decode=weigh, patient=asked <= size.floor
                )
            except HEAVY as error:
                if not size.shrink():
                    raise
                failures += 1
                logger.info(
                    "a page is too much for 1C, asking for a smaller one",
                    reason=type(error).__name__,
                    rows=size.rows,
                )
                self.session.pause(failures)
            else:
                size.saw(len(rows), weight)
                return rows, len(rows) >= asked

    def _by_keyset(self, selection: Selection) -> Iterator[list[Row]]:
        """Pages by ``keyset ge <last>``; by ``$skip`` where 1C refuses that comparison.

        Each page must end at a value where no page ended before, else 1C ignores the order.
        """
        shape, name = selection.shape, selection.keyset
        size = _Size(self._page_bytes)
        identity: Callable[[Row], Hashable] = shape.getter(*selection.identity)
        last: str | None = None
        known: set[Hashable] = set()
        ends: set[str] = set()
        while True:
            after = self.queries.clause(shape.entity, name, last, "ge") if last is not None else ""
            where = all_of([after, selection.where])
            asked = size.rows
            try:
                rows, full = self._page(selection, size, where, 0, (name,))
            except failures.QueryRefusedError as error:
                if last is None:
                    raise
                logger.info(
                    "1C does not compare the key, reading by $skip", code=error.internal_code
                )
                yield from self._by_skip(selection)
                return
            ids = list(map(identity, rows))
            fresh = _without(rows, ids, known)
            if fresh:
                yield fresh
            if not full:
                return
            reached = self._reached(selection, rows)
            if reached == last or not fresh:
                size.rows = max(size.rows, asked)
                if not size.grow():
                    raise failures.UnstableOrderError(place=shape.entity.name)
                known.update(ids)
            elif reached in ends:
                raise failures.UnstableOrderError(place=shape.entity.name)
            else:
                last, known = reached, set(ids)
                ends.add(reached)
                size.floor = _SMALLEST

    def _reached(self, selection: Selection, rows: Sequence[Row]) -> str:
        """The keyset value at the end of a page.

        Asked for by key it must come with the DataVersion of the page: an object rewritten
        meanwhile may stand elsewhere in the order by now, and the one before it is taken.
        """
        shape, name = selection.shape, selection.keyset
        if name in shape.names:
            return shape.texts(rows[-1:], name)[0] or ""
        end = RowDecoder(shape.entity, [name, "DataVersion"])
        last = rows[-_TRIES:]
        for ref, version in zip(
            reversed(shape.refs(last)), reversed(shape.texts(last, "DataVersion")), strict=True
        ):
            query = self.queries.one(shape.entity, ref, end.select)
            try:
                row = self.session.get(query.path, query.params, decode=end.decode_one)
            except failures.ObjectNotFoundError:
                continue
            if end.texts([row], "DataVersion") == [version]:
                return end.texts([row], name)[0] or ""
        raise failures.UnstableOrderError(place=shape.entity.name)

    def _by_skip(self, selection: Selection) -> Iterator[list[Row]]:
        """Pages by ``$skip``, each overlapping the one before it.

        The overlap is at most half a page, so that the smallest page still moves on.
        """
        place = selection.shape.entity.name
        size = _Size(self._page_bytes)
        identity: Callable[[Row], Hashable] = selection.shape.getter(*selection.identity)
        before: list[Row] = []
        overlap = _OVERLAP
        position = steps = idle = 0
        while True:
            start = max(0, position - overlap)
            rows, full = self._page(selection, size, selection.where, start, selection.order)
            if full and start + len(rows) <= position:
                if overlap == 0:
                    raise failures.UnstableOrderError(place=place)
                overlap = len(rows) // 2 if len(rows) < overlap else overlap // 2
                continue
            fresh = _behind(rows, before, position - start, identity)
            if fresh is None and start:
                steps += 1
                if steps > _STEPS_BACK:
                    raise failures.UnstableOrderError(place=place)
                position = max(0, start - len(before) + overlap)
                logger.info("rows moved between two pages, stepping back", skip=position)
                continue
            if fresh is None:
                fresh = rows
            idle = 0 if fresh else idle + 1
            if idle >= _IDLE_PAGES:
                raise failures.UnstableOrderError(place=place)
            if fresh:
                yield fresh
            if not full:
                return
            position, before = start + len(rows), rows
            overlap = min(_OVERLAP, len(rows) // 2)

    def prove_filters(self, entity: Entity, known: str) -> None:
        """Ask for an object that is there or one that cannot be: only the first may come.

        In compatibility mode 8.2.13 every filter gives an empty set; elsewhere a filter was
        dropped and another row came back. Both come with status 200.

        Raises:
            FilterIgnoredError: the answer is another.
        """
        shape = RowDecoder(entity, ["Ref_Key"])
        clauses = [self.queries.clause(entity, "Ref_Key", ref) for ref in (known, _NOBODY)]
        query = self.queries.page(entity, shape.select, top=2, where=any_of(clauses))
        if shape.refs(self.rows(query, shape)) != [known]:
            raise failures.FilterIgnoredError(place=entity.name)

    def by_keys(
        self,
        shape: RowDecoder,
        refs: Sequence[str],
        *,
        clause: Callable[[str], str] | None = None,
        where: str = "",
        order: Sequence[str] = (),
    ) -> Iterator[tuple[list[str], list[Row]]]:
        """Rows whose Ref_Key is one of the references, as many a request as fit a URL.

        ``clause`` makes a filter of a reference where it is not the Ref_Key that is compared.

        Yields:
            The references of one request, in canonical form, and the rows 1C returned for them.

        Raises:
            FilterIgnoredError: 1C returned an object that was not asked for.
        """
        entity = shape.entity
        of = clause or (lambda ref: self.queries.clause(entity, "Ref_Key", ref))
        wanted = list(dict.fromkeys(map(canonical, refs)))
        while wanted:
            taken = self._fitting(shape, list(map(of, wanted[:_MOST_KEYS])), where, order)
            query = self._keyed(shape, list(map(of, wanted[:taken])), where, order)
            rows = self.rows(query, shape)
            if clause is None and not set(shape.refs(rows)) <= set(wanted[:taken]):
                raise failures.FilterIgnoredError(place=entity.name)
            yield wanted[:taken], rows
            wanted = wanted[taken:]

    def _keyed(
        self, shape: RowDecoder, clauses: Sequence[str], where: str, order: Sequence[str]
    ) -> Query:
        keys = any_of(clauses)
        scope = f"({where})" if where else ""
        return self.queries.page(
            shape.entity, shape.select, top=_LARGEST, where=all_of([keys, scope]), order=order
        )

    def _fitting(
        self, shape: RowDecoder, clauses: Sequence[str], where: str, order: Sequence[str]
    ) -> int:
        """How many of the clauses one URL holds; at least one."""

        def length(count: int) -> int:
            query = self._keyed(shape, clauses[:count], where, order)
            return len(self.session.address(query.path, query.params))

        few, many = 1, len(clauses)
        if length(many) <= self._max_url:
            return many
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (middle, many) if length(middle) <= self._max_url else (few, middle)
        return few

    def count(self, selection: Selection) -> int:
        """How many rows there are: asked for, or where ``/$count`` is not served, counted.

        Raises:
            OnecError: 1C cannot be read at all.
        """
        if self.counts:
            query = self.queries.count(selection.shape.entity, selection.where)
            try:
                counted: int = self.session.get(query.path, query.params, decode=decode_count)
                return counted
            except (
                failures.PublicationNotFoundError,
                failures.QueryRefusedError,
                failures.NameNotFoundError,
                failures.NotOdataError,
                failures.UnexpectedAnswerError,
                failures.ServerFailureError,
            ) as error:
                logger.info("1C does not serve $count, counting keys", reason=type(error).__name__)
                self.counts = False
        return sum(map(len, self.pages(selection)))


def _behind(
    rows: list[Row], before: list[Row], overlap: int, identity: Callable[[Row], Hashable]
) -> list[Row] | None:
    """What of the rows the page before did not have; ``None`` when the pages do not touch.

    As a rule the overlap is just the end of the page before, and nothing else is looked at.
    """
    if not before:
        return rows
    end = list(map(identity, before[-overlap:]))
    if overlap and list(map(identity, rows[:overlap])) == end:
        return rows[overlap:]
    known = set(map(identity, before))
    ids = list(map(identity, rows))
    return None if known.isdisjoint(ids) else _without(rows, ids, known)


def _without(rows: list[Row], ids: list[Hashable], known: set[Hashable]) -> list[Row]:
    """The rows that the page before did not have."""
    if known.isdisjoint(ids):
        return rows
    return [row for row, one in zip(rows, ids, strict=True) if one not in known]
