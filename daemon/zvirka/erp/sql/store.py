"""The reading side of any mapped SQL table; the embedded store is one with a preset mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Column, Engine
from sqlalchemy.exc import SQLAlchemyError

from zvirka.domain import Client, Correction, Values
from zvirka.erp.protocol import ClientElsewhere, Scanned
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.referenced_rows import living_references
from zvirka.erp.sql.shared_rows import SharedRows
from zvirka.erp.sql.soft_delete import EmptiedColumns
from zvirka.erp.sql.store_queries import Reading, conflicting_rows, rows_with_key
from zvirka.erp.sql.streaming import scanned
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.typed_values import takes_any_text
from zvirka.message import Message


class SqlStore:
    """A :class:`zvirka.erp.protocol.Store` over one table with its child tables."""

    def __init__(self, engine: Engine, layout: TableLayout) -> None:
        self._engine = engine
        self._layout = layout
        self._reading = Reading(layout)
        self._shared_rows = SharedRows(layout)

    @property
    def name(self) -> str:
        """Where the store is, without secrets."""
        return self._layout.name

    @property
    def soft_delete(self) -> bool:
        """Whether a delete leaves an inactive row."""
        return self._layout.soft is not None

    @property
    def emptied(self) -> tuple[str, ...]:
        """The fields that a delete empties."""
        if not isinstance(self._layout.soft, EmptiedColumns):
            return ()
        names = {column.name for column in self._layout.soft.columns}
        return tuple(f for f, one in self._layout.columns.items() if one.column.name in names)

    @property
    def has_ref(self) -> bool:
        """Whether a column keeps the Ref_Key."""
        return self._layout.ref is not None

    @property
    def key_column(self) -> str:
        """The column of the pairing key, with its table and type."""
        key = self._layout.key
        return f"{key.label} ({key.types})"

    def shape(self) -> dict[str, str]:
        """Type by ``table.column`` of the tables as they were reflected."""
        tables = [self._layout.table, *(child.table for child in self._layout.children)]
        return {
            f"{table.name}.{column.name}": _type_of(column)
            for table in tables
            for column in table.columns
        }

    def unfit_key(self, keys: Iterable[str]) -> str:
        """The first key the key column cannot hold as it is; '' when it can hold them all."""
        key_columns = self._layout.key
        if all(takes_any_text(part.column) for part in key_columns.parts):
            return ""
        return next((key for key in keys if not key_columns.fits(key)), "")

    def newest(self, size: int) -> list[Client]:
        """Up to ``size`` owned rows, those with the greatest primary keys.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                return self._reading.newest(connection, size)
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None

    def scan(self) -> Iterator[Scanned]:
        """Every owned row, streamed out of one snapshot.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                yield from scanned(connection, self._reading)
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None

    def read_rows(self, rows: Sequence[str]) -> list[Client]:
        """Owned rows by primary key, those that are there.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                return self._reading.by_rows(connection, rows)
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None

    def read_keys(self, keys: Sequence[str]) -> list[Client]:
        """Owned rows by pairing key, inactive and doubled ones included.

        Raises:
            StoreError: the store cannot be read.
        """
        if not keys:
            return []
        try:
            clean = self._keys_are_clean
            with self._engine.connect() as connection:
                return self._reading.by_keys(connection, keys, clean=clean)
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None

    @cached_property
    def _keys_are_clean(self) -> bool:
        with self._engine.connect() as connection:
            return self._reading.keys_are_clean(connection)

    def elsewhere(self, records: Sequence[Values]) -> list[ClientElsewhere | None]:
        """For the values of each record: the client that another flow keeps for it already.

        Raises:
            StoreError: the store cannot be read.
        """
        sharing = self._layout.sharing
        values = [record.get(sharing.field) for record in records]
        try:
            with self._engine.connect() as connection:
                found = self._shared_rows.find(connection, values)
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None
        return [found.get(sharing.canonical(value)) for value in values]

    def shared(self) -> dict[str, int]:
        """By flow of the same table: how many of our living clients it has as well.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                return self._shared_rows.count(connection)
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None

    def conflicts(self, correction: Correction) -> list[str]:
        """Primary keys of rows, owned or not, that a unique constraint would collide with.

        Raises:
            StoreError: the store cannot be read.
        """
        found: dict[str, None] = {}
        try:
            with self._engine.connect() as connection:
                for statement in conflicting_rows(self._layout, correction):
                    found |= dict.fromkeys(connection.execute(statement).scalars())
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None
        return list(found)

    def holders(self, key: str, *, thorough: bool) -> list[str]:
        """Primary keys of all rows with a pairing key, owned or not.

        ``thorough`` finds keys with blanks around them for certain, but reads the whole table.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            clean = not thorough and self._keys_are_clean
            with self._engine.connect() as connection:
                statement = rows_with_key(connection, self._layout, key, clean=clean)
                found = connection.execute(statement).all()
                return [row for row, held in found if self._layout.key.canonical(held) == key]
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None

    def referring_to(self, row: str) -> Message | None:
        """How many living rows of which flows refer to a row; ``None`` when none does.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                return living_references(connection, self._layout.referring, [row]).get(row)
        except SQLAlchemyError as error:
            raise store_error(error, self.name) from None

    @property
    def unique_fields(self) -> list[tuple[str, ...]]:
        """Groups of mapped fields that are unique as a group."""
        return self._layout.unique_fields

    @property
    def keeps_ref(self) -> bool:
        """Whether the store has a column for Ref_Key."""
        return self._layout.ref is not None

    def fitting(self, values: Values) -> dict[str, str | None]:
        """The values as the columns could hold them: cut where the mapping says truncate.

        The key is stored in its canonical form.
        """
        return self._layout.fitting(values)

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()


def _type_of(column: Column[Any]) -> str:
    """The type of a column as its database spells it, as far as that matters to a writer."""
    required = "" if column.nullable else " NOT NULL"
    return f"{column.type}{required}"
