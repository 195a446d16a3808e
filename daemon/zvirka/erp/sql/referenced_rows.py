"""References on their way into the store: 1C's Ref_Keys become primary keys of parent rows.

A parent that is not there yet makes its child wait; a parent with living children is not deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from zvirka.domain import Correction
from zvirka.erp.sql.conversion import as_reference, empty_in_required
from zvirka.erp.sql.expressions import AsText, among
from zvirka.erp.sql.mapped_column import OWN, MappedColumn, Parent
from zvirka.erp.sql.related_tables import Referring
from zvirka.erp.sql.typed_values import (
    UnstorableError,
    column_value,
    column_values,
    takes_any_text,
)
from zvirka.identity import canonical_key
from zvirka.message import Message, also, plural

CHUNK = 500
"""Values in one IN list."""


class ReferencedRows:
    """The primary keys of the rows that corrections refer to, looked up for many at once."""

    def __init__(self, connection: Connection, columns: Iterable[MappedColumn]) -> None:
        self._connection = connection
        self._parents = {one.field: one.parent for one in columns if one.parent is not None}
        self._rows: dict[tuple[str, str], set[Any]] = defaultdict(set)

    def look_up(self, corrections: Sequence[Correction]) -> None:
        """Find the rows that the new values of these corrections refer to."""
        for field, parent in self._parents.items():
            wanted = {as_reference(one.after.get(field)) for one in corrections}
            missing = sorted(ref for ref in wanted if ref and not self._rows.get((field, ref)))
            for start in range(0, len(missing), CHUNK):
                refs = missing[start : start + CHUNK]
                for ref, row in self._connection.execute(_select(self._connection, parent, refs)):
                    self._rows[field, canonical_key(str(ref), is_ref=True)].add(row)

    def row_of(self, target: MappedColumn, value: str | None) -> Any:
        """What the column holds for a reference of 1C; ``None`` for the empty one.

        Raises:
            UnstorableError: the row is not there yet, is there several times, or the reference is
                empty where the column needs a value.
        """
        assert target.parent is not None
        ref = as_reference(value)
        if not ref:
            if target.column.nullable:
                return None
            raise empty_in_required(target)
        if ref.startswith(OWN):
            return column_value(target.column, ref.removeprefix(OWN))
        rows = self._rows.get((target.field, ref), set())
        if not rows:
            waits = Message("waits for {flow} {ref}", flow=target.parent.flow, ref=ref)
            raise UnstorableError(waits, waits=True)
        if len(rows) > 1:
            raise UnstorableError(
                Message(
                    "{flow} has several rows with Ref_Key {ref}", flow=target.parent.flow, ref=ref
                )
            )
        return next(iter(rows))


def _select(connection: Connection, parent: Parent, refs: Sequence[str]) -> Any:
    values = ref_values(parent, refs)
    return select(parent.ref, parent.pk).where(among(connection, parent.ref, values))


def ref_values(parent: Parent, refs: Sequence[str]) -> list[Any]:
    """Ref_Keys as the column of the parent's Ref_Key may hold them."""
    if takes_any_text(parent.ref):  # an index over the column finds both spellings
        return [*refs, *(ref.upper() for ref in refs)]
    return column_values(parent.ref, refs)


def living_references(
    connection: Connection, referring: Sequence[Referring], rows: Collection[str]
) -> dict[str, Message]:
    """Which of these rows living rows refer to, and how many of which flow.

    Rows of our own table that are among ``rows`` do not count: they are deleted together.
    """
    found: dict[str, Message] = {}
    for one in referring:
        wanted = column_values(one.column, rows)
        if not wanted:
            continue
        statement = select(AsText(one.column), func.count()).where(
            among(connection, one.column, wanted), one.living
        )
        if one.own_key is not None:
            statement = statement.where(one.own_key.not_in(wanted))
        for row, count in connection.execute(statement.group_by(AsText(one.column))):
            told = plural(
                "{count} living row of {flow} refers to it",
                "{count} living rows of {flow} refer to it",
                count=count,
                flow=one.flow,
            )
            found[row] = also(found.get(row, ""), told)
    return found
