"""A catalogue of a million rows: computed rows, and over them those written since.

Rows below ``size`` are computed by :class:`LazyRows`; the others are the rows of an ordinary
catalogue that holds what was written. A computed object that is written moves there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.million.rows import LazyRows
from zvirka.simulator.composition import group_count
from zvirka.simulator.configurations import (
    CONTACTS,
    COUNTERPARTIES,
    PARTNERS,
    ConfigurationKind,
    EntityType,
    section_type,
    shape,
)
from zvirka.simulator.filters import Node, names_in
from zvirka.simulator.infobase import Infobase
from zvirka.simulator.predicates import predicate
from zvirka.simulator.selection import one_by_one, sort
from zvirka.simulator.simulated_catalogue import (
    Catalogue,
    Ids,
    Object,
    SimulatedCatalogue,
    sort_column,
)

CONTACT_FIELDS = (
    "LineNumber",
    "Тип",
    "Вид_Key",
    "Представление",
    "ЗначенияПолей",
    "Страна",
    "Регион",
    "Город",
    "АдресЭП",
    "ДоменноеИмяСервера",
    "НомерТелефона",
    "НомерТелефонаБезКодов",
    "ВидДляСписка_Key",
    "ДействуетС",
    "Значение",
)

Flags = tuple[Ids, list[Any]]
"""A property of few values: a code for each row, and the values the codes stand for."""


def lazy_infobase(kind: ConfigurationKind, counterparties: int, seed: int) -> Infobase:
    """Return a base equal to ``Infobase.generate(kind, counterparties, seed)``, row by row."""
    types = shape(kind)
    groups = group_count(counterparties) if types.folders else 0
    return Infobase(types, LazyContent(kind, seed, counterparties + groups, groups))


@dataclass(frozen=True)
class LazyContent:
    """The content of a base, as :class:`zvirka.simulator.invented.Invented`."""

    kind: ConfigurationKind
    seed: int
    size: int
    groups: int

    @cached_property
    def _rows(self) -> LazyRows:
        return LazyRows(self.kind, self.seed, self.size, self.groups)

    def catalogue(self, type_: EntityType) -> Catalogue:
        """Return the catalogue of that type."""
        rows = {COUNTERPARTIES: self._rows, PARTNERS: self._rows.partner}.get(type_.name)
        return SimulatedCatalogue(type_) if rows is None else LazyCatalogue(type_, rows)

    def code(self, index: int) -> str:
        """Return the Код of that number."""
        return self._rows.code(index)


class LazyCatalogue:
    """A catalogue whose rows are computed, with what was written over them."""

    def __init__(self, type_: EntityType, rows: LazyRows) -> None:
        self.type = type_
        self.rows = rows
        self.size = rows.size
        self.written = SimulatedCatalogue(type_)
        self._replaced: NDArray[np.bool_] = np.zeros(self.size, dtype=np.bool_)
        self._orders: dict[str, tuple[Ids, list[str]]] = {}

    @property
    def stamp(self) -> int:
        """Counts the writes."""
        return self.written.stamp

    def ids(self) -> Ids:
        """All rows."""
        computed = np.flatnonzero(~self._replaced).astype(np.int64)
        return np.concatenate([computed, self.written.ids() + self.size])

    def find(self, ref: str) -> int | None:
        """The row of that Ref_Key."""
        row = self.written.find(ref)
        if row is not None:
            return row + self.size
        index = self.rows.index(ref)
        return None if index is None or self._replaced[index] else index

    def named(self, refs: set[str], name: str) -> list[int] | None:
        """The rows of these references, if ``name`` is the property that names a row."""
        if name != "Ref_Key":
            return None
        return [row for ref in refs if (row := self.find(ref)) is not None]

    def object(self, row: int) -> Object:
        """A copy of the object of that row with its lines."""
        if row >= self.size:
            return self.written.object(row - self.size)
        ids = np.array([row], dtype=np.int64)
        columns = self.rows.columns(ids, self.type.names)
        values = {name: column[0] for name, column in zip(self.type.names, columns, strict=True)}
        sections: dict[str, list[dict[str, Any]]] = {each.name: [] for each in self.type.sections}
        count = int(self.rows.line_counts(ids)[0])
        lines = self.rows.line_columns(
            np.repeat(ids, count), np.arange(1, count + 1), CONTACT_FIELDS
        )
        sections[CONTACTS] = [
            dict(zip(CONTACT_FIELDS, line, strict=True)) for line in zip(*lines, strict=True)
        ]
        return Object(values, sections)

    def put(self, written: Object) -> None:
        """Write an object, new or known."""
        self._replace(written.ref)
        self.written.put(written)

    def remove(self, ref: str) -> None:
        """Delete an object physically."""
        self._replace(ref)
        self.written.remove(ref)

    def _replace(self, ref: str) -> None:
        index = self.rows.index(ref)
        if index is not None:
            self._replaced[index] = True

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of these rows, a list a property."""
        return self._woven(
            ids >= self.size,
            lambda at: self.rows.columns(ids[at], names),
            lambda at: self.written.columns(ids[at] - self.size, names),
        )

    def line_counts(self, section: str, ids: Ids) -> Ids:
        """How many lines of that section each row has."""
        counts = np.zeros(len(ids), dtype=np.int64)
        late = ids >= self.size
        if section == CONTACTS:
            counts[~late] = self.rows.line_counts(ids[~late])
        counts[late] = self.written.line_counts(section, ids[late] - self.size)
        return counts

    def line_columns(
        self, section: str, owners: Ids, numbers: Ids, names: Sequence[str]
    ) -> list[list[Any]]:
        """Values of these properties of lines, a list a property."""
        return self._woven(
            owners >= self.size,
            lambda at: self.rows.line_columns(owners[at], numbers[at], names),
            lambda at: self.written.line_columns(
                section, owners[at] - self.size, numbers[at], names
            ),
        )

    @staticmethod
    def _woven(
        late: NDArray[np.bool_],
        computed: Callable[[NDArray[np.bool_]], list[list[Any]]],
        written: Callable[[NDArray[np.bool_]], list[list[Any]]],
    ) -> list[list[Any]]:
        """Columns of computed and written rows, in the order of the rows asked for."""
        if not late.any():
            return computed(~late)
        if late.all():
            return written(late)
        return [
            [next(two) if is_late else next(one) for is_late in late.tolist()]
            for one, two in (
                (iter(first), iter(second))
                for first, second in zip(computed(~late), written(late), strict=True)
            )
        ]

    def sort_column(self, ids: Ids, name: str) -> list[Any]:
        """What rows are ordered by: a reference stands for its presentation."""
        return sort_column(self, ids, name)

    def ordered_by(self, name: str) -> Ids | None:
        """Code and Description: the computed rows, sorted once, with the written ones between."""
        if name not in {"Code", "Description"}:
            return None
        if name not in self._orders:
            every = np.arange(self.size)
            keys = sort_column(self, every, name)
            if any(one > two for one, two in pairwise(keys)):
                every = np.array(sorted(range(self.size), key=keys.__getitem__), dtype=np.int64)
                keys = [keys[row] for row in every.tolist()]
            self._orders[name] = every, keys
        rows, keys = self._orders[name]
        keep = ~self._replaced[rows]
        late = sort(self, self.written.ids() + self.size, ((name, False),))
        before = np.concatenate([[0], np.cumsum(keep)])
        places = [bisect_right(keys, each) for each in self.sort_column(late, name)]
        return np.insert(rows[keep], before[np.array(places, dtype=np.int64)], late)

    def matching(self, ids: Ids, where: Node) -> NDArray[np.bool_] | None:
        """Which rows the filter admits, if it reads only properties of few values."""
        late = ids >= self.size
        flags = {name: self.rows.flags(ids[~late], name) for name in names_in(where)}
        known = _by_flags(self.type, flags, where, int((~late).sum()))
        if known is None:
            return None
        result = np.empty(len(ids), dtype=np.bool_)
        result[~late] = known
        result[late] = one_by_one(self, ids[late], where)
        return result

    def matching_lines(
        self, section: str, owners: Ids, numbers: Ids, where: Node
    ) -> NDArray[np.bool_] | None:
        """Which lines the filter admits, if no owner was written and it reads such properties."""
        lines = next((each for each in self.type.sections if each.name == section), None)
        if lines is None or section != CONTACTS or (owners >= self.size).any():
            return None
        flags = {name: self.rows.line_flags(owners, numbers, name) for name in names_in(where)}
        return _by_flags(section_type(self.type, lines), flags, where, len(owners))

    def snapshot(self) -> Any:
        """What was written, for :meth:`restore`."""
        return self.written.snapshot(), self._replaced.copy()

    def restore(self, kept: Any) -> None:
        """Go back to a snapshot, versions and all."""
        self.written.restore(kept[0])
        self._replaced = kept[1].copy()


def _by_flags(
    type_: EntityType, flags: dict[str, Flags | None], where: Node, count: int
) -> NDArray[np.bool_] | None:
    """Decide the filter once for each combination of values."""
    if not flags or type_.presentation in flags:
        return None
    joint = np.zeros(count, dtype=np.int64)
    cases: list[dict[str, Any]] = [{type_.presentation: ""}]
    for name, found in sorted(flags.items()):
        if found is None:
            return None
        codes, values = found
        joint = joint * len(values) + codes
        cases = [case | {name: value} for case in cases for value in values]
    holds = predicate(where, type_)
    return np.array([holds(case) for case in cases], dtype=np.bool_)[joint]
