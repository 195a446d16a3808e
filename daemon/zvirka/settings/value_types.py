"""Types of values in the settings, and what a value must look like.

A key has one type, or a validator that accepts several and fails with one sentence: a union would
report each of its alternatives (:mod:`zvirka.settings.explanations`).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WrapValidator
from pydantic_core import PydanticCustomError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_LONGEST = 100 * _UNITS["y"]


class SqlExpression(BaseModel):
    """``{ sql = "CURRENT_TIMESTAMP" }``: an expression the database evaluates."""

    sql: str
    model_config = ConfigDict(extra="forbid", frozen=True)


def _duration(value: Any) -> Any:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*([smhdwy])", value.strip())):
        seconds = int(match[1]) * _UNITS[match[2]]
        return timedelta(seconds=seconds) if seconds <= _LONGEST else value
    return value


def _bounded(value: timedelta) -> timedelta:
    # Pydantic reads further forms, such as "-1d" and numbers of seconds.
    if timedelta(0) <= value <= timedelta(seconds=_LONGEST):
        return value
    raise PydanticCustomError("duration", "a duration of at least 0s and at most 100y")


def _timeout(value: Any) -> Any:
    duration = _duration(value)
    # Sockets take no more than 24 days.
    if isinstance(duration, timedelta) and not timedelta(0) < duration <= timedelta(days=1):
        raise PydanticCustomError("timeout", "a duration of more than 0s and at most 1d")
    return duration


def _off(value: Any) -> Any:
    return None if value is False or value in ("off", "false") else value


def _column(value: Any) -> Any:
    if isinstance(value, str):
        return {"column": value}
    if isinstance(value, dict | BaseModel):
        return value
    raise PydanticCustomError("column", "a table or a text in quotes")


def _scalar(value: Any, by_union: object) -> Any:
    del by_union  # it would fail once for each alternative
    if isinstance(value, str | int | float):
        return value
    raise PydanticCustomError("scalar", "a text, a number, true or false")


def _constant(value: Any, by_union: object) -> Any:
    if isinstance(value, SqlExpression):
        return value
    if isinstance(value, dict):
        if value.keys() == {"sql"} and isinstance(value["sql"], str):
            return SqlExpression(sql=value["sql"])
        raise PydanticCustomError("constant", 'a table such as {{ sql = "CURRENT_TIMESTAMP" }}')
    return _scalar(value, by_union)


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_bounded)]
Timeout = Annotated[timedelta, BeforeValidator(_timeout)]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = Annotated[str | int | float | bool, WrapValidator(_scalar)]
Constant = Annotated[SqlExpression | str | int | float | bool, WrapValidator(_constant)]
OFF = BeforeValidator(_off)
"""Lets ``false`` and ``"off"`` stand for nothing."""
COLUMN = BeforeValidator(_column)
"""Lets a name stand for a column without further settings."""


class Table(BaseModel):
    """A table of the settings: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
