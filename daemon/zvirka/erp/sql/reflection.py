"""The store's tables as they are in the live database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Engine, Float, MetaData, Numeric, Table
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.types import REAL

from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.typed_values import EXACT_DIGITS
from zvirka.settings.model import ErpSettings

_DOUBLE_DIGITS = 15
"""Decimal digits that a double holds for certain (IEEE 754-2008, 5.12.2)."""

_SINGLE_DIGITS = 6


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
    for column in table.columns:
        _complete(column, engine.dialect.name)
    return table


def _complete(column: Column[Any], dialect: str) -> None:
    """Replace a domain by the type under it, and note how exact a column of numbers is."""
    while isinstance(column.type, DOMAIN):
        column.type = column.type.data_type
    if digits := _exact_digits(column, dialect):
        column.info[EXACT_DIGITS] = digits


def _exact_digits(column: Column[Any], dialect: str) -> int | None:
    kind = column.type
    if dialect == "sqlite":  # it keeps decimals as doubles, and has no single precision
        return _DOUBLE_DIGITS if isinstance(kind, Numeric | Float) else None
    if isinstance(kind, REAL | mysql.FLOAT):
        return _SINGLE_DIGITS
    return _DOUBLE_DIGITS if isinstance(kind, Float) else None
