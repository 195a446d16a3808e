"""A copy of the journal as of one moment: SQLite by its backup API, PostgreSQL row by row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Table, Text, cast, func, insert, literal_column, select, text
from sqlalchemy.types import TypeDecorator

from zvirka.journal.column_types import JsonText, UtcTime
from zvirka.journal.journal import Journal
from zvirka.journal.tables import metadata

_BATCH = 1000


class _Line(msgspec.Struct, frozen=True):
    """A row of the dump, or the head of a table (no ``row``)."""

    table: str
    columns: list[str] | None = None
    row: list[object] | None = None


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a journal that may be written to meanwhile; the log beside it is part of the copy."""
    reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    with closing(reading) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)
        there.execute("PRAGMA journal_mode = DELETE")


def dump(journal: Journal, target: Path) -> None:
    """Write every row as a line of JSON, in one transaction that sees one state."""
    encoder = msgspec.json.Encoder()
    with journal.reading() as connection, target.open("wb") as out:
        for table in metadata.sorted_tables:
            name = str(table.name)
            names = [str(column.name) for column in table.columns]
            out.write(encoder.encode(_Line(name, columns=names)) + b"\n")
            columns = [
                cast(column, Text) if isinstance(column.type, JsonText) else column
                for column in table.columns
            ]
            rows = connection.execution_options(yield_per=_BATCH).execute(select(*columns))
            for row in rows:
                out.write(encoder.encode(_Line(name, row=list(row))) + b"\n")


def load(connection: Connection, source: Path) -> None:
    """Replace all rows by those of a dump."""
    for table in reversed(metadata.sorted_tables):
        connection.execute(table.delete())
    names: list[str] = []
    waiting: list[dict[str, object]] = []
    current: Table | None = None
    decoder = msgspec.json.Decoder(_Line)
    with source.open("rb") as lines:
        for line in lines:
            found = decoder.decode(line)
            if found.columns is not None:
                _insert(connection, current, waiting)
                current, names = metadata.tables[found.table], found.columns
            elif found.row is not None and current is not None:
                pairs = zip(names, found.row, strict=True)
                waiting.append({name: _value(current, name, value) for name, value in pairs})
                if len(waiting) >= _BATCH:
                    _insert(connection, current, waiting)
    _insert(connection, current, waiting)
    _reset_sequences(connection)


def _insert(connection: Connection, table: Table | None, rows: list[dict[str, object]]) -> None:
    if table is not None and rows:
        connection.execute(insert(table), rows)
        rows.clear()


def _value(table: Table, name: str, value: object) -> object:
    kind = table.c[name].type
    is_time = isinstance(kind, UtcTime) or (
        not isinstance(kind, TypeDecorator) and kind.python_type is datetime
    )
    return datetime.fromisoformat(value) if is_time and isinstance(value, str) else value


def _reset_sequences(connection: Connection) -> None:
    """Let numbers go on after the restored ones."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"),
            {"table": table.name, "column": column.name},
        ).scalar()
        if sequence is not None:
            highest = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
            follow = func.setval(sequence, highest, literal_column("false"))
            connection.execute(select(follow))
