"""Chooses values for NOT NULL columns that are no field of 1C."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Date, DateTime, Integer, Numeric

from zvirka.init.erp_database import ErpDatabase
from zvirka.message import Message
from zvirka.settings.value_types import SqlExpression

NOW = SqlExpression(sql="CURRENT_TIMESTAMP")


def constant_for(
    database: ErpDatabase, column: Column[Any], rows: int
) -> tuple[Any, Message | None]:
    """Return what most rows hold, else a row it refers to, else the least that its type takes.

    Args:
        database: where the column is.
        column: a column that a new row must fill.
        rows: how many clients there are.

    Returns:
        The value, and where it comes from, if it is in the database.
    """
    for value, number in database.common(column, column.isnot(None)):
        # A rare text is one client's own, and no constant for all of them.
        common = not isinstance(value, str) or 3 * number >= rows
        if isinstance(value, str | int | bool) and common:
            return value, Message(
                "on create, {column} = {value}: {count} rows have it",
                column=f"{column.table.name}.{column.name}",
                value=repr(value),
                count=number,
            )
    for key in column.foreign_keys:
        parts = key.target_fullname.split(".")
        target = database.table(parts[-2])
        found = database.rows(target, limit=1)
        if found:
            value = found[0][parts[-1]]
            return value, Message(
                "on create, {column} = {value}: a row of {table}",
                column=column.name,
                value=repr(value),
                table=target.name,
            )
    if isinstance(column.type, Boolean):
        return False, None
    if isinstance(column.type, DateTime | Date):
        return NOW, None
    return (0 if isinstance(column.type, Integer | Numeric) else "1c"), None


def fills_itself(column: Column[Any]) -> bool:
    """Whether the database fills a column of a new row."""
    if column.server_default is not None or column.computed is not None:
        return True
    return column.identity is not None or column is column.table.autoincrement_column
