"""The scan of a store as a stream of pages of one snapshot, as each database gives it best."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy import Connection, Integer, or_, select

from zvirka.erp.protocol import ScanBatch, ScanBlock, Scanned
from zvirka.erp.sql.store_queries import Reading

BATCH = 8000
"""Rows of one page, at most."""

_JSON_SINCE = (3, 38)
"""The SQLite whose JSON functions need no build option (https://sqlite.org/json1.html, 2)."""

_LEAST = -(2**63)
"""SQLite's least integer (https://sqlite.org/datatype3.html, 2)."""


def scanned(connection: Connection, reading: Reading) -> Iterator[Scanned]:
    """Every owned row of the store, in one transaction that reads and nothing else."""
    if _can_be_walked(connection, reading):
        yield from _blocks(connection, reading)
        return
    # An option of the statement: as one of the connection, it would make a cursor of every other.
    scan = connection.execute(reading.scan().execution_options(yield_per=BATCH))
    for rows in scan.partitions():
        # Column by column: zip(*rows) takes three times as long for so many rows.
        yield ScanBatch(
            [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
        )


def _can_be_walked(connection: Connection, reading: Reading) -> bool:
    """Whether this is an SQLite table of which no row escapes a walk along its primary key.

    SQLite allows NULL in a primary key (https://sqlite.org/lang_createtable.html, 3.5).
    """
    pk = reading.layout.pk
    escaping = select(pk).where(or_(pk.is_(None), pk <= _LEAST)).limit(1)
    return (
        connection.dialect.name == "sqlite"
        and sqlite3.sqlite_version_info >= _JSON_SINCE
        and list(reading.layout.table.primary_key) == [pk]
        and isinstance(pk.type, Integer)
        and connection.execute(escaping).first() is None
    )


def _blocks(connection: Connection, reading: Reading) -> Iterator[ScanBlock]:
    """Pages that SQLite writes itself, each in one row.

    Its driver takes the GIL for every row, so that a scan row by row and the concurrent pull wait
    for each other. SQLite builds a block without the GIL, nearly twice as fast.
    """
    end, block = reading.end_of_block(BATCH), reading.block()
    after = _LEAST
    while (upto := connection.execute(end, {"after": after}).scalar()) is not None:
        yield ScanBlock(*connection.execute(block, {"after": after, "upto": upto}).one())
        after = upto
