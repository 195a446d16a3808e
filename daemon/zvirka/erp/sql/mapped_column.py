"""A column that holds a mapped field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Column, String

OWN = "#"
"""Stands before a value of the store that has no counterpart in 1C: «#17» is an orphan's key."""


@dataclass(frozen=True)
class Parent:
    """The rows a reference column points to by ``pk``; ``ref`` holds their Ref_Keys."""

    flow: str
    pk: Column[Any]
    ref: Column[Any]


@dataclass(frozen=True)
class MappedColumn:
    """A column that holds a mapped field; ``max_length`` in characters, ``None`` for no limit.

    ``unique``: it takes part in some unique constraint of the client's table. ``zone``: the time
    zone of 1C's clock, for a column whose type has a time zone. ``parent``: the column holds the
    primary key of a row there, and reads as that row's Ref_Key. ``values``: 1C's values of an
    enumeration with those the column holds.
    """

    field: str
    column: Column[Any]
    max_length: int | None
    truncate: bool
    unique: bool
    zone: str = ""
    parent: Parent | None = None
    values: tuple[tuple[str, str], ...] = ()

    @cached_property
    def is_text(self) -> bool:
        """Whether the column takes any text, so that a value needs no conversion."""
        return isinstance(self.column.type, String)
