"""Values on their way into columns: converted, held to their limits, or refused with a reason."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column

from zvirka.erp.sql.table_layout import MappedColumn
from zvirka.identity import trimmed
from zvirka.message import Message


class UnstorableError(ValueError):
    """A value that could not be stored as it is. ``reason`` names field and column, no value."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason


def column_value(column: Column[Any], value: str) -> Any:
    """A text as the Python type of the column.

    Raises:
        UnstorableError: the text is not of that type, or would read back as another text.
    """
    kind = _kind(column)
    if kind is str:
        return value
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[trimmed(value).lower()]
        if kind is int:
            return _whole_number(column, trimmed(value))
        if kind in _PARSERS:
            return _PARSERS[kind](trimmed(value))
    except UnstorableError:
        raise
    except (ValueError, KeyError, InvalidOperation):
        raise UnstorableError(
            Message("column {column} does not take such a value", column=column.name)
        ) from None
    return value


def takes_any_text(column: Column[Any]) -> bool:
    """Whether a text needs no conversion to be stored in the column."""
    return _kind(column) is str


def column_key(column: Column[Any], key: str) -> Any:
    """A canonical pairing key as the Python type of its column.

    Raises:
        UnstorableError: the key would read back as another text: «000000001» from a number.
    """
    value = column_value(column, key)
    kind = _kind(column)
    if kind is float or (kind is Decimal and getattr(column.type, "scale", None)):
        raise UnstorableError(
            Message("column {column} holds numbers and would change the value", column=column.name)
        )
    if kind is Decimal:
        return Decimal(_whole_number(column, key))
    if str(value) != key:
        raise UnstorableError(
            Message("column {column} does not take such a value", column=column.name)
        )
    return value


def _whole_number(column: Column[Any], value: str) -> int:
    number = int(value)
    if str(number) != value:
        raise UnstorableError(
            Message("column {column} holds numbers and would change the value", column=column.name)
        )
    return number


_PARSERS: dict[type, Any] = {
    float: float,
    Decimal: Decimal,
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
}


@cache
def _kind(column: Column[Any]) -> type:
    try:
        return column.type.python_type
    except NotImplementedError:
        return str


def storable(target: MappedColumn, value: str | None, *, nul: bool) -> tuple[Any, bool]:
    """What to write for 1C's value, and whether it had to be cut to the column's length.

    Empty values of a unique column become NULL: two '' would collide where two NULLs do not.
    ``nul``: whether the database takes U+0000 inside a text (PostgreSQL does not).

    Raises:
        UnstorableError: too long and not to be truncated, or not of the column's type.
    """
    column = target.column
    if value is None or (not trimmed(value) and (target.unique or not target.is_text)):
        if column.nullable:
            return None, False
        if not target.is_text:
            raise UnstorableError(
                Message(
                    "field {field} is empty, column {column} is NOT NULL",
                    field=target.field,
                    column=column.name,
                )
            )
        return "", False
    if not nul and "\x00" in value:
        raise UnstorableError(
            Message(
                "field {field} contains U+0000, which the database cannot hold", field=target.field
            )
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UnstorableError(
                Message("field {field} is not valid Unicode text", field=target.field)
            ) from None
    cut = False
    if target.max_length is not None and len(value) > target.max_length:
        if not target.truncate:
            raise UnstorableError(
                Message(
                    "field {field} has {count} characters, column {column} takes {limit}",
                    field=target.field,
                    count=len(value),
                    column=column.name,
                    limit=target.max_length,
                )
            )
        value, cut = value[: target.max_length], True
    return value if target.is_text else column_value(column, value), cut


def storable_key(target: MappedColumn, key: str, *, nul: bool) -> Any:
    """What to write for a canonical pairing key, which is never cut.

    Raises:
        UnstorableError: too long, or it would read back as another text.
    """
    value, _ = storable(target, key, nul=nul)
    return value if target.is_text else column_key(target.column, key)
