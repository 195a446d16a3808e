"""The store's tables as they are in the live database."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Column, Connection, Engine, Float, MetaData, Numeric, String, Table, text
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.types import REAL

from zvirka.erp.sql.charsets import note_charsets
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.expressions import ANSWERS_CONFLICTS
from zvirka.erp.sql.typed_values import EXACT_DIGITS
from zvirka.settings.model import ErpSettings

_DOUBLE_DIGITS = 15
"""Decimal digits that a double holds for certain (IEEE 754-2008, 5.12.2)."""

_SINGLE_DIGITS = 6

_LIMITS_OF_DOMAINS = text("""
    WITH RECURSIVE base (name, type, modifier) AS (
        SELECT attname, atttypid, atttypmod
        FROM pg_catalog.pg_attribute
        WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT base.name, pg_type.typbasetype, pg_type.typtypmod
        FROM base JOIN pg_catalog.pg_type ON pg_type.oid = base.type
        WHERE pg_type.typtype = 'd'
    )
    SELECT name, CAST(regexp_match(limits, '(\\d+),?(\\d+)?') AS integer[])
    FROM base, substring(pg_catalog.format_type(type, modifier) FROM '\\(.*\\)') AS limits
    WHERE modifier >= 0
""")
"""Length, or precision and scale, of the types under domains, by column."""


def reflect(engine: Engine, erp: ErpSettings, name: str) -> tuple[Table, dict[str, Table]]:
    """The client's table and the child tables by their name in the settings.

    Raises:
        StoreError: the database cannot be reached, or a table does not exist.
    """
    metadata = MetaData()
    try:
        table = _reflected(engine, metadata, erp.table or "clients", erp.db_schema)
        children = {
            child: _reflected(engine, metadata, settings.table, erp.db_schema)
            for child, settings in erp.children.items()
        }
    except SQLAlchemyError as error:
        raise store_error(error, name) from None
    return table, children


def _reflected(engine: Engine, metadata: MetaData, name: str, schema: str | None) -> Table:
    """The table as it is, found by its name or by ``schema.table``.

    Raises:
        NoSuchTableError: there is no such table.
    """

    def reflected(name: str, schema: str | None) -> Table:
        return Table(
            name,
            metadata,
            schema=schema,
            autoload_with=engine,
            resolve_fks=False,
            extend_existing=True,
        )

    try:
        table = reflected(name, schema)
    except NoSuchTableError:
        within, dot, bare = name.partition(".")
        if not dot:
            raise
        table = reflected(bare, within)
    with engine.connect() as connection:
        _replace_domains(connection, table)
        note_charsets(connection, table)
        _note_answers(connection, table)
    for column in table.columns:
        if digits := _exact_digits(column, engine.dialect.name):
            column.info[EXACT_DIGITS] = digits
    return table


def _replace_domains(connection: Connection, table: Table) -> None:
    """Replace each domain by its base type, with length, precision and scale.

    SQLAlchemy reflects that type without them; ``char(12)`` would be taken for ``char(1)``.
    """
    domains = [column for column in table.columns if isinstance(column.type, DOMAIN)]
    if not domains:
        return
    name = connection.dialect.identifier_preparer.format_table(table)
    found = connection.execute(_LIMITS_OF_DOMAINS, {"name": name}).all()
    limits = {column: [limit for limit in limits if limit is not None] for column, limits in found}
    for column in domains:
        while isinstance(column.type, DOMAIN):
            column.type = column.type.data_type
        if isinstance(column.type, String | Numeric) and column.name in limits:
            column.type = type(column.type)(*limits[column.name])


def _note_answers(connection: Connection, table: Table) -> None:
    """Note whether an SQLite table says what a broken constraint leads to."""
    if connection.dialect.name != "sqlite":
        return
    statement = "SELECT sql FROM sqlite_master WHERE lower(name) = lower(?)"
    found = connection.exec_driver_sql(statement, (table.name,)).scalar()
    if found and re.search(r"on\s+conflict", found, re.IGNORECASE):
        table.info[ANSWERS_CONFLICTS] = True


def _exact_digits(column: Column[Any], dialect: str) -> int | None:
    kind = column.type
    if dialect == "sqlite":  # it keeps decimals as doubles, and has no single precision
        return _DOUBLE_DIGITS if isinstance(kind, Numeric | Float) else None
    if isinstance(kind, REAL | mysql.FLOAT):
        return _SINGLE_DIGITS
    return _DOUBLE_DIGITS if isinstance(kind, Float) else None
