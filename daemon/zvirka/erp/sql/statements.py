"""The writing statements of a mapped store. Each names its row, its ownership and what it was.

Parameters are called ``zv_…`` so that none can meet a column's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Insert,
    Select,
    Text,
    Update,
    bindparam,
    delete,
    literal,
    select,
)

from zvirka.domain import Action, Correction
from zvirka.erp.sql.bulk_update import BulkUpdate
from zvirka.erp.sql.expressions import Same, among, field_text, insert_into, update_of
from zvirka.erp.sql.row_values import RowValues
from zvirka.erp.sql.soft_delete import is_active
from zvirka.erp.sql.table_layout import TableLayout

LOCKING = frozenset({"postgresql", "mysql", "mariadb"})
"""Databases on which a row locked with FOR UPDATE stays as it is then read."""


class Statements:
    """INSERT, UPDATE and DELETE over one layout, with the parameters for a prepared correction."""

    def __init__(self, layout: TableLayout, connection: Connection) -> None:
        self._layout = layout
        self._connection = connection
        self.bulk_update = BulkUpdate(layout, connection.dialect)
        # Where rows are locked, read and compared before they are written, asking again a column
        # at a time would only double the work (a third of the time, on PostgreSQL).
        locked = connection.dialect.name in LOCKING
        self._compared = () if locked else tuple(layout.columns.values())

    def lock(self, rows: Sequence[Any]) -> Select[Any]:
        """Lock owned rows by primary key, in its order so that two writers cannot deadlock."""
        layout = self._layout
        wanted = among(self._connection, layout.pk, rows)
        statement = select(layout.pk).where(wanted, layout.owned)
        return statement.order_by(layout.pk).with_for_update()

    def owned_among(self, rows: Sequence[Any]) -> Select[Any]:
        """The primary keys among ``rows`` that the ownership predicate holds for."""
        layout = self._layout
        return select(layout.pk).where(among(self._connection, layout.pk, rows), layout.owned)

    def create(self, columns: Sequence[str]) -> Insert:
        """Insert a client with the constants of a create; its parameters are the columns."""
        layout = self._layout
        constants: dict[str, Any] = dict(layout.on_create)
        if layout.soft is not None:
            constants = layout.soft.on_restore | constants
        return insert_into(layout.table).values(
            {name: value for name, value in constants.items() if name not in columns}
        )

    def change(
        self, action: Action, active: bool, columns: Sequence[str], *, parked: bool = False
    ) -> Update | None:
        """Update, restore or soft-delete a row that is still as scanned; ``None``: no column.

        A ``parked`` row was owned when this transaction locked it.
        """
        layout = self._layout
        values = self._constants(action) | set_of(layout.table, columns)
        if not values:
            return None
        row = layout.pk == bindparam("zv_row", type_=layout.pk.type)
        conditions = self._as_scanned(active, owned=not parked)
        return update_of(layout.table).values(values).where(row, *conditions)

    def change_in_bulk(self, group: Sequence[RowValues], *, judged: bool) -> Update | None:
        """One statement that changes a group of one shape, values and all; ``None``: not here.

        Rows that are not ``judged`` yet, under lock, it compares with what was scanned.
        """
        layout = self._layout
        action, active, columns = group[0].shape
        if len(group) == 1 or not self.bulk_update.takes(columns):
            return None
        new = self.bulk_update.rows(group, columns, judged=judged)
        values = self._constants(action)
        values |= {name: new.c[f"zv_set_{number}"] for number, name in enumerate(columns)}
        if not values:
            return None
        conditions = [layout.owned, *self._state(active)]
        conditions += [
            Same(field_text(mapped, mapped.column), new.c[f"zv_was_{number}"])
            for number, mapped in enumerate(() if judged else layout.columns.values())
        ]
        return update_of(layout.table).values(values).where(layout.pk == new.c.zv_row, *conditions)

    def _constants(self, action: Action) -> dict[str, Any]:
        layout = self._layout
        values: dict[str, Any] = dict(layout.on_update)
        if layout.soft is not None and action is Action.RESTORE:
            values |= layout.soft.on_restore
        if layout.soft is not None and action is Action.DELETE:
            values |= layout.soft.on_delete
        return values

    def remove(self, active: bool) -> Delete:
        """Delete for good a row that is still as scanned."""
        row = self._layout.pk == bindparam("zv_row", type_=self._layout.pk.type)
        return delete(self._layout.table).where(row, *self._as_scanned(active))

    def _as_scanned(self, active: bool, *, owned: bool = True) -> list[ColumnElement[Any]]:
        conditions: list[ColumnElement[Any]] = [self._layout.owned] if owned else []
        conditions += self._state(active)
        conditions += [
            Same(field_text(mapped, mapped.column), bindparam(f"zv_was_{number}", type_=Text()))
            for number, mapped in enumerate(self._compared)
        ]
        return conditions

    def _state(self, active: bool) -> list[ColumnElement[Any]]:
        soft = self._layout.soft
        if soft is None:
            return []
        return [is_active(soft, self._layout.table.c) == literal(int(active))]

    def parameters(self, row_values: RowValues) -> dict[str, Any]:
        """The parameters of :meth:`change` and :meth:`remove` for one row."""
        found = values_of(row_values.values)
        found["zv_row"] = row_values.row
        found |= self._before(row_values.correction)
        return found

    def _before(self, correction: Correction) -> dict[str, str | None]:
        before = correction.before
        return {f"zv_was_{n}": before.get(mapped.field) for n, mapped in enumerate(self._compared)}


def values_of(values: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the SET or VALUES part, numbered in the order of the columns."""
    return {f"zv_set_{number}": value for number, value in enumerate(values.values())}


def set_of(table: Any, columns: Sequence[str]) -> dict[str, Any]:
    """The SET or VALUES part for :func:`values_of`."""
    return {
        name: bindparam(f"zv_set_{number}", type_=table.c[name].type)
        for number, name in enumerate(columns)
    }
