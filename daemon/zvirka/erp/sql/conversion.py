"""Values of 1C on their way into columns: held to the limits of the column, or refused.

:func:`held_text` foretells how a value reads back.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from zvirka.domain import EMPTY_DATE, ZERO_REF
from zvirka.erp.sql.mapped_column import OWN, MappedColumn
from zvirka.erp.sql.typed_values import (
    EXACT,
    UnstorableError,
    changed,
    column_value,
    is_day,
    refused,
)
from zvirka.identity import canonical_key, trimmed
from zvirka.message import Message


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
    held = column_value(column, value)
    if not isinstance(held, str):
        return _held(target, held)
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
    return not text or (is_day(target.column) and text == EMPTY_DATE)


def _held(target: MappedColumn, value: Any) -> tuple[Any, bool]:
    """A value of the column's type as the column can hold it, and whether it had to be rounded."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=ZoneInfo(target.zone)) if target.zone else value), False
    scale = getattr(target.column.type, "scale", None)
    if not isinstance(value, Decimal | float) or scale is None:
        return value, False
    exact = Decimal(str(value))
    rounded = exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, EXACT)
    if rounded != exact and not target.truncate:
        raise UnstorableError(
            Message(
                "field {field} has {count} decimals, column {column} takes {limit}",
                field=target.field,
                count=-int(exact.normalize(EXACT).as_tuple().exponent),
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
            with suppress(OverflowError):  # the first and the last day that Python knows
                # An hour that the clock leaves out in spring is moved.
                if held.tzinfo is not None:
                    held = held.astimezone(UTC).astimezone(held.tzinfo)
            return held.replace(tzinfo=None).isoformat()
        case date():
            return f"{held.isoformat()}T00:00:00"
        case _:
            return str(held)


def storable_key(target: MappedColumn, key: str, *, nul: bool) -> Any:
    """What to write for a canonical pairing key, or a part of one, which is never cut.

    Raises:
        UnstorableError: too long, or it would read back as another text: «000000001» from a number.
    """
    value, _ = storable(target, key, nul=nul)
    if value is None or target.is_text or target.values:
        return value
    if isinstance(value, float) or getattr(target.column.type, "scale", None):
        raise changed(target.column)
    if _spelled(value) != key:
        raise refused(target.column)
    return value
