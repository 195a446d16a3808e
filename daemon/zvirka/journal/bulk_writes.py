"""Many rows at once, at the speed of each database.

SQLite takes ``executemany``. PostgreSQL takes one statement over arrays (``unnest``), which
spares it a plan, and us a message, a row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

Record = dict[str, Any]


def insert_rows(connection: Connection, table: Table, records: Sequence[Record]) -> None:
    """Insert records, all with the same columns."""
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), records)
        return
    names = list(records[0])
    cells = [func.unnest(_array(table.c[name], records)) for name in names]
    connection.execute(insert(table).from_select(names, select(*cells)))


def update_rows(
    connection: Connection, table: Table, keys: Collection[str], records: Sequence[Record]
) -> None:
    """Update rows found by the columns ``keys``, to the records' other columns."""
    names = list(records[0])
    if connection.dialect.name == "postgresql":
        cells = [func.unnest(_array(table.c[name], records)).label(f"v_{name}") for name in names]
        given = select(*cells).subquery("given")
        values: dict[str, Any] = {name: given.c[f"v_{name}"] for name in names if name not in keys}
        statement = update(table).where(*(table.c[key] == given.c[f"v_{key}"] for key in keys))
        connection.execute(statement.values(values))
        return
    values = {name: bindparam(f"v_{name}") for name in names if name not in keys}
    statement = update(table).where(*(table.c[key] == bindparam(f"v_{key}") for key in keys))
    connection.execute(
        statement.values(values),
        [{f"v_{name}": cell for name, cell in record.items()} for record in records],
    )


def among(
    connection: Connection, column: Column[Any], values: Collection[Any]
) -> ColumnElement[bool]:
    """Whether the column is one of the values, which are at most some thousands."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    return column.in_(values)


def _array(column: Column[Any], records: Sequence[Record]) -> ColumnElement[Any]:
    return literal([record[column.name] for record in records], ARRAY(column.type))
