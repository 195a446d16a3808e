"""A correction with its values converted for the columns they go to, or the reason why not."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from zvirka.counterparty import Action, Correction, Values
from zvirka.erp.layout import Child, Layout, MappedColumn
from zvirka.erp.native import native, storable


@dataclass(frozen=True)
class ChildValues:
    """What goes into the client's child row, which is there or is to be created."""

    values: dict[str, Any]
    exists: bool


@dataclass(frozen=True)
class Prepared:
    """A correction ready for the database; dictionaries go from column name to its value."""

    correction: Correction
    row: Any
    values: dict[str, Any]
    children: dict[str, ChildValues] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    parked: bool = False
    """Its unique columns are empty by now, with which it may not be an owned row."""

    @property
    def shape(self) -> tuple[Action, bool, tuple[str, ...]]:
        """Corrections of one shape go through one statement."""
        return self.correction.action, self.correction.active, tuple(self.values)


def prepare(
    layout: Layout, correction: Correction, *, nul: bool, children: Container[tuple[str, Any]]
) -> Prepared:
    """Convert the values of a correction; ``nul`` as in :func:`~zvirka.erp.native.storable`.

    ``children`` holds name and parent of the child rows that are there.

    Raises:
        UnstorableError: some value could not be stored as it is.
    """
    row = native(layout.pk, correction.row) if correction.row else None
    if correction.action is Action.DELETE:
        return Prepared(correction, row, {})
    cut: list[str] = []
    after = correction.after

    def convert(target: MappedColumn, values: Mapping[str, str | None]) -> Any:
        unique = target.column.table is layout.table and (
            target.column.name in layout.unique_columns
        )
        value, was_cut = storable(target, values.get(target.field), unique=unique, nul=nul)
        if was_cut:
            cut.append(target.field)
        return value

    values = {
        mapped.column.name: convert(mapped, after)
        for name, mapped in layout.columns.items()
        if name in after
    }
    _add_key(layout, correction, values)
    into: dict[str, ChildValues] = {}
    for child in layout.children:
        exists = (child.name, row) in children
        given = _given(child, correction, exists=exists)
        if given is not None:
            columns = child.columns if exists else (*child.columns, *child.copies)
            converted = {m.column.name: convert(m, given) for m in columns if m.field in given}
            into[child.name] = ChildValues(converted, exists)
    return Prepared(correction, row, values, into, tuple(dict.fromkeys(cut)))


def _add_key(layout: Layout, correction: Correction, values: dict[str, Any]) -> None:
    creating = correction.action is Action.CREATE
    key = correction.key if creating else correction.new_key
    if key and layout.key.name not in values:
        values[layout.key.name] = native(layout.key, key)
    if layout.ref is not None and correction.ref and key and layout.ref.name not in values:
        values[layout.ref.name] = native(layout.ref, correction.ref)


def _given(child: Child, correction: Correction, *, exists: bool) -> Values | None:
    """The fields to write into a child row; ``None`` when there is nothing to write."""
    if not any(mapped.field in correction.after for mapped in child.columns):
        return None
    if exists:
        return correction.after
    whole = {**correction.before, **correction.after}
    worth_creating = any((whole.get(mapped.field) or "").strip() for mapped in child.columns)
    return (
        dict.fromkeys(m.field for m in (*child.columns, *child.copies)) | whole
        if (worth_creating)
        else None
    )
