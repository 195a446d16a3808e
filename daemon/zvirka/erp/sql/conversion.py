"""Values on their way into columns: converted, held to their limits, or refused with a reason.

1C writes a date as ``2014-01-31T00:00:00``, a number as ``1000.5``, and its empty date is
0001-01-01. A column of another type than text is read in the same spelling
(:class:`zvirka.erp.sql.expressions.FieldText`), so that the two sides compare as texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Float

from zvirka.domain import EMPTY_DATE, ZERO_REF
from zvirka.erp.sql.mapped_column import OWN, MappedColumn
from zvirka.identity import canonical_key, trimmed
from zvirka.message import Message

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?")
"""A number as 1C and the databases write it. A text of digits with a zero in front, a tax id for
example, is not one: a column of numbers would lose the zero."""

_EXACT_DIGITS = 15
"""Decimal digits that a double holds for certain (IEEE 754-2008, 5.12.2)."""


class UnstorableError(ValueError):
    """A value that could not be stored as it is. ``reason`` names field and column, no value.

    ``waits``: it can be stored as soon as the row it refers to is there.
    """

    def __init__(self, reason: Message, *, waits: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.waits = waits


def column_value(column: Column[Any], value: str) -> Any:
    """A text as the Python type of the column.

    Raises:
        UnstorableError: the text is not of that type, or would read back as another text.
    """
    kind = _kind(column)
    if kind not in _PARSERS:
        return value
    try:
        return _PARSERS[kind](column, trimmed(value))
    except UnstorableError:
        raise
    except (ValueError, KeyError, InvalidOperation):
        raise UnstorableError(
            Message("column {column} does not take such a value", column=column.name)
        ) from None


def column_values(
    column: Column[Any],
    texts: Iterable[str],
    convert: Callable[[Column[Any], str], Any] = column_value,
) -> list[Any]:
    """The texts as the column's type; those that are not of it are in no row and are left out."""
    found = []
    for text in texts:
        try:
            found.append(convert(column, text))
        except UnstorableError:
            continue
    return found


def some_value(column: Column[Any]) -> str:
    """A text the column takes, whatever its type: an everyday value."""
    return _SAMPLES.get(_kind(column), "0")


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
        value = Decimal(_whole_number(column, key))
    if str(value) != key:
        raise UnstorableError(
            Message("column {column} does not take such a value", column=column.name)
        )
    return value


def _number(column: Column[Any], value: str) -> Decimal:
    if not _NUMBER.fullmatch(value):
        Decimal(value)
        raise UnstorableError(
            Message("column {column} holds numbers and would change the value", column=column.name)
        )
    return Decimal(value)


def _whole_number(column: Column[Any], value: str) -> int:
    if value in _TRUTH:
        return int(_TRUTH[value])
    number = _number(column, value)
    if number != int(number):
        raise UnstorableError(
            Message("column {column} holds numbers and would change the value", column=column.name)
        )
    return int(number)


def _floating(column: Column[Any], value: str) -> float:
    number = _number(column, value)
    if len(number.normalize().as_tuple().digits) > _EXACT_DIGITS or "e" in repr(float(number)):
        raise UnstorableError(
            Message("column {column} holds numbers and would change the value", column=column.name)
        )
    return float(number)


def _truth(_column: Column[Any], value: str) -> bool:
    return {**_TRUTH, "1": True, "0": False}[value.lower()]


def _moment(_column: Column[Any], value: str) -> datetime:
    return datetime.fromisoformat(value)


_TRUTH = {"true": True, "false": False}

_SAMPLES: dict[type, str] = {
    date: "2000-01-01T00:00:00",
    datetime: "2000-01-01T00:00:00",
    time: "00:00:00",
    UUID: ZERO_REF,
}

_PARSERS: dict[type, Callable[[Column[Any], str], Any]] = {
    bool: _truth,
    int: _whole_number,
    float: _floating,
    Decimal: _number,
    UUID: lambda _column, value: UUID(value),
    datetime: _moment,
    date: lambda _column, value: datetime.fromisoformat(value).date(),
    time: lambda _column, value: time.fromisoformat(value.rpartition("T")[2]),
}


@cache
def _kind(column: Column[Any]) -> type:
    if isinstance(column.type, Float):
        return float  # MySQL's DOUBLE calls itself Decimal
    try:
        return column.type.python_type
    except NotImplementedError:
        return str


def storable(target: MappedColumn, value: str | None, *, nul: bool) -> tuple[Any, bool]:
    """What to write for 1C's value, and whether it had to be cut to what the column can hold.

    Empty values of a unique column become NULL: two '' would collide where two NULLs do not.
    ``nul``: whether the database takes U+0000 inside a text (PostgreSQL does not).

    Raises:
        UnstorableError: too long or too precise and not to be truncated, or not of the column's
            type.
    """
    column = target.column
    if target.values:
        value = _as_listed(target, value)
    if value is None or _is_empty(target, value):
        if column.nullable:
            return None, False
        if not target.is_text:
            raise empty_in_required(target)
        return "", False
    if not target.is_text:
        return _held(target, column_value(column, value))
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
    limit = target.max_length
    if limit is None or len(value) <= limit:
        return value, False
    if not target.truncate:
        raise UnstorableError(
            Message(
                "field {field} has {count} characters, column {column} takes {limit}",
                field=target.field,
                count=len(value),
                column=column.name,
                limit=limit,
            )
        )
    return value[:limit], True


def empty_in_required(target: MappedColumn) -> UnstorableError:
    """The refusal of an empty value for a column that needs one."""
    return UnstorableError(
        Message(
            "field {field} is empty, column {column} is NOT NULL",
            field=target.field,
            column=target.column.name,
        )
    )


def _as_listed(target: MappedColumn, value: str | None) -> str | None:
    """The store's value for a value of 1C's enumeration.

    Raises:
        UnstorableError: the settings list no such value.
    """
    text = trimmed(value)
    for ours, theirs in target.values:
        if ours == text:
            return theirs
    if text.startswith(OWN):
        return text.removeprefix(OWN)
    if text:
        raise UnstorableError(
            Message(
                "field {field} has a value that onec.fields.{field}.values does not list",
                field=target.field,
            )
        )
    return None


def as_reference(value: str | None) -> str:
    """A reference as it is compared; '' for the empty one."""
    ref = canonical_key(value, is_ref=True)
    return "" if ref == ZERO_REF else ref


def _is_empty(target: MappedColumn, value: str) -> bool:
    text = trimmed(value)
    if target.is_text:
        return not text and target.unique
    return not text or (_kind(target.column) in {date, datetime} and text == EMPTY_DATE)


def _held(target: MappedColumn, value: Any) -> tuple[Any, bool]:
    """A value of the column's type as the column can hold it, and whether it had to be rounded."""
    if isinstance(value, datetime):
        value = value.replace(microsecond=0, tzinfo=None)
        return (value.replace(tzinfo=ZoneInfo(target.zone)) if target.zone else value), False
    scale = getattr(target.column.type, "scale", None)
    if not isinstance(value, Decimal | float) or scale is None:
        return value, False
    exact = Decimal(str(value))
    rounded = exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if rounded != exact and not target.truncate:
        raise UnstorableError(
            Message(
                "field {field} has {count} decimals, column {column} takes {limit}",
                field=target.field,
                count=-int(exact.normalize().as_tuple().exponent),
                column=target.column.name,
                limit=scale,
            )
        )
    return type(value)(rounded), rounded != exact


def held_text(target: MappedColumn, value: str | None) -> str | None:
    """How a value of 1C reads back from the column; as it is when it cannot be stored."""
    if target.parent is not None:
        return as_reference(value) or None
    try:
        held, _ = storable(target, value, nul=True)
    except UnstorableError:
        return value
    text = held if held is None or isinstance(held, str) else _spelled(held)
    if not text or not target.values:
        return text
    return next((ours for ours, theirs in target.values if theirs == text), f"{OWN}{text}")


def _spelled(held: object) -> str:
    """A value as :class:`zvirka.erp.sql.expressions.FieldText` spells it."""
    match held:
        case bool():
            return str(held).lower()
        case Decimal() | float():
            digits = f"{held:f}" if isinstance(held, Decimal) else repr(held)
            text = digits.rstrip("0").rstrip(".") if "." in digits else digits
            return "0" if text == "-0" else text
        case datetime():
            if held.tzinfo is not None:  # an hour that the clock leaves out in spring is moved
                held = held.astimezone(UTC).astimezone(held.tzinfo)
            return held.replace(tzinfo=None).isoformat()
        case date():
            return f"{held.isoformat()}T00:00:00"
        case _:
            return str(held)


def storable_key(target: MappedColumn, key: str, *, nul: bool) -> Any:
    """What to write for a canonical pairing key, which is never cut.

    Raises:
        UnstorableError: too long, or it would read back as another text.
    """
    value, _ = storable(target, key, nul=nul)
    return value if target.is_text else column_key(target.column, key)
