"""Which rows a query means, and in which order.

Orders and filtered sets are kept until the next write, so that page after page of a deep
``$skip`` costs a slice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvirka.simulator.filters import (
    Binary,
    Literal,
    Name,
    Node,
    conjuncts,
    names_in,
    refs_named,
    text_of,
)
from zvirka.simulator.lines import LineTable, Table, nested
from zvirka.simulator.predicates import collated, predicate
from zvirka.simulator.refusals import incomparable, segment_not_found
from zvirka.simulator.simulated_catalogue import Ids, SmallTable

Order = tuple[tuple[str, bool], ...]
"""Property and whether it descends, the most significant first."""

_CHUNK = 50_000


class Selector:
    """Answers which rows of a table a filter admits, in the wanted order."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Ids] = OrderedDict()
        self._turn = 0

    def rows(self, table: Table, where: Node | None, order: Order) -> Ids:
        """The rows of the table that the filter admits, in that order.

        Raises:
            Refusal: an unknown property, or one that cannot be compared or sorted.
        """
        check_order(table, order)
        if where is None:
            return self.ordered(table, order)
        predicate(where, table.type)
        candidates = self._candidates(table, where)
        if candidates is not None:
            rows = candidates[matching(table, candidates, where)]
            return sort(table, rows, order)
        rest, lowest = _split(table, where, order)
        rows = self._filtered(table, rest, order)
        return rows if lowest is None else rows[_place(table, rows, lowest) :]

    def ordered(self, table: Table, order: Order) -> Ids:
        """All rows of the table in that order."""
        if isinstance(table, LineTable) and order == (("Ref_Key", False),):
            # LineTable of one owner come in whatever order: pages cut inside an owner lose lines.
            self._turn += 1
            owners = self.ordered(table.owner, order)
            return table.of(owners, backwards=self._turn % 2 == 0)
        return self._keep(
            (table.type.name, order, "", table.stamp), lambda: self._sort(table, order)
        )

    def _filtered(self, table: Table, rest: list[Node], order: Order) -> Ids:
        rows = self.ordered(table, order)
        if not rest:
            return rows
        text = " and ".join(text_of(each) for each in rest)

        def compute() -> Ids:
            found = rows
            for each in rest:
                found = found[matching(table, found, each)]
            return found

        return self._keep((table.type.name, order, text, table.stamp), compute)

    def _keep(self, key: Hashable, compute: Callable[[], Ids]) -> Ids:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        self._kept[key] = found = compute()
        while len(self._kept) > 8:
            self._kept.popitem(last=False)
        return found

    def _candidates(self, table: Table, where: Node) -> Ids | None:
        for name in ("Ref_Key", "Объект"):
            refs = refs_named(where, name)
            found = None if refs is None else table.named(refs, name)
            if found is not None:
                return np.array(found, dtype=np.int64)
        return None

    def _sort(self, table: Table, order: Order) -> Ids:
        if not order:
            return table.ids()
        if not isinstance(table, LineTable | SmallTable) and len(order) == 1 and not order[0][1]:
            name = table.type.presentation if order[0][0] == "Ref_Key" else order[0][0]
            if (known := table.ordered_by(name)) is not None:
                return known
        if isinstance(table, LineTable) and order == (("Ref_Key", False), ("LineNumber", False)):
            return table.of(self.ordered(table.owner, order[:1]))
        return sort(table, table.ids(), order)


def check_order(table: Table, order: Order) -> None:
    """Refuse an order by an unknown property or by a string of unlimited length."""
    for name, _ in order:
        found = table.type.find(name)
        if found is None:
            raise segment_not_found(name)
        if found.unlimited:
            raise incomparable()


def sort(table: Table, rows: Ids, order: Order) -> Ids:
    """These rows in that order; the sort is stable."""
    for name, descending in reversed(order):
        keys = table.sort_column(rows, name)
        ranks = [(each is not None, each) for each in keys]
        places = sorted(range(len(rows)), key=ranks.__getitem__, reverse=descending)
        rows = rows[np.array(places, dtype=np.int64)]
    return rows


def matching(table: Table, rows: Ids, where: Node) -> NDArray[np.bool_]:
    """Which of these rows the filter admits."""
    known = table.matching(rows, where)
    return one_by_one(table, rows, where) if known is None else known


def one_by_one(table: Table, rows: Ids, where: Node) -> NDArray[np.bool_]:
    """Which of these rows the filter admits, found by reading each."""
    read = names_in(where)
    presented = any(each.reference for each in table.type.properties if each.name in read)
    names = sorted(read | ({table.type.presentation} if presented else set()))
    holds = predicate(where, table.type)
    found: list[bool] = []
    for start in range(0, len(rows), _CHUNK):
        columns = _columns(table, rows[start : start + _CHUNK], names)
        found.extend(
            holds(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)
        )
    return np.array(found, dtype=np.bool_)


def _columns(table: Table, rows: Ids, names: list[str]) -> list[list[Any]]:
    """Values of these properties, tabular sections among them."""
    sections = {each.name for each in table.type.sections} & set(names)
    flat = [name for name in names if name not in sections]
    found: dict[str, list[Any]] = dict(zip(flat, table.columns(rows, flat), strict=True))
    return [found[n] if n in found else nested(table, n, rows) for n in names]


def _split(table: Table, where: Node, order: Order) -> tuple[list[Node], tuple[str, str] | None]:
    """The filter without its lower bound on Код, and that bound, when Код orders the rows."""
    rest: list[Node] = []
    lowest: tuple[str, str] | None = None
    keyset = not isinstance(table, LineTable | SmallTable) and order[:1] == (("Code", False),)
    for each in conjuncts(where):
        match each:
            case Binary("ge" | "gt" as operator, Name("Code"), Literal("string", value)) if (
                keyset and lowest is None
            ):
                lowest = (operator, collated(str(value)))
            case _:
                rest.append(each)
    return rest, lowest


def _place(table: Table, rows: Ids, lowest: tuple[str, str]) -> int:
    operator, value = lowest
    search = bisect_left if operator == "ge" else bisect_right

    def key(row: np.int64) -> str:
        return str(table.sort_column(np.array([row]), "Code")[0])

    return search(rows, value, key=key)
