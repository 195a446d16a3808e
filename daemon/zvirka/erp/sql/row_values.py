"""A correction with its values converted for the columns they go to, or the reason why not."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import msgspec

from zvirka.domain import Action, Correction, Values
from zvirka.erp.sql.conversion import storable
from zvirka.erp.sql.mapped_column import MappedColumn
from zvirka.erp.sql.referenced_rows import ReferencedRows
from zvirka.erp.sql.table_layout import Child, TableLayout
from zvirka.erp.sql.typed_values import UnstorableError, column_value
from zvirka.identity import trimmed
from zvirka.message import Message, joined


class ChildValues(msgspec.Struct, frozen=True):
    """What goes into the client's child row, which is there or is to be created."""

    values: dict[str, Any]
    exists: bool


class RowValues(msgspec.Struct, frozen=True):
    """A correction ready for the database; dictionaries go from column name to its value."""

    correction: Correction
    row: Any
    values: dict[str, Any]
    children: dict[str, ChildValues] = {}
    cut: tuple[str, ...] = ()
    left_out: dict[str, Message] = {}
    """Fields that cannot be stored, with the reason; the others are written."""
    waits: bool = False
    """A field was left out because the row it refers to is not there yet."""
    parked: bool = False
    """Its unique columns are empty by now, with which it may not be an owned row."""

    @property
    def shape(self) -> tuple[Action, bool, tuple[str, ...]]:
        """Corrections of one shape go through one statement."""
        return self.correction.action, self.correction.active, tuple(self.values)


def prepare(
    layout: TableLayout,
    correction: Correction,
    *,
    nul: bool,
    children: Container[tuple[str, Any]],
    parents: ReferencedRows,
    partly: bool = False,
) -> RowValues:
    """Convert the values of a correction; ``nul`` as in ``conversion.storable``.

    ``children`` holds name and parent of the child rows that are there. ``parents`` has looked up
    what the correction refers to. ``partly`` leaves out the fields that cannot be stored.

    Raises:
        UnstorableError: a value cannot be stored; with ``partly``, one without which nothing can
            be written.
    """
    row = column_value(layout.pk, correction.row) if correction.row else None
    if correction.action is Action.DELETE:
        return RowValues(correction, row, {})
    key = correction.key if correction.action is Action.CREATE else correction.new_key
    required = layout.required if correction.action is Action.CREATE else frozenset()
    convert = _Conversion(
        required | set(layout.key.fields) if partly else layout.fields, nul, parents
    )
    after = layout.key.with_canonical(correction.after)
    values = convert(layout.columns.values(), after)
    if key:
        _add_key(layout, key, correction.ref, values, nul=nul)
    into: dict[str, ChildValues] = {}
    for child in layout.children:
        exists = (child.name, row) in children
        given = _given(child, correction, exists=exists)
        if given is not None:
            columns = child.columns if exists else (*child.columns, *child.copies)
            into[child.name] = ChildValues(convert(columns, given), exists)
    if convert.left_out and not key and not values and not any(c.values for c in into.values()):
        raise UnstorableError(joined(convert.left_out.values()), waits=convert.waits)
    cut = tuple(dict.fromkeys(convert.cut))
    return RowValues(correction, row, values, into, cut, convert.left_out, convert.waits)


class _Conversion:
    """Converts fields to column values, and notes what had to be cut or left out."""

    def __init__(self, required: Container[str], nul: bool, parents: ReferencedRows) -> None:
        self._required = required
        self._nul = nul
        self._parents = parents
        self.waits = False
        self.cut: list[str] = []
        self.left_out: dict[str, Message] = {}

    def __call__(self, targets: Iterable[MappedColumn], given: Values) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for target in targets:
            if target.field not in given:
                continue
            try:
                value, was_cut = self._stored(target, given[target.field])
            except UnstorableError as refusal:
                if target.field in self._required:
                    raise
                self.left_out[target.field] = refusal.reason
                self.waits = self.waits or refusal.waits
                continue
            values[target.column.name] = value
            if was_cut:
                self.cut.append(target.field)
        return values

    def _stored(self, target: MappedColumn, value: str | None) -> tuple[Any, bool]:
        if target.parent is not None:
            return self._parents.row_of(target, value), False
        return storable(target, value, nul=self._nul)


def _add_key(layout: TableLayout, key: str, ref: str, values: dict[str, Any], *, nul: bool) -> None:
    """The key is written as it is compared, whatever 1C pads it with."""
    values |= layout.key.column_values(key, nul=nul)
    if layout.ref is not None and ref and layout.ref.name not in values:
        values[layout.ref.name] = column_value(layout.ref, ref)


def _given(child: Child, correction: Correction, *, exists: bool) -> Values | None:
    """The fields to write into a child row; ``None`` when there is nothing to write."""
    if not any(mapped.field in correction.after for mapped in child.columns):
        return None
    if exists:
        return correction.after
    whole = {**correction.before, **correction.after}
    if not any(trimmed(whole.get(mapped.field)) for mapped in child.columns):
        return None
    return dict.fromkeys(m.field for m in (*child.columns, *child.copies)) | whole
