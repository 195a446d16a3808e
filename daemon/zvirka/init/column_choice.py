"""Chooses columns for fields: by what both sides hold there, or by name where there are no rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, String

from zvirka.comparison import canonical
from zvirka.init.key_choice import Pair
from zvirka.init.likeness import COLUMNS, NAMED, likeness
from zvirka.mapping import Mapping
from zvirka.message import Message


def assigned(
    mapping: Mapping, key: str, columns: Iterable[Column[Any]], pairs: Sequence[Pair]
) -> Iterator[tuple[str, Column[Any], float, Message]]:
    """Yield fields with their columns, the surest first; each column serves one field.

    Args:
        mapping: the fields as 1C has them.
        key: the field that is the pairing key; it has a column already.
        columns: those that are free.
        pairs: counterparties with rows that have these columns.
    """
    texts = [column for column in columns if isinstance(column.type, String)]
    scored = [
        (*_score(mapping, field, column, pairs), field, column)
        for field in mapping.names
        if field != key
        for column in texts
    ]
    used: set[str] = set()
    for score, reason, field, column in sorted(scored, key=lambda one: -one[0]):
        if score >= NAMED and field not in used and column.name not in used:
            used |= {field, column.name}
            yield field, column, score, reason


def _score(
    mapping: Mapping, field: str, column: Column[Any], pairs: Sequence[Pair]
) -> tuple[float, Message]:
    named = likeness(column.name, (field, *COLUMNS.get(field, ())))
    compare = mapping.comparison(mapping.field(field))
    filled = agreed = 0
    for party, row in pairs:
        theirs = canonical(compare, party.values.get(field))
        if theirs and column.name in row:
            filled += 1
            agreed += canonical(compare, str(row[column.name] or "")) == theirs
    if not agreed:
        return round(named if not filled else 0.6 * named, 2), Message("its name")
    score = max(0.6 * named, 0.7 * agreed / filled + 0.3 * named)
    reason = Message("equal in {agreed} of {count} pairs", agreed=agreed, count=filled)
    return round(score, 2), reason
