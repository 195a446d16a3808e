"""Many changes in one statement: on PostgreSQL a JSON document holds the values of them all.

The statement itself compares every row with what was scanned, so nothing has to be read first:
100,000 updates take 1.7 s where locking and reading their rows first took 2.5 s, and plain batched
statements that compare nothing take 1.1 s (``make bench``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Enum,
    Float,
    Integer,
    Numeric,
    String,
    TableValuedAlias,
    Text,
    Uuid,
    cast,
    column,
    func,
    literal,
)
from sqlalchemy.types import TypeEngine

from zvirka.domain import Action, Correction
from zvirka.erp.sql.row_values import RowValues
from zvirka.erp.sql.table_layout import TableLayout

_PLAIN = (String, Integer, Numeric, Boolean, Uuid, Date, DateTime)
"""Types whose values read the same from JSON as from a parameter of their own."""


class BulkUpdate:
    """What one statement can change of one layout in a database of that dialect."""

    def __init__(self, layout: TableLayout, dialect: Dialect) -> None:
        self._layout = layout
        self._able = dialect.name == "postgresql" and _is_plain(layout.pk)
        self._plain = {column.name for column in layout.table.c if _is_plain(column)}

    def takes(self, columns: Collection[str]) -> bool:
        """Whether these columns can be changed by one statement for many rows."""
        return self._able and self._plain.issuperset(columns)

    def judges(self, correction: Correction) -> bool:
        """Whether the statement can tell by itself that this correction may be written.

        It sees the client's own table only, and does not ask who holds a new key.
        """
        layout = self._layout
        if not self._able or layout.children or correction.new_key:
            return False
        if correction.action is not Action.UPDATE or not correction.after:
            return False
        return correction.before.keys() == layout.columns.keys()

    def rows(
        self, group: Sequence[RowValues], columns: Sequence[str], *, judged: bool
    ) -> TableValuedAlias:
        """The group as rows: ``zv_row``, ``zv_set_N`` for new values, ``zv_was_N`` for old ones.

        Old values are left out where the rows are ``judged`` already. The rows are in the order of
        the primary key, so that two writers rarely deadlock.
        """
        layout = self._layout
        new_values = [f"zv_set_{number}" for number in range(len(columns))]
        fields = [] if judged else list(layout.columns)
        was = [f"zv_was_{number}" for number in range(len(fields))]
        rows = [
            {
                "zv_row": row_values.row,
                **dict(zip(new_values, row_values.values.values(), strict=True)),
                **dict(zip(was, map(row_values.correction.before.get, fields), strict=True)),
            }
            for row_values in sorted(group, key=_row)
        ]
        document = cast(literal(msgspec.json.encode(rows).decode(), Text()), JSON)
        names = [column("zv_row", layout.pk.type)]
        names += [
            column(name, _wide(layout.table.c[target]))
            for name, target in zip(new_values, columns, strict=True)
        ]
        names += [column(name, Text()) for name in was]
        function = func.json_to_recordset(document)
        return function.table_valued(*names).render_derived(name="zv_new", with_types=True)


def _row(row_values: RowValues) -> Any:
    return row_values.row


def _is_plain(target: Column[Any]) -> bool:
    return isinstance(target.type, _PLAIN) and not isinstance(target.type, Enum | Float)


def _wide(target: Column[Any]) -> TypeEngine[Any]:
    """A text as text: its length is held to when it is assigned."""
    return Text() if isinstance(target.type, String) else target.type
