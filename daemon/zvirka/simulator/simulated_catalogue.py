"""The tables of a base: what a table can be asked, catalogues of objects, and small tables.

Rows are named by integers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from zvirka.simulator.configurations import EntityType
from zvirka.simulator.filters import Node
from zvirka.simulator.predicates import collated

Ids = NDArray[np.int64]


class Object(msgspec.Struct):
    """An object: its properties by name and the lines of its tabular sections."""

    values: dict[str, Any]
    sections: dict[str, list[dict[str, Any]]]

    @property
    def ref(self) -> str:
        """Ref_Key."""
        return str(self.values["Ref_Key"])


class Rows(Protocol):
    """What a query asks of a table."""

    type: EntityType

    @property
    def stamp(self) -> int:
        """Counts the writes."""
        ...

    def ids(self) -> Ids:
        """All rows, in no particular order."""
        ...

    def named(self, refs: set[str], name: str) -> list[int] | None:
        """The rows of these references, if ``name`` is the property that names a row."""
        ...

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of these rows, a list a property."""
        ...

    def sort_column(self, ids: Ids, name: str) -> list[Any]:
        """What rows are ordered by: a reference stands for its presentation."""
        ...

    def matching(self, ids: Ids, where: Node) -> NDArray[np.bool_] | None:
        """Which rows the filter admits; ``None`` if the table cannot tell without reading them."""
        ...


class Catalogue(Rows, Protocol):
    """A catalogue: objects with tabular sections, to be read and written."""

    def find(self, ref: str) -> int | None:
        """The row of that Ref_Key."""
        ...

    def object(self, row: int) -> Object:
        """A copy of the object of that row with its lines."""
        ...

    def put(self, written: Object) -> None:
        """Write an object, new or known."""
        ...

    def remove(self, ref: str) -> None:
        """Delete an object physically."""
        ...

    def line_counts(self, section: str, ids: Ids) -> Ids:
        """How many lines of that section each row has."""
        ...

    def line_columns(
        self, section: str, owners: Ids, numbers: Ids, names: Sequence[str]
    ) -> list[list[Any]]:
        """Values of these properties of lines, a list a property; lines count from 1."""
        ...

    def ordered_by(self, name: str) -> Ids | None:
        """All rows ascending by that property; ``None`` if the table keeps no such order."""
        ...

    def matching_lines(
        self, section: str, owners: Ids, numbers: Ids, where: Node
    ) -> NDArray[np.bool_] | None:
        """As :meth:`matching`, for lines of a section."""
        ...

    def snapshot(self) -> Any:
        """Everything in it, for :meth:`restore`."""
        ...

    def restore(self, kept: Any) -> None:
        """Go back to a snapshot, versions and all."""
        ...


class SimulatedCatalogue:
    """A catalogue whose objects are all held in memory."""

    def __init__(self, type_: EntityType) -> None:
        self.type = type_
        self.stamp = 0
        self._objects: list[Object | None] = []
        self._row_of: dict[str, int] = {}

    def ids(self) -> Ids:
        """All rows, in no particular order."""
        found = [row for row, each in enumerate(self._objects) if each is not None]
        return np.array(found, dtype=np.int64)

    def find(self, ref: str) -> int | None:
        """The row of that Ref_Key."""
        return self._row_of.get(ref)

    def named(self, refs: set[str], name: str) -> list[int] | None:
        """The rows of these references, if ``name`` is the property that names a row."""
        if name != "Ref_Key":
            return None
        return [self._row_of[ref] for ref in refs if ref in self._row_of]

    def object(self, row: int) -> Object:
        """A copy of the object of that row with its lines."""
        return copy.deepcopy(self._object(row))

    def put(self, written: Object) -> None:
        """Write an object, new or known."""
        self.stamp += 1
        row = self._row_of.setdefault(written.ref, len(self._objects))
        if row == len(self._objects):
            self._objects.append(written)
        self._objects[row] = written

    def remove(self, ref: str) -> None:
        """Delete an object physically."""
        self.stamp += 1
        row = self._row_of.pop(ref, None)
        if row is not None:
            self._objects[row] = None

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of these rows, a list a property."""
        rows = [self._object(row).values for row in ids.tolist()]
        return [[row[name] for row in rows] for name in names]

    def sort_column(self, ids: Ids, name: str) -> list[Any]:
        """What rows are ordered by: a reference stands for its presentation."""
        return sort_column(self, ids, name)

    def line_counts(self, section: str, ids: Ids) -> Ids:
        """How many lines of that section each row has."""
        counts = [len(self._object(row).sections[section]) for row in ids.tolist()]
        return np.array(counts, dtype=np.int64)

    def line_columns(
        self, section: str, owners: Ids, numbers: Ids, names: Sequence[str]
    ) -> list[list[Any]]:
        """Values of these properties of lines, a list a property; lines count from 1."""
        rows = []
        for owner, number in zip(owners.tolist(), numbers.tolist(), strict=True):
            found = self._object(owner)
            rows.append({"Ref_Key": found.ref, **found.sections[section][number - 1]})
        return [[row[name] for row in rows] for name in names]

    def ordered_by(self, _name: str) -> Ids | None:
        """No order is kept."""
        return None

    def matching(self, _ids: Ids, _where: Node) -> NDArray[np.bool_] | None:
        """Every row has to be read."""
        return None

    def matching_lines(
        self, _section: str, _owners: Ids, _numbers: Ids, _where: Node
    ) -> NDArray[np.bool_] | None:
        """Every line has to be read."""
        return None

    def snapshot(self) -> tuple[list[Object | None], dict[str, int]]:
        """Everything in it, for :meth:`restore`."""
        return copy.deepcopy(self._objects), dict(self._row_of)

    def restore(self, kept: tuple[list[Object | None], dict[str, int]]) -> None:
        """Go back to a snapshot, versions and all."""
        self._objects, self._row_of = copy.deepcopy(kept[0]), dict(kept[1])
        self.stamp += 1

    def _object(self, row: int) -> Object:
        found = self._objects[row]
        if found is None:
            raise KeyError(row)
        return found


class SmallTable:
    """A table of few rows without sections: kinds, nodes of the exchange plan, the outbox."""

    def __init__(self, type_: EntityType, rows: list[dict[str, Any]]) -> None:
        self.type = type_
        self.rows = rows
        self.stamp = 0

    def ids(self) -> Ids:
        """All rows."""
        return np.arange(len(self.rows))

    def find(self, ref: str) -> int | None:
        """The row of that Ref_Key."""
        return next((n for n, row in enumerate(self.rows) if row.get("Ref_Key") == ref), None)

    def named(self, refs: set[str], name: str) -> list[int] | None:
        """The rows of these references, if ``name`` names the row."""
        if name != "Ref_Key":
            return None
        return [n for n, row in enumerate(self.rows) if row["Ref_Key"] in refs]

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of these rows, a list a property."""
        rows = [self.rows[n] for n in ids.tolist()]
        return [[row[name] for row in rows] for name in names]

    def sort_column(self, ids: Ids, name: str) -> list[Any]:
        """What rows are ordered by."""
        return sort_column(self, ids, name)

    def matching(self, _ids: Ids, _where: Node) -> NDArray[np.bool_] | None:
        """Every row has to be read."""
        return None


def sort_column(table: Rows, ids: Ids, name: str) -> list[Any]:
    """What rows are ordered by: texts as the database collates them, a presentation for a ref."""
    name = table.type.presentation if name == "Ref_Key" else name
    column = table.columns(ids, [name])[0]
    return [collated(each) if isinstance(each, str) else each for each in column]
