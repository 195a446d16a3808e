"""A catalogue: what was generated, and over it what was written since; and small tables.

Rows are named by integers. Below ``size`` it is the index of a generated object; from ``size``
on, a slot that holds a written one. A generated object that is changed moves into a slot.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from zvirka.simulator.configurations import CONTACTS, EntityType
from zvirka.simulator.generated import Generated
from zvirka.simulator.generator import Ids
from zvirka.simulator.predicates import collated


class Object(msgspec.Struct):
    """A written object: its properties by name and the lines of its tabular sections."""

    values: dict[str, Any]
    sections: dict[str, list[dict[str, Any]]]

    @property
    def ref(self) -> str:
        """Ref_Key."""
        return str(self.values["Ref_Key"])


class SimulatedCatalogue:
    """The objects of one catalogue, generated and written. ``stamp`` counts the writes."""

    def __init__(self, type_: EntityType, generated: Generated | None = None) -> None:
        self.type = type_
        self.generated = generated
        self.size = generated.size if generated else 0
        self.slots: list[Object | None] = []
        self.slot_of: dict[str, int] = {}
        self.touched: NDArray[np.bool_] = np.zeros(self.size, dtype=np.bool_)
        self.stamp = 0

    def ids(self) -> Ids:
        """All rows, in no order anybody may rely on."""
        base = np.flatnonzero(~self.touched).astype(np.int64)
        slots = [self.size + n for n, each in enumerate(self.slots) if each is not None]
        return np.concatenate([base, np.array(slots, dtype=np.int64)])

    def find(self, ref: str) -> int | None:
        """The row of that Ref_Key."""
        slot = self.slot_of.get(ref)
        if slot is not None:
            return self.size + slot
        index = self.generated.index(ref) if self.generated else None
        return None if index is None or self.touched[index] else index

    def named(self, refs: set[str], name: str) -> list[int] | None:
        """The rows of these references, when ``name`` is the property that names the row."""
        if name != "Ref_Key":
            return None
        found = (self.find(ref) for ref in refs)
        return [each for each in found if each is not None]

    def slot(self, row: int) -> Object:
        """The written object of that row."""
        found = self.slots[row - self.size]
        if found is None:
            raise KeyError(row)
        return found

    def object(self, row: int) -> Object:
        """A copy of the object of that row, generated or written, with its lines."""
        if row >= self.size:
            return copy.deepcopy(self.slot(row))
        names = self.type.names
        ids = np.array([row], dtype=np.int64)
        values = {
            name: column[0] for name, column in zip(names, self.columns(ids, names), strict=True)
        }
        sections: dict[str, list[dict[str, Any]]] = {each.name: [] for each in self.type.sections}
        sections.setdefault(CONTACTS, [])
        assert self.generated is not None
        count = int(self.generated.line_counts(ids)[0])
        if count:
            owners = np.repeat(ids, count)
            numbers = np.arange(1, count + 1)
            fields = CONTACT_FIELDS
            columns = self.generated.line_columns(owners, numbers, fields)
            sections[CONTACTS] = [
                dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)
            ]
        return Object(values, sections)

    def put(self, written: Object) -> None:
        """Write an object, new or known."""
        self.stamp += 1
        slot = self.slot_of.get(written.ref)
        if slot is not None:
            self.slots[slot] = written
            return
        self._touch(written.ref)
        self.slot_of[written.ref] = len(self.slots)
        self.slots.append(written)

    def remove(self, ref: str) -> None:
        """Delete an object physically."""
        self.stamp += 1
        slot = self.slot_of.pop(ref, None)
        if slot is not None:
            self.slots[slot] = None
        self._touch(ref)

    def _touch(self, ref: str) -> None:
        index = self.generated.index(ref) if self.generated else None
        if index is not None:
            self.touched[index] = True

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of these rows, a list a property."""
        written = ids >= self.size
        if not len(ids):
            return [[] for _ in names]
        if not written.any():
            assert self.generated is not None
            return self.generated.columns(ids, names)
        rows = [self.slot(row).values for row in ids[written].tolist()]
        late = [[row[name] for row in rows] for name in names]
        if written.all() or self.generated is None:
            return late
        early = self.generated.columns(ids[~written], names)
        return [woven(written, *pair) for pair in zip(early, late, strict=True)]

    def flags(self, ids: Ids, name: str) -> tuple[Ids, list[Any]] | None:
        """A property of few values as codes and values, for generated rows."""
        return self.generated.flags(ids, name) if self.generated else None

    def is_written(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these rows were written."""
        return np.asarray(ids >= self.size)

    def sort_column(self, ids: Ids, name: str) -> list[Any]:
        """What rows are ordered by: a reference stands for its presentation."""
        name = self.type.presentation if name == "Ref_Key" else name
        column = self.columns(ids, [name])[0]
        return [collated(each) if isinstance(each, str) else each for each in column]

    def line_counts(self, section: str, ids: Ids) -> Ids:
        """How many lines of that section each row has."""
        counts = np.zeros(len(ids), dtype=np.int64)
        written = ids >= self.size
        if self.generated is not None and section == CONTACTS:
            counts[~written] = self.generated.line_counts(ids[~written])
        counts[written] = [len(self.slot(row).sections[section]) for row in ids[written].tolist()]
        return counts

    def snapshot(self) -> tuple[list[Object | None], dict[str, int], NDArray[np.bool_]]:
        """What was written, to be put back by :meth:`restore`."""
        return copy.deepcopy(self.slots), dict(self.slot_of), self.touched.copy()

    def restore(self, kept: tuple[list[Object | None], dict[str, int], NDArray[np.bool_]]) -> None:
        """Go back to a snapshot, versions and all."""
        slots, slot_of, touched = kept
        self.slots, self.slot_of, self.touched = copy.deepcopy(slots), dict(slot_of), touched.copy()
        self.stamp += 1


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


def woven(written: NDArray[np.bool_], early: list[Any], late: list[Any]) -> list[Any]:
    """One column of two: ``late`` where written, ``early`` elsewhere."""
    one, two = iter(early), iter(late)
    return [next(two) if each else next(one) for each in written.tolist()]


class SmallTable:
    """A table of few rows, held whole: the kinds, the nodes of the exchange plan, the outbox."""

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
        """The rows of these references, when ``name`` names the row."""
        if name != "Ref_Key":
            return None
        return [n for n, row in enumerate(self.rows) if row["Ref_Key"] in refs]

    def is_written(self, ids: Ids) -> NDArray[np.bool_]:
        """All of them count as written."""
        return np.ones(len(ids), dtype=np.bool_)

    def columns(self, ids: Ids, names: Sequence[str]) -> list[list[Any]]:
        """Values of these properties of these rows, a list a property."""
        rows = [self.rows[n] for n in ids.tolist()]
        return [[row[name] for row in rows] for name in names]

    def flags(self, _ids: Ids, _name: str) -> tuple[Ids, list[Any]] | None:
        """None: the rows are looked at one by one."""
        return None

    def sort_column(self, ids: Ids, name: str) -> list[Any]:
        """What rows are ordered by."""
        name = self.type.presentation if name == "Ref_Key" else name
        column = self.columns(ids, [name])[0]
        return [collated(each) if isinstance(each, str) else each for each in column]
