"""A column that holds a mapped field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Column, String


@dataclass(frozen=True)
class MappedColumn:
    """A column that holds a mapped field; ``max_length`` in characters, ``None`` for no limit.

    ``unique``: it takes part in some unique constraint of the client's table. ``zone``: the time
    zone of 1C's clock, for a column whose type has a time zone.
    """

    field: str
    column: Column[Any]
    max_length: int | None
    truncate: bool
    unique: bool
    zone: str = ""

    @cached_property
    def is_text(self) -> bool:
        """Whether the column takes any text, so that a value needs no conversion."""
        return isinstance(self.column.type, String)
