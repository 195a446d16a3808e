"""Constants of the settings as columns take them, and what tells active rows from deleted ones."""

from __future__ import annotations

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
)

from zvirka.erp.sql.expressions import admin_sql
from zvirka.settings.model import DeleteSettings
from zvirka.settings.value_types import Constant, SqlExpression


@dataclass(frozen=True)
class SoftDelete:
    """The column that tells active rows from deleted ones, with its two values.

    ``computed``: ``deleted`` is an SQL expression, so that every value but ``active`` is deleted.
    """

    column: Column[Any]
    active: Any
    deleted: Any
    computed: bool = False

    def is_deleted(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether ``column``, this one or one selected from it, says deleted."""
        deleted: ColumnElement[bool] = column == self.deleted
        if self.computed:
            deleted = column.is_not(None) if self.active is None else column != self.active
        return deleted


def soft_delete(wanted: DeleteSettings, table: Table) -> SoftDelete | None:
    """How the table marks deleted rows; ``None`` when a delete is for good."""
    if wanted.mode == "hard":
        return None
    column = table.c[wanted.column]
    if isinstance(column.type, DateTime | Date):
        now = "CURRENT_TIMESTAMP" if isinstance(column.type, DateTime) else "CURRENT_DATE"
        given = wanted.deleted
        text = given.sql if isinstance(given, SqlExpression) else str(given if given else now)
        return SoftDelete(column, None, admin_sql(text), computed=True)
    is_null = wanted.active is None or wanted.active == SqlExpression(sql="NULL")
    return SoftDelete(
        column,
        None if is_null else constant(column, wanted.active),
        constant(column, wanted.deleted),
        computed=isinstance(wanted.deleted, SqlExpression),
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
