"""A correction with its values converted for the columns they go to, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zvirka.counterparty import Action, Correction
from zvirka.erp.layout import Child, Layout, MappedColumn
from zvirka.erp.native import native, storable


@dataclass(frozen=True)
class ChildValues:
    """What goes into one child row: ``update`` where there is one, ``insert`` where not."""

    update: dict[str, Any]
    insert: dict[str, Any]
    worth_creating: bool


@dataclass(frozen=True)
class Prepared:
    """A correction ready for the database; dictionaries go from column name to its value."""

    correction: Correction
    row: Any
    values: dict[str, Any]
    children: dict[str, ChildValues] = field(default_factory=dict)
    cut: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[Action, bool, tuple[str, ...]]:
        """Corrections of one shape go through one statement."""
        return self.correction.action, self.correction.active, tuple(self.values)


def prepare(layout: Layout, correction: Correction, *, nul: bool) -> Prepared:
    """Convert the values of a correction; ``nul`` as in :func:`~zvirka.erp.native.storable`.

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
    children = {
        child.name: _child_values(child, correction, convert)
        for child in layout.children
        if any(mapped.field in after for mapped in child.columns)
    }
    return Prepared(correction, row, values, children, tuple(dict.fromkeys(cut)))


def _add_key(layout: Layout, correction: Correction, values: dict[str, Any]) -> None:
    creating = correction.action is Action.CREATE
    key = correction.key if creating else correction.new_key
    if key and layout.key.name not in values:
        values[layout.key.name] = native(layout.key, key)
    if layout.ref is not None and correction.ref and key and layout.ref.name not in values:
        values[layout.ref.name] = native(layout.ref, correction.ref)


def _child_values(child: Child, correction: Correction, convert: Any) -> ChildValues:
    whole = {**correction.before, **correction.after}
    insert = {m.column.name: convert(m, whole) for m in (*child.columns, *child.copies)}
    return ChildValues(
        update={
            mapped.column.name: insert[mapped.column.name]
            for mapped in child.columns
            if mapped.field in correction.after
        },
        insert=insert,
        worth_creating=any((whole.get(mapped.field) or "").strip() for mapped in child.columns),
    )
