"""Texts of 1C as values of a column's type, one rule per type.

1C writes a date as ``2014-01-31T00:00:00`` and a number as ``1000.5``. A column of another type
than text is read in the same spelling (:func:`zvirka.erp.sql.expressions.field_text`), so that the
two sides compare as texts. A text that would read back as another one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Context, Decimal, InvalidOperation
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Enum, Float
from sqlalchemy.types import NullType

from zvirka.domain import ZERO_REF
from zvirka.erp.sql.charsets import charset_of
from zvirka.identity import trimmed
from zvirka.message import Message

EXACT_DIGITS = "exact_digits"
"""Key in ``Column.info``: so many decimal digits the column holds for certain; absent for any."""

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
"""A number as 1C and the databases write it. A text of digits with a zero in front, a tax id for
example, is not one: a column of numbers would lose the zero."""

_MOST_CHARACTERS = 1000
"""A longer text is no number of any business; Python refuses to spell out far longer ones."""

EXACT = Context(prec=4000)
"""Enough for every digit of a number that is taken here, and for its decimals."""

_INTEGERS = range(-(2**63), 2**63)
"""What SQLite and the widest signed type of the servers hold."""

_SMALLEST = Decimal("1e-4")
"""Databases spell a smaller floating-point number with an exponent."""

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_MOMENT = re.compile(rf"{_DAY}([T ]{_CLOCK})?")
_TIME = re.compile(rf"({_DAY}[T ])?{_CLOCK}")


class UnstorableError(ValueError):
    """A value that could not be stored as it is. ``reason`` names field and column, no value.

    ``waits``: it can be stored as soon as the row it refers to is there.
    """

    def __init__(self, reason: Message, *, waits: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.waits = waits


def has_rule(column: Column[Any]) -> bool:
    """Whether values of 1C can be written to the column and compared with it."""
    return takes_any_text(column) or _kind(column) in _PARSERS


def unknown_type(column: Column[Any]) -> Message:
    """The sentence on a column for whose type there is no rule."""
    return Message(
        "column {column} is of type {type}, which zvirka neither writes nor compares",
        column=f"{column.table.name}.{column.name}",
        type=str(column.type),
    )


def column_value(column: Column[Any], value: str) -> Any:
    """A text as the Python type of the column.

    Raises:
        UnstorableError: the text is not of that type, or would read back as another text.
    """
    if takes_any_text(column):
        if isinstance(column.type, Enum) and value not in column.type.enums:
            raise refused(column)  # MySQL takes a digit for the number of a member
        charset = charset_of(column)
        if charset is not None and not charset.holds(value):
            raise UnstorableError(
                Message(
                    "column {column} is encoded in {charset}, which lacks a character of the value",
                    column=column.name,
                    charset=charset.name,
                )
            )
        return value
    parse = _PARSERS.get(_kind(column))
    if parse is None:
        raise UnstorableError(unknown_type(column))
    try:
        return parse(column, trimmed(value))
    except UnstorableError:
        raise
    except (ValueError, KeyError, InvalidOperation):
        raise refused(column) from None


def column_values(
    column: Column[Any],
    texts: Iterable[str],
) -> list[Any]:
    """The texts as the column's type; those that are not of it are in no row and are left out."""
    found = []
    for text in texts:
        try:
            found.append(column_value(column, text))
        except UnstorableError:
            continue
    return found


def some_value(column: Column[Any]) -> str:
    """A text the column takes, whatever its type: an everyday value."""
    return _SAMPLES.get(_kind(column), "0")


def takes_any_text(column: Column[Any]) -> bool:
    """Whether a text needs no conversion to be stored in the column.

    ``NullType`` is a type that SQLAlchemy does not know, or none at all as in SQLite.
    """
    return _kind(column) is str or isinstance(column.type, NullType)


def is_day(column: Column[Any]) -> bool:
    """Whether the column holds dates, with or without a time of day."""
    return _kind(column) in {date, datetime}


def refused(column: Column[Any]) -> UnstorableError:
    """The refusal of a text that is not of the column's type."""
    return UnstorableError(
        Message("column {column} does not take such a value", column=column.name)
    )


def changed(column: Column[Any]) -> UnstorableError:
    """The refusal of a value that a column of numbers would not keep as it is."""
    return UnstorableError(
        Message("column {column} holds numbers and would change the value", column=column.name)
    )


def _any_number(column: Column[Any], value: str) -> Decimal:
    if len(value) > _MOST_CHARACTERS:
        raise refused(column)
    if not _NUMBER.fullmatch(value):
        Decimal(value)
        raise changed(column)
    number = Decimal(value)
    return number or abs(number)  # no -0: not every database keeps the sign


def _number(column: Column[Any], value: str) -> Decimal:
    """A number that the column holds exactly, as far as its digits go."""
    number = _any_number(column, value)
    digits = column.info.get(EXACT_DIGITS)
    if digits is None or not number:
        return number
    significant = len(number.normalize(EXACT).as_tuple().digits)
    if significant > digits or not _SMALLEST <= abs(number) < 10**digits:
        raise changed(column)
    return number


def _whole_number(column: Column[Any], value: str) -> int:
    if value in _TRUTH:
        return int(_TRUTH[value])
    number = _any_number(column, value)
    whole = int(number)
    if number != whole:
        raise changed(column)
    if whole not in _INTEGERS:
        raise refused(column)
    return whole


def _truth(_column: Column[Any], value: str) -> bool:
    return {**_TRUTH, "1": True, "0": False}[value.lower()]


def _moment(column: Column[Any], value: str) -> datetime:
    if not _MOMENT.fullmatch(value):
        raise refused(column)
    return datetime.fromisoformat(value).replace(microsecond=0)


def _time(column: Column[Any], value: str) -> time:
    if not _TIME.fullmatch(value):
        raise refused(column)
    return time.fromisoformat(re.split("[T ]", value)[-1]).replace(microsecond=0)


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
    float: lambda column, value: float(_number(column, value)),
    Decimal: _number,
    UUID: lambda _column, value: UUID(value),
    datetime: _moment,
    date: lambda column, value: _moment(column, value).date(),
    time: _time,
}


@cache
def _kind(column: Column[Any]) -> type:
    if isinstance(column.type, Float):
        return float  # MySQL's DOUBLE calls itself Decimal
    try:
        return column.type.python_type
    except NotImplementedError:
        return object
