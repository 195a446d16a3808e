"""Constants of the settings as columns take them, and what tells active rows from deleted ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    String,
    Table,
    Uuid,
    and_,
    case,
    null,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from zvirka.erp.sql.expressions import admin_sql
from zvirka.message import Message
from zvirka.settings.model import DeleteSettings
from zvirka.settings.value_types import Constant, SqlExpression


@dataclass(frozen=True)
class MarkedColumn:
    """The column that tells active rows from deleted ones, with its two values.

    ``computed``: ``deleted`` is an SQL expression, so that every value but ``active`` is deleted.
    """

    column: Column[Any]
    active: Any
    deleted: Any
    computed: bool = False

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """What a deletion writes."""
        return (self.column,)

    @property
    def on_delete(self) -> dict[str, Any]:
        """The values of a deletion by column."""
        return {self.column.name: self.deleted}

    @property
    def on_restore(self) -> dict[str, Any]:
        """The values of a restore, and of a create, by column."""
        return {self.column.name: self.active}

    def is_deleted(self, columns: Columns) -> ColumnElement[bool]:
        """Whether a row of these columns is deleted; NULL if its column is."""
        column = columns[self.column.name]
        deleted: ColumnElement[bool] = column == self.deleted
        if self.computed:
            deleted = column.is_not(None) if self.active is None else column != self.active
        return deleted


@dataclass(frozen=True)
class EmptiedColumns:
    """The columns that a deletion empties; a row in which all of them are NULL is deleted.

    A restore writes them as fields of the record.
    """

    columns: tuple[Column[Any], ...]

    @property
    def on_delete(self) -> dict[str, Any]:
        """The values of a deletion by column."""
        return {column.name: null() for column in self.columns}

    @property
    def on_restore(self) -> dict[str, Any]:
        """Nothing besides the fields of the record."""
        return {}

    def is_deleted(self, columns: Columns) -> ColumnElement[bool]:
        """Whether a row of these columns is deleted."""
        return and_(*(columns[column.name].is_(None) for column in self.columns))


SoftDelete = MarkedColumn | EmptiedColumns
"""A deletion that leaves the row: what it writes, and what tells the row from an active one."""

Columns = ReadOnlyColumnCollection[str, Any]
"""The columns of a table, or of a subquery over it, by name."""


def is_active(soft: SoftDelete, columns: Columns) -> ColumnElement[int]:
    """1 or 0 for a row of these columns; it is inactive only where it is deleted for sure."""
    return case((soft.is_deleted(columns), 0), else_=1)


def soft_delete(wanted: DeleteSettings, table: Table) -> SoftDelete | None:
    """How the table marks deleted rows; ``None`` when a delete is for good."""
    if wanted.mode == "hard":
        return None
    if wanted.mode == "empty":
        return EmptiedColumns(tuple(table.c[name] for name in wanted.empty))
    column = table.c[wanted.column]
    if isinstance(column.type, DateTime | Date):
        now = "CURRENT_TIMESTAMP" if isinstance(column.type, DateTime) else "CURRENT_DATE"
        given = wanted.deleted
        text = given.sql if isinstance(given, SqlExpression) else str(given if given else now)
        return MarkedColumn(column, None, admin_sql(text), computed=True)
    is_null = wanted.active is None or wanted.active == SqlExpression(sql="NULL")
    return MarkedColumn(
        column,
        None if is_null else constant(column, wanted.active),
        constant(column, wanted.deleted),
        computed=isinstance(wanted.deleted, SqlExpression),
    )


def named_columns(wanted: DeleteSettings) -> list[tuple[str, str]]:
    """The columns that the settings name, each with the key that does."""
    if wanted.mode == "empty":
        return [("erp.delete.empty", column) for column in wanted.empty]
    return [("erp.delete.column", wanted.column)] if wanted.mode == "soft" else []


def emptying_problems(
    wanted: DeleteSettings, table: Table, fields: Mapping[str, str]
) -> Iterator[Message]:
    """Why a delete cannot empty the columns of the settings, a sentence each.

    Args:
        wanted: the settings; of another mode nothing is said.
        table: the client's own table.
        fields: the mapped fields of that table, by column.
    """
    if wanted.mode != "empty":
        return
    if not wanted.empty:
        yield Message("erp.delete.mode is empty, and erp.delete.empty names no column")
    for name in wanted.empty:
        place = f"{table.name}.{name}"
        if name not in table.c:
            continue
        if name not in fields:
            yield Message(
                "no field is kept in column {column}, so an undo could not fill it again ({key})",
                column=place,
                key="erp.delete.empty",
            )
        elif not table.c[name].nullable:
            yield Message(
                "column {column} is NOT NULL, so a delete cannot empty it ({key})",
                column=place,
                key="erp.delete.empty",
            )


def constant(column: Column[Any], value: Constant | None) -> Any:
    """A constant of the settings as the column's own type takes it."""
    if value is None:
        return None
    if isinstance(value, SqlExpression):
        return admin_sql(value.sql)
    if isinstance(column.type, Boolean):
        return value.lower() in {"true", "t", "1", "yes"} if isinstance(value, str) else bool(value)
    if isinstance(column.type, Integer):
        return int(value)
    if isinstance(column.type, String) and not isinstance(column.type, Uuid):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value
