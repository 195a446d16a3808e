"""Statements that write corrections of one shape, and find out whether they did.

Who calls has judged the corrections and decides what a failure means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection

from zvirka.domain import Action
from zvirka.erp.sql.row_values import RowValues
from zvirka.erp.sql.statements import Statements
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout

CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED"


class ChangedError(Exception):
    """Fewer rows were written than statements sent: some row is not as scanned."""


class KeyDoubledError(Exception):
    """A create ended with two rows under one key."""


class NotOwnedError(Exception):
    """A row created would be invisible, and would be created again every night."""


class RowWriting:
    """Writes rows inside the caller's transaction.

    ``clean`` says that no stored key needs trimming to match. ``texts`` has the text of each new
    row's primary key.
    """

    def __init__(
        self, connection: Connection, layout: TableLayout, reading: Reading, *, clean: bool
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._reading = reading
        self._clean = clean
        self.statements = Statements(layout, connection)
        self.texts: dict[Any, str] = {}

    def create(self, group: list[RowValues]) -> list[Any]:
        """Insert clients and find each new row by its key: the order of rows means nothing.

        Raises:
            NotOwnedError: a new row is not owned, or its key reads back as another.
            KeyDoubledError: another row has the key by now.
            ChangedError: fewer rows were created than statements sent.
        """
        statement = self.statements.create(tuple(group[0].values))
        created = self._connection.execute(
            statement,
            [row_values.values for row_values in group],
            execution_options={"preserve_rowcount": True},
        )
        if 0 <= created.rowcount < len(group):
            raise ChangedError
        keys = [row_values.correction.key for row_values in group]
        found: dict[str, list[Any]] = defaultdict(list)
        for row, text, key in self._reading.rows_of_keys(self._connection, keys, clean=self._clean):
            found[key].append(row)
            self.texts[row] = text
        if any(len(found[key]) > 1 for key in keys):
            raise KeyDoubledError
        if not all(found[key] for key in keys):
            raise NotOwnedError
        return [found[key][0] for key in keys]

    def require_owned(self, rows: list[Any]) -> None:
        """Check that rows with these primary keys are owned.

        Raises:
            NotOwnedError: some row is not.
        """
        owned = self._connection.execute(self.statements.owned_among(rows)).all()
        if len(owned) < len(rows):
            raise NotOwnedError

    def change(self, group: list[RowValues], *, judged: bool) -> None:
        """Update, restore or delete rows; ``judged`` rows are locked and are as they were scanned.

        Raises:
            ChangedError: fewer rows were written than corrections given.
        """
        action, active, columns = group[0].shape
        parked = group[0].parked
        gone = action is Action.DELETE and self._layout.soft is None
        alone = gone or parked
        bulk_update = None if alone else self.statements.change_in_bulk(group, judged=judged)
        if bulk_update is not None:
            written = self._connection.execute(bulk_update).rowcount
        else:
            statement: Any = (
                self.statements.remove(active)
                if gone
                else self.statements.change(action, active, columns, parked=parked)
            )
            if statement is None:
                return
            parameters = [self.statements.parameters(row_values) for row_values in group]
            written = self._connection.execute(statement, parameters).rowcount
        if written != len(group):
            raise ChangedError

    def park(self, row_values: RowValues) -> RowValues:
        """Empty the unique columns a client gives up, and expect them empty from here on."""
        correction = row_values.correction
        fields = [name for name in correction.after if self._gives_up(name, row_values)]
        if not fields:
            return row_values
        columns = [self._layout.columns[name].column.name for name in fields]
        statement = self.statements.change(Action.UPDATE, correction.active, columns)
        empty = RowValues(correction, row_values.row, dict.fromkeys(columns))
        parameters = self.statements.parameters(empty)
        if statement is None or self._connection.execute(statement, [parameters]).rowcount != 1:
            raise ChangedError
        before = {**correction.before, **dict.fromkeys(fields)}
        expecting = msgspec.structs.replace(correction, before=before)
        return msgspec.structs.replace(row_values, correction=expecting, parked=True)

    def _gives_up(self, field: str, row_values: RowValues) -> bool:
        mapped = self._layout.columns.get(field)
        if mapped is None or not mapped.column.nullable:
            return False
        if mapped.column.name not in row_values.values:
            return False
        correction = row_values.correction
        changes = correction.before.get(field) != correction.after[field]
        return changes and mapped.unique

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """All or nothing, with the constraints PostgreSQL would only check at the very end."""
        with self._connection.begin_nested():
            yield
            if self._connection.dialect.name == "postgresql":
                self._connection.exec_driver_sql(CHECK_NOW)
