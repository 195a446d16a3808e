"""The writing statements of a mapped store. Each names its row, its ownership and what it was.

Parameters are called ``zv_…`` so that none can meet a column's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Select,
    Text,
    Update,
    bindparam,
    case,
    delete,
    insert,
    literal,
    select,
    update,
)

from zvirka.counterparty import Action, Correction
from zvirka.erp.expressions import AsText, Same
from zvirka.erp.layout import Child, Layout
from zvirka.erp.prepared import Prepared


class Statements:
    """INSERT, UPDATE and DELETE over one layout, with the parameters for a prepared correction."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._own = tuple(layout.columns.values())

    def lock(self, rows: Sequence[Any]) -> Select[Any]:
        """Lock owned rows by primary key, in its order so that two writers cannot deadlock."""
        layout = self._layout
        statement = select(layout.pk).where(layout.pk.in_(rows)).where(layout.owned)
        return statement.order_by(layout.pk).with_for_update()

    def owned_among(self, rows: Sequence[Any]) -> Select[Any]:
        """The primary keys among ``rows`` that the ownership predicate holds for."""
        layout = self._layout
        return select(layout.pk).where(layout.pk.in_(rows)).where(layout.owned)

    def create(self, columns: Sequence[str]) -> Insert:
        """Insert a client with the constants of a create; its parameters are the columns.

        They are not ``zv_…`` here: SQLAlchemy pairs returned keys with rows by column parameters.
        """
        layout = self._layout
        constants: dict[str, Any] = dict(layout.on_create)
        if layout.soft is not None:
            constants.setdefault(layout.soft.column.name, layout.soft.active)
        return insert(layout.table).values(
            {name: value for name, value in constants.items() if name not in columns}
        )

    def change(
        self, action: Action, active: bool, columns: Sequence[str], *, parked: bool = False
    ) -> Update | None:
        """Update, restore or soft-delete a row that is still as scanned; ``None``: no column.

        A ``parked`` row was owned when this transaction locked it.
        """
        layout = self._layout
        values: dict[str, Any] = dict(layout.on_update)
        if layout.soft is not None and action is Action.RESTORE:
            values[layout.soft.column.name] = layout.soft.active
        if layout.soft is not None and action is Action.DELETE:
            values[layout.soft.column.name] = layout.soft.deleted
        values |= _set(layout.table, columns)
        if not values:
            return None
        conditions = self._as_scanned(active, owned=not parked)
        return update(layout.table).values(values).where(*conditions)

    def remove(self, active: bool) -> Delete:
        """Delete for good a row that is still as scanned."""
        return delete(self._layout.table).where(*self._as_scanned(active))

    def _as_scanned(self, active: bool, *, owned: bool = True) -> list[ColumnElement[Any]]:
        layout = self._layout
        conditions: list[ColumnElement[Any]] = [
            layout.pk == bindparam("zv_row", type_=layout.pk.type)
        ]
        if owned:
            conditions.append(layout.owned)
        if layout.soft is not None:
            state = case((layout.soft.column == layout.soft.deleted, 0), else_=1)
            conditions.append(state == literal(int(active)))
        conditions += [
            Same(AsText(mapped.column), bindparam(f"zv_was_{number}", type_=Text()))
            for number, mapped in enumerate(self._own)
        ]
        return conditions

    def parameters(self, prepared: Prepared) -> dict[str, Any]:
        """The parameters of :meth:`create`, :meth:`change` and :meth:`remove` for one row."""
        if prepared.correction.action is Action.CREATE:
            return prepared.values
        found = values_of(prepared.values)
        found["zv_row"] = prepared.row
        found |= self._before(prepared.correction)
        return found

    def _before(self, correction: Correction) -> dict[str, str | None]:
        before = correction.before
        return {f"zv_was_{n}": before.get(mapped.field) for n, mapped in enumerate(self._own)}


def child_rows(child: Child, parents: Sequence[Any]) -> Select[Any]:
    """Parent and primary key of the child rows of some clients, locked."""
    pk = child.parent if child.pk is None else child.pk
    statement = select(child.parent, pk).where(child.parent.in_(parents), *_predicate(child))
    return statement.order_by(pk).with_for_update()


def change_child(child: Child, columns: Sequence[str]) -> Update:
    """Update one child row."""
    values = dict(child.on_update) | _set(child.table, columns)
    statement = update(child.table).values(values).where(*_predicate(child))
    statement = statement.where(child.parent == bindparam("zv_parent", type_=child.parent.type))
    if child.pk is None:
        return statement
    return statement.where(child.pk == bindparam("zv_child", type_=child.pk.type))


def create_child(child: Child, columns: Sequence[str]) -> Insert:
    """Insert a child row that satisfies the predicate."""
    values: dict[str, Any] = dict(child.on_create)
    values |= {column.name: value for column, value in child.where}
    values[child.parent.name] = bindparam("zv_parent", type_=child.parent.type)
    return insert(child.table).values(values | _set(child.table, columns))


def values_of(values: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the SET or VALUES part, numbered in the order of the columns."""
    return {f"zv_set_{number}": value for number, value in enumerate(values.values())}


def _set(table: Any, columns: Sequence[str]) -> dict[str, Any]:
    return {
        name: bindparam(f"zv_set_{number}", type_=table.c[name].type)
        for number, name in enumerate(columns)
    }


def _predicate(child: Child) -> list[ColumnElement[bool]]:
    return [column == value for column, value in child.where]
