"""Corrections by SQL on PostgreSQL against the floor: plain batched statements, same driver, run.

``python -m tests.benchmarks.writer 100000`` prints what :func:`measure` gives.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from tests.integration.databases import fresh
from tests.integration.store_shapes import BY_CODE, ref
from zvirka.domain import Action, Correction, OutcomeState
from zvirka.erp import open_writer
from zvirka.settings.model import ErpSettings

COLUMNS = ("code", "name", "tax_id", "phone", "email", "address")
TABLE = """CREATE TABLE clients (id SERIAL PRIMARY KEY, code VARCHAR(20) UNIQUE,
    name VARCHAR(255) NOT NULL, tax_id VARCHAR(20), phone VARCHAR(50), email VARCHAR(100),
    address TEXT, is_active BOOLEAN DEFAULT true, updated_at TIMESTAMP)"""


def measure(corrections: int) -> dict[str, float]:
    """Seconds for so many updates: ``floor`` plain, ``writer`` ours, ``ratio`` ours to plain."""
    with tempfile.TemporaryDirectory() as directory:
        url = fresh("postgresql", Path(directory))
        rows = [_row(number) for number in range(1, corrections + 1)]
        with psycopg.connect(_dsn(url), autocommit=True) as connection:
            connection.execute(TABLE)
            _fill(connection, rows)
            floor = _floor(connection, rows)
            connection.execute("TRUNCATE clients RESTART IDENTITY")
            _fill(connection, rows)
        writer = _writer(url, rows)
    return {"floor": floor, "writer": writer, "ratio": writer / floor}


def _row(number: int) -> tuple[str, ...]:
    code = f"C-{number:08}"
    address = f"м. Київ, вул. Лесі Українки, {number}"
    return (
        code,
        f"ТОВ «Клієнт {number}»",
        f"{30000000 + number}",
        f"+380{number:09}",
        f"c{number}@example.ua",
        address,
    )


def _dsn(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _fill(connection: psycopg.Connection[Any], rows: list[tuple[str, ...]]) -> None:
    names = ", ".join(COLUMNS)
    copying = f"COPY clients ({names}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        for row in rows:
            copy.write_row(row)
    connection.execute("ANALYZE clients")


def _floor(
    connection: psycopg.Connection[Any], rows: list[tuple[str, ...]], size: int = 500
) -> float:
    statement = "UPDATE clients SET name = %s, updated_at = CURRENT_TIMESTAMP WHERE id = %s"
    changes = [(f"{row[1]} *", number) for number, row in enumerate(rows, 1)]
    started = time.perf_counter()
    for start in range(0, len(changes), size):
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(statement, changes[start : start + size])
    return time.perf_counter() - started


def _writer(url: str, rows: list[tuple[str, ...]]) -> float:
    corrections = [
        Correction(
            id=number,
            action=Action.UPDATE,
            key=row[0],
            ref=ref(number),
            row=str(number),
            before=dict(zip(COLUMNS, row, strict=True)),
            after={"name": f"{row[1]} *"},
        )
        for number, row in enumerate(rows, 1)
    ]
    erp = ErpSettings.model_validate(
        {"url": url, "table": "clients", "on_update": {"updated_at": {"sql": "CURRENT_TIMESTAMP"}}}
    )
    writer = open_writer(erp, BY_CODE)
    started = time.perf_counter()
    states = [outcome.state for outcome in writer.apply(corrections)]
    seconds = time.perf_counter() - started
    writer.close()
    if states.count(OutcomeState.APPLIED) != len(rows):
        raise RuntimeError("the writer did not apply every correction: the measure means nothing")
    return seconds


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)))
