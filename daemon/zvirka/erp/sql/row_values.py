"""A correction with its values converted for the columns they go to, or the reason why not."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import msgspec

from zvirka.domain import Action, Correction, Values
from zvirka.erp.sql.conversion import native, storable
from zvirka.erp.sql.table_layout import Child, MappedColumn, TableLayout


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
    parked: bool = False
    """Its unique columns are empty by now, with which it may not be an owned row."""

    @property
    def shape(self) -> tuple[Action, bool, tuple[str, ...]]:
        """Corrections of one shape go through one statement."""
        return self.correction.action, self.correction.active, tuple(self.values)


def prepare(
    layout: TableLayout, correction: Correction, *, nul: bool, children: Container[tuple[str, Any]]
) -> RowValues:
    """Convert the values of a correction; ``nul`` as in ``conversion.storable``.

    ``children`` holds name and parent of the child rows that are there.

    Raises:
        UnstorableError: some value could not be stored as it is.
    """
    row = native(layout.pk, correction.row) if correction.row else None
    if correction.action is Action.DELETE:
        return RowValues(correction, row, {})
    cut: list[str] = []
    values = _converted(layout.columns.values(), correction.after, cut, nul=nul)
    key = correction.key if correction.action is Action.CREATE else correction.new_key
    if key:
        _add_key(layout, key, correction.ref, values)
    into: dict[str, ChildValues] = {}
    for child in layout.children:
        exists = (child.name, row) in children
        given = _given(child, correction, exists=exists)
        if given is not None:
            columns = child.columns if exists else (*child.columns, *child.copies)
            into[child.name] = ChildValues(_converted(columns, given, cut, nul=nul), exists)
    return RowValues(correction, row, values, into, tuple(dict.fromkeys(cut)))


def _converted(
    targets: Iterable[MappedColumn], given: Values, cut: list[str], *, nul: bool
) -> dict[str, Any]:
    """The given fields by column name; ``cut`` gathers those that had to be cut."""
    values: dict[str, Any] = {}
    for target in targets:
        if target.field in given:
            value, was_cut = storable(target, given[target.field], nul=nul)
            values[target.column.name] = value
            if was_cut:
                cut.append(target.field)
    return values


def _add_key(layout: TableLayout, key: str, ref: str, values: dict[str, Any]) -> None:
    if layout.key.name not in values:
        values[layout.key.name] = native(layout.key, key)
    if layout.ref is not None and ref and layout.ref.name not in values:
        values[layout.ref.name] = native(layout.ref, ref)


def _given(child: Child, correction: Correction, *, exists: bool) -> Values | None:
    """The fields to write into a child row; ``None`` when there is nothing to write."""
    if not any(mapped.field in correction.after for mapped in child.columns):
        return None
    if exists:
        return correction.after
    whole = {**correction.before, **correction.after}
    if not any((whole.get(mapped.field) or "").strip() for mapped in child.columns):
        return None
    return dict.fromkeys(m.field for m in (*child.columns, *child.copies)) | whole
