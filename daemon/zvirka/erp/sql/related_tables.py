"""The tables that the mapped one refers to, and those that refer to it, reflected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, MetaData, Table, and_, true
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

from zvirka.erp.references import References, ReferringTable, unfit_reference
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.mapped_column import Parent
from zvirka.erp.sql.soft_delete import SoftDelete, is_active, soft_delete
from zvirka.mapping import Mapping
from zvirka.message import Message


@dataclass(frozen=True)
class Referring:
    """A ``column`` that holds our primary keys; ``own_key`` is set where the table is our own."""

    flow: str
    column: Column[Any]
    soft: SoftDelete | None
    own_key: Column[Any] | None

    @property
    def living(self) -> ColumnElement[bool]:
        """Whether a row counts: it is not deleted, and does not refer to itself."""
        living: ColumnElement[bool] = true()
        if self.soft is not None:
            living = is_active(self.soft, self.column.table.c) == 1
        if self.own_key is not None:
            living = and_(living, self.own_key != self.column)
        return living


def read_parents(
    engine: Engine, mapping: Mapping, references: References, name: str
) -> dict[str, Parent]:
    """The tables that reference fields point to, by field.

    Raises:
        SettingsError: a field refers to what is not there.
        StoreError: the database cannot be read.
    """
    found: dict[str, Parent] = {}
    for field in mapping.fields:
        if not field.reference:
            continue
        target = references.get(field.name)
        if target is None:
            raise unfit_reference(
                field.name,
                field.reference,
                Message("there is no such flow"),
                Message("name a flow of this installation"),
            )
        table = _table(engine, target.table, target.db_schema, name)
        for column in (target.primary_key, target.ref):
            if table is None or column not in table.c:
                raise unfit_reference(
                    field.name,
                    target.flow,
                    Message(
                        "table {table} has no column {column}", table=target.table, column=column
                    ),
                    Message("correct [erp] of the flow {flow}", flow=target.flow),
                )
        assert table is not None
        found[field.name] = Parent(target.flow, table.c[target.primary_key], table.c[target.ref])
    return found


def read_referring(
    engine: Engine, ours: Table, referring: Sequence[ReferringTable], name: str
) -> tuple[Referring, ...]:
    """The columns that refer to the mapped table; a table that is not there yet refers to nothing.

    Raises:
        StoreError: the database cannot be read.
    """
    found = []
    for one in referring:
        table = _table(engine, one.table, one.db_schema, name)
        if table is None or one.column not in table.c:
            continue
        is_own = (table.name, table.schema) == (ours.name, ours.schema)
        keys = list(ours.primary_key.columns)
        own_key = table.c[keys[0].name] if is_own and len(keys) == 1 else None
        found.append(
            Referring(one.flow, table.c[one.column], soft_delete(one.delete, table), own_key)
        )
    return tuple(found)


def _table(engine: Engine, name: str, schema: str | None, store: str) -> Table | None:
    try:
        return Table(name, MetaData(), schema=schema, autoload_with=engine, resolve_fks=False)
    except NoSuchTableError:
        return None
    except SQLAlchemyError as error:
        raise store_error(error, store) from None
