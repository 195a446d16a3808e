"""Looks at the ERP's database: its tables by likeness to clients, their columns, some rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    Uuid,
    cast,
    func,
    inspect,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.engines import store_engine
from zvirka.init.likeness import COLUMNS, TABLES, likeness
from zvirka.message import Message
from zvirka.settings.model import ErpSettings

_LOOKED_INTO = 12
"""Tables whose columns are read: those whose names promise most."""


class TableChoice(msgspec.Struct, frozen=True):
    """A table that may hold the clients; ``score`` is from 0 to 1."""

    name: str
    rows: int
    score: float
    reason: str


class ErpDatabase:
    """A connection to the ERP's database for looking around; nothing is written.

    Raises:
        SettingsError: the address cannot be used.
        StoreError: the database cannot be reached.
    """

    def __init__(self, erp: ErpSettings) -> None:
        self.schema = erp.db_schema
        self._engine: Engine = store_engine(erp)
        self._metadata = MetaData()
        self._tables: dict[str, Table] = {}
        try:
            self.connection: Connection = self._engine.connect()
            looking = inspect(self._engine)
            self.names = sorted(
                {*looking.get_table_names(self.schema), *looking.get_view_names(self.schema)}
            )
            self.backend = self._engine.dialect.name
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise store_error(error, "erp.url") from None

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
        self._engine.dispose()

    @property
    def engine(self) -> Engine:
        """The engine, for reflection."""
        return self._engine

    def table(self, name: str) -> Table:
        """Return a table as it is in the database.

        Raises:
            StoreError: the database has no table of that name.
        """
        if name not in self._tables:
            try:
                self._tables[name] = Table(
                    name,
                    self._metadata,
                    schema=self.schema,
                    autoload_with=self._engine,
                    resolve_fks=False,
                )
            except SQLAlchemyError as error:
                raise store_error(error, name) from None
        return self._tables[name]

    def ranked(self) -> list[TableChoice]:
        """Return the tables that may hold clients, the likeliest first."""
        by_name = sorted(self.names, key=lambda name: -likeness(name, TABLES))[:_LOOKED_INTO]
        return sorted(map(self._choice, by_name), key=lambda choice: -choice.score)

    def _choice(self, name: str) -> TableChoice:
        table = self.table(name)
        fields = ("name", "tax_id", "phone", "email", "address")
        found = [
            field
            for field in fields
            if any(likeness(column.name, COLUMNS[field]) > 0.4 for column in table.columns)
        ]
        keyed = any(
            likeness(column.name, COLUMNS[kind]) > 0.4
            for column in table.columns
            for kind in ("code", "ref")
        )
        score = 0.5 * likeness(name, TABLES) + 0.4 * len(found) / len(fields) + 0.1 * keyed
        reason = Message("columns for: {fields}", fields=found)
        if keyed:
            reason = Message("columns for: {fields}; and a key", fields=found)
        return TableChoice(name, self.count(table), round(score, 2), reason)

    def count(self, table: Table, *where: Any) -> int:
        """Return the number of rows."""
        statement = select(func.count()).select_from(table).where(*where)
        return int(self.connection.execute(statement).scalar_one())

    def holding(self, column: Column[Any], values: Sequence[str]) -> int:
        """Return how many of the values stand in the column."""
        if not values or not isinstance(column.type, String | Uuid):
            return 0
        text = cast(column, String(255)) if isinstance(column.type, Uuid) else column
        statement = select(func.count(func.distinct(text))).where(text.in_(list(values)))
        return int(self.connection.execute(statement).scalar_one())

    def rows(self, table: Table, *where: Any, limit: int = 500) -> list[dict[str, Any]]:
        """Return rows by column."""
        found = self.connection.execute(select(table).where(*where).limit(limit))
        return [dict(row) for row in found.mappings()]

    def common(self, column: Column[Any], *where: Any) -> list[tuple[Any, int]]:
        """Return the most frequent values of a column with their numbers."""
        number = func.count().label("number")
        statement = select(column, number).where(*where).group_by(column)
        return [
            (row[0], row[1])
            for row in self.connection.execute(statement.order_by(number.desc()).limit(10))
        ]

    def children(self, parent: Table) -> Iterator[tuple[Table, Column[Any]]]:
        """Yield the tables that refer to a table, with the column that does."""
        stem = parent.name.removesuffix("s")
        for name in self.names:
            if name == parent.name or not self._may_refer(name, parent.name, stem):
                continue
            table = self.table(name)
            for column in table.columns:
                targets = {key.target_fullname.split(".")[-2] for key in column.foreign_keys}
                if parent.name in targets or column.name in {f"{stem}_id", f"{parent.name}_id"}:
                    yield table, column
                    break

    def _may_refer(self, name: str, parent: str, stem: str) -> bool:
        looking = inspect(self._engine)
        keys = looking.get_foreign_keys(name, schema=self.schema)
        return stem in name or any(key["referred_table"] == parent for key in keys)
