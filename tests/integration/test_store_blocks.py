"""SQLite writes the pages of its scan itself: the same rows as row by row, whatever they hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.engine_world import world
from tests.integration.store_shapes import BY_CODE, FIELDS, columns_of
from zvirka.erp import open_store
from zvirka.erp.protocol import ScanBatch, ScanBlock, Scanned
from zvirka.errors import ExitCode
from zvirka.settings.model import ErpSettings

TEXT = st.none() | st.text(st.characters(codec="utf-8"), max_size=12)
KEYS = st.lists(st.integers(-(2**62), 2**62), unique=True, max_size=8)
INTEGER, ANY = "INTEGER PRIMARY KEY", "TEXT PRIMARY KEY"


def stored(path: Path, primary_key: str, rows: list[tuple[object, ...]]) -> ErpSettings:
    """Settings of a table with that primary key, with rows of key and fields in it."""
    columns = ", ".join(f"{field} TEXT" for field in FIELDS)
    marks = ", ".join("?" for _ in range(len(FIELDS) + 1))
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE parties (id {primary_key}, {columns})")
        connection.executemany(f"INSERT INTO parties VALUES ({marks})", rows)
    return ErpSettings.model_validate(
        {
            "url": f"sqlite:///{path}",
            "table": "parties",
            "primary_key": "id",
            "key": "code",
            "delete": {"mode": "hard"},
        }
    )


def pages(erp: ErpSettings) -> Iterator[Scanned]:
    """The scan of a store."""
    store = open_store(erp, BY_CODE)
    try:
        yield from store.scan()
    finally:
        store.close()


def rows_of(erp: ErpSettings) -> list[tuple[str, str, str]]:
    """Row, key and image of everything, in the order of rows."""
    return sorted(each for page in pages(erp) for each in zip(*columns_of(page), strict=True))


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(KEYS.flatmap(lambda keys: st.tuples(*(st.tuples(st.just(k), *[TEXT] * 6) for k in keys))))
def test_blocks_hold_what_rows_hold(
    tmp_path_factory: pytest.TempPathFactory, rows: tuple[tuple[object, ...], ...]
) -> None:
    directory = tmp_path_factory.mktemp("blocks")
    by_block = stored(directory / "block.db", INTEGER, list(rows))
    by_row = stored(directory / "row.db", ANY, [(str(key), *rest) for key, *rest in rows])
    assert all(isinstance(page, ScanBlock) for page in pages(by_block))
    assert all(isinstance(page, ScanBatch) for page in pages(by_row))
    assert rows_of(by_block) == rows_of(by_row)


def test_a_row_outside_every_range_is_found_row_by_row(tmp_path: Path) -> None:
    fields = ("1", "Клієнт", None, None, None, None)
    least = stored(tmp_path / "least.db", INTEGER, [(-(2**63), *fields), (2**63 - 1, *fields)])
    assert {row for row, _, _ in rows_of(least)} == {str(-(2**63)), str(2**63 - 1)}
    none = stored(tmp_path / "none.db", "INT PRIMARY KEY", [(None, *fields), (7, *fields)])
    assert len([row for page in pages(none) for row in page.rows]) == 2


@pytest.mark.long
def test_text_that_is_not_utf8_is_told_without_its_value(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=6) as made:
        assert made.run().exit_code == ExitCode.IN_SYNC
        made.shape.sql(
            f"UPDATE {made.shape.table} SET name = CAST(? AS TEXT) WHERE id = 1",
            ("Таємниця Secret".encode("cp1251"),),
        )
        for full in (False, True):
            summary = made.run(full=full)
            assert summary.status == "failed"
            assert "not UTF-8" in summary.error
            assert "windows-1251" in summary.error
            assert "Secret" not in summary.error
            assert made.outcomes(summary.run) == []
