"""The child rows of clients: found and locked with their clients, changed or created after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Select,
    Update,
    bindparam,
    select,
)

from zvirka.erp.sql.expressions import among, insert_into, update_of
from zvirka.erp.sql.row_values import RowValues
from zvirka.erp.sql.statements import set_of, values_of
from zvirka.erp.sql.table_layout import Child, TableLayout


class Children:
    """The child rows that one transaction knows and writes."""

    def __init__(self, connection: Connection, layout: TableLayout) -> None:
        self._connection = connection
        self._layout = layout
        self._rows: dict[tuple[str, Any], Any] = {}

    @property
    def known(self) -> Container[tuple[str, Any]]:
        """Name and parent of the child rows that are there."""
        return self._rows

    def lock(self, parents: Sequence[Any]) -> None:
        """Find and lock the child rows of some clients."""
        for child in self._layout.children:
            locked = self._connection.execute(_locked(self._connection, child, parents))
            for parent, pk in locked:
                self._rows.setdefault((child.name, parent), pk)

    def write(self, group: Sequence[RowValues], rows: Sequence[Any]) -> None:
        """Write what goes into child rows; ``rows`` are the primary keys of the clients."""
        for child in self._layout.children:
            self._write(child, group, rows)

    def _write(self, child: Child, group: Sequence[RowValues], rows: Sequence[Any]) -> None:
        changes: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        creates: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for row_values, row in zip(group, rows, strict=True):
            into = row_values.children.get(child.name)
            if into is None:
                continue
            parameters = values_of(into.values) | {"zv_parent": row}
            if not into.exists:
                creates[tuple(into.values)].append(parameters)
                continue
            if child.pk is not None:
                parameters["zv_child"] = self._rows[child.name, row]
            changes[tuple(into.values)].append(parameters)
        for columns, many in changes.items():
            self._connection.execute(_change(child, columns), many)
        for columns, many in creates.items():
            self._connection.execute(_create(child, columns), many)


def _locked(connection: Connection, child: Child, parents: Sequence[Any]) -> Select[Any]:
    """Parent and primary key of the child rows of some clients, locked."""
    pk = child.parent if child.pk is None else child.pk
    statement = select(child.parent, pk).where(
        among(connection, child.parent, parents), *child.predicate
    )
    return statement.order_by(pk).with_for_update()


def _change(child: Child, columns: Sequence[str]) -> Update:
    """Update one child row."""
    values = dict(child.on_update) | set_of(child.table, columns)
    statement = update_of(child.table).values(values).where(*child.predicate)
    statement = statement.where(child.parent == bindparam("zv_parent", type_=child.parent.type))
    if child.pk is None:
        return statement
    return statement.where(child.pk == bindparam("zv_child", type_=child.pk.type))


def _create(child: Child, columns: Sequence[str]) -> Insert:
    """Insert a child row that satisfies the predicate."""
    values: dict[str, Any] = dict(child.on_create)
    values |= {column.name: value for column, value in child.where}
    values[child.parent.name] = bindparam("zv_parent", type_=child.parent.type)
    return insert_into(child.table).values(values | set_of(child.table, columns))
