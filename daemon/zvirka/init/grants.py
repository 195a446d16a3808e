"""The rights that a database user of zvirka's own needs: exactly what its runs do."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, Table, bindparam
from sqlalchemy import text as sql_text
from sqlalchemy.exc import SQLAlchemyError

from zvirka.init.erp_database import ErpDatabase
from zvirka.settings.model import ErpSettings


def grants(database: ErpDatabase, erp: ErpSettings, user: str) -> list[str]:
    """Return the GRANT statements; none for SQLite, whose rights are those of its file.

    Args:
        database: where the tables are.
        erp: the settings, with a table.
        user: the database user of zvirka.
    """
    if database.backend == "sqlite":
        return []
    quote = database.engine.dialect.identifier_preparer
    who = quote.quote(user) if database.backend == "postgresql" else f"'{user}'@'%'"
    main = database.table(erp.table or "")
    children = [database.table(child.table) for child in erp.children.values()]
    reads_only = erp.writer == "webhook"
    rights = "SELECT" if reads_only else "SELECT, INSERT, UPDATE"
    statements = []
    if database.backend == "postgresql" and main.schema:
        statements.append(f"GRANT USAGE ON SCHEMA {quote.quote(main.schema)} TO {who};")
    for table in (main, *children):
        deletes = ", DELETE" if erp.delete.mode == "hard" and not reads_only else ""
        name = quote.format_table(table)
        statements.append(f"GRANT {rights}{deletes} ON {name} TO {who};")
    if database.backend == "postgresql" and not reads_only:
        sequences = [_sequence(database, table) for table in (main, *children)]
        statements += [f"GRANT USAGE ON SEQUENCE {one} TO {who};" for one in sequences if one]
    return statements


def _sequence(database: ErpDatabase, table: Table) -> str | None:
    """Return the sequence that numbers the rows of a table."""
    keys = list(table.primary_key.columns)
    if len(keys) != 1:
        return None
    name = database.engine.dialect.identifier_preparer.format_table(table)
    statement = sql_text("SELECT pg_get_serial_sequence(:name, :key)").bindparams(
        bindparam("name", name, String), bindparam("key", keys[0].name, String)
    )
    try:
        found: Any = database.connection.execute(statement).scalar()
    except SQLAlchemyError:  # a view
        database.connection.rollback()
        return None
    return None if found is None else str(found)
