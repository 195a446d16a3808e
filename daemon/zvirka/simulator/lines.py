"""Tabular sections as tables of their own, and the contact register of older bases."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvirka.simulator.configurations import EntityType, TabularSection, section_type
from zvirka.simulator.filters import Node
from zvirka.simulator.predicates import collated
from zvirka.simulator.simulated_catalogue import Catalogue, Ids, SmallTable

LINE_SPAN = 64
"""A line is named by its owner's row times this, plus its number: no owner has more lines."""


class LineTable:
    """A tabular section as a table of its own, or the contact register of older bases.

    ``register`` gives the lines of the section КонтактнаяИнформация the names of the register.
    """

    def __init__(
        self, owner: Catalogue, section: TabularSection, register: EntityType | None
    ) -> None:
        self.owner = owner
        self.section = section
        self.register = register
        self.type = register or section_type(owner.type, section)

    @property
    def stamp(self) -> int:
        """Counts the writes to the owners."""
        return self.owner.stamp

    def ids(self) -> Ids:
        """All lines, owner by owner."""
        return self.of(self.owner.ids())

    def of(self, owners: Ids, *, backwards: bool = False) -> Ids:
        """The lines of these owners in their order."""
        counts = self.owner.line_counts(self.section.name, owners)
        ends = np.cumsum(counts)
        places = np.arange(int(ends[-1]) if len(ends) else 0)
        numbers = places - np.repeat(ends - counts, counts)
        if backwards:
            numbers = np.repeat(counts, counts) - 1 - numbers
        return np.repeat(owners, counts) * LINE_SPAN + numbers + 1

    def find(self, key: str) -> int | None:
        """A line is not read by key in this simulator."""
        raise KeyError(key)

    def named(self, refs: set[str], name: str) -> list[int] | None:
        """The lines of these owners, when ``name`` is the property that names the owner."""
        if name not in {"Ref_Key", "Объект"}:
            return None
        owners = self.owner.named(refs, "Ref_Key") or []
        return [int(each) for each in self.of(np.array(owners, dtype=np.int64))]

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of these lines, a list a property."""
        if self.register is not None:
            return self._register_columns(ids, names)
        return self._line_columns(ids, names)

    def _line_columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        owners, numbers = ids // LINE_SPAN, ids % LINE_SPAN
        return self.owner.line_columns(self.section.name, owners, numbers, names)

    def _register_columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        wanted = [each for each in names if each in _REGISTER_NAMES]
        found = self._line_columns(ids, [_REGISTER_NAMES[each] for each in wanted])
        given = dict(zip(wanted, found, strict=True))
        return [given.get(each) or [_REGISTER_CONSTANTS.get(each, "")] * len(ids) for each in names]

    def matching(self, ids: Ids, where: Node) -> NDArray[np.bool_] | None:
        """Which lines the filter admits, if the owner can tell."""
        if self.register is not None:
            return None
        owners, numbers = ids // LINE_SPAN, ids % LINE_SPAN
        return self.owner.matching_lines(self.section.name, owners, numbers, where)

    def sort_column(self, ids: Ids, name: str) -> list[Any]:
        """What lines are ordered by: the owner stands for its presentation."""
        if name in {"Ref_Key", "Объект"}:
            return self.owner.sort_column(ids // LINE_SPAN, "Ref_Key")
        if name == "LineNumber":
            return list((ids % LINE_SPAN).tolist())
        column = self.columns(ids, [name])[0]
        return [collated(each) if isinstance(each, str) else each for each in column]


def nested(table: Table, section: str, rows: Ids) -> list[list[dict[str, Any]]]:
    """The lines of a tabular section as they stand within their owners."""
    assert not isinstance(table, LineTable | SmallTable)
    found = next(each for each in table.type.sections if each.name == section)
    lines = LineTable(table, found, None)
    names = lines.type.names
    columns = lines.columns(lines.of(rows), names)
    flat = iter([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])
    counts = table.line_counts(section, rows).tolist()
    return [list(islice(flat, count)) for count in counts]


_REGISTER_NAMES = {
    "Объект": "Ref_Key",
    "Тип": "Тип",
    "Вид": "Вид_Key",
    "Представление": "Представление",
}
_REGISTER_CONSTANTS: dict[str, Any] = {
    "Объект_Type": "StandardODATA.Catalog_Контрагенты",
    "Вид_Type": "StandardODATA.Catalog_ВидыКонтактнойИнформации",
    "ЗначениеПоУмолчанию": False,
}


Table = Catalogue | LineTable | SmallTable
