"""Whatever is changed in a sealed journal, the walk over the chain names it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.journal.world import (
    DAY,
    NOW,
    begin,
    correction,
    difference,
    full_journal,
    key_pair,
    night,
    settings,
)
from zvirka.journal.chain import ChainProblem, verify_chain
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.keyring import key_ring
from zvirka.journal.signature_checks import verify_signatures
from zvirka.journal.tables import metadata
from zvirka.message import Message

COLUMNS = [
    (table.name, column.name)
    for table in metadata.sorted_tables
    for column in table.c
    if table.name != "beat"  # who is alive now: nothing an auditor relies on
]
ROWS = {"run": 5, "difference": 9, "correction": 6, "standing": 3, "pairing": 2, "receipt": 4}
ROWS["event"] = 2

CHAIN = {
    "begun": "removed, or given another number",
    "standing": "table standing",
    "pairing": "table pairing",
}
"""What an altered column of the chain's end looks like, other than an end that does not match."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("journal")
    key, public = key_pair(directory)
    journal = open_journal(settings(directory, report={"signing_key_file": key}))
    full_journal(journal)
    assert list(verify_chain(journal)) == []
    assert list(verify_signatures(journal, key_ring([public]))) == []
    journal.close()
    return directory / "journal.db"


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Iterator[tuple[Journal, sqlite3.Connection]]:
    """The journal in a file of one's own, and a back door to it."""
    shutil.copy(original, tmp_path / "journal.db")
    journal = open_journal(settings(tmp_path))
    door = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    yield journal, door
    door.close()
    journal.close()


def other(value: Any) -> Any:
    """A value of the same sort that differs in as little as possible."""
    if value is None:
        return 1
    if isinstance(value, int):
        return 1 - value if value in (0, 1) else value + 1000
    if value.endswith(("}", "]")):
        return value[:-1] + " " + value[-1]
    return value[:-1] + ("1" if value[-1:] != "1" else "2")


@pytest.mark.long
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda name: name)
def test_one_changed_value_in_any_row_of_any_column_is_named(
    copy: tuple[Journal, sqlite3.Connection], table: str, column: str
) -> None:
    journal, door = copy
    rows = door.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid").fetchall()
    names = [entry[0] for entry in door.execute(f"SELECT rowid, * FROM {table}").description]
    assert len(rows) == ROWS.get(table, 1)
    for row in rows:
        cells = dict(zip(names[1:], row[1:], strict=True))
        changed = other(cells[column])
        if column in {"ident", "ref"} or (table == "correction" and column == "id"):
            changed = (
                f"{cells[column]}9" if isinstance(cells[column], str) else cells[column] + 1000
            )
        if (table, column) in {("run", "id"), ("run", "seal"), ("receipt", "id")}:
            changed = cells[column] + 1000
        if (table, column) == ("difference", "number"):
            changed = cells[column] + 1000
        where = where_of(door, table, row[0])
        set_to(door, table, column, changed, where)
        problems = list(verify_chain(journal))
        assert problems, f"{table}.{column} of row {row[0]} changed unnoticed"
        if table == "chain":
            assert CHAIN.get(column, "table chain") in problems[0].text, problems
        else:
            assert names_it(problems, table, cells), problems
        moved = where_of(door, table, row[0]) if column not in keys(table) else {column: changed}
        set_to(door, table, column, cells[column], {**where, **moved})
    assert list(verify_chain(journal)) == []


def keys(table: str) -> list[str]:
    return [column.name for column in metadata.tables[table].primary_key]


def where_of(door: sqlite3.Connection, table: str, rowid: int) -> dict[str, Any]:
    names = keys(table)
    row = door.execute(
        f"SELECT {', '.join(names)} FROM {table} WHERE rowid = ?", (rowid,)
    ).fetchone()
    return dict(zip(names, row, strict=True)) if row else {}


def set_to(
    door: sqlite3.Connection, table: str, column: str, value: Any, where: dict[str, Any]
) -> None:
    condition = " AND ".join(f'"{name}" = ?' for name in where)
    done = door.execute(
        f'UPDATE {table} SET "{column}" = ? WHERE {condition}', (value, *where.values())
    )
    assert done.rowcount == 1


def names_it(problems: list[ChainProblem], table: str, cells: dict[str, Any]) -> bool:
    """The run the row belongs to, or else the table."""
    if table in {"run", "difference", "correction"}:
        run = cells["id"] if table == "run" else cells["run_id"]
        following = run + 1 if table == "run" else run  # the signature is sealed by the next run
        return problems[0].run in (run, following) and f"run {problems[0].run}" in problems[0].text
    return any(table in problem.text for problem in problems)


@pytest.mark.parametrize(
    "table", ["run", "difference", "correction", "standing", "pairing", "event"]
)
def test_each_removed_row_is_named(copy: tuple[Journal, sqlite3.Connection], table: str) -> None:
    journal, door = copy
    for row in door.execute(f"SELECT rowid, * FROM {table}").fetchall():
        door.execute(f"DELETE FROM {table} WHERE rowid = ?", (row[0],))
        problems = list(verify_chain(journal))
        assert problems
        if table == "run":
            assert problems[0] == ChainProblem(
                row[1], Message(f"run {row[1]}: removed, or given another number")
            )
        else:
            assert any(f"table {table}" in problem.text for problem in problems)
        marks = ", ".join("?" * (len(row) - 1))
        door.execute(f"INSERT INTO {table} VALUES ({marks})", row[1:])
        assert list(verify_chain(journal)) == []


def test_each_removed_receipt_that_a_seal_has_seen_is_named(
    copy: tuple[Journal, sqlite3.Connection],
) -> None:
    journal, door = copy
    for row in door.execute("SELECT * FROM receipt").fetchall():
        door.execute("DELETE FROM receipt WHERE id = ?", (row[0],))
        assert any("receipt" in problem.text for problem in verify_chain(journal))
        door.execute(f"INSERT INTO receipt VALUES ({', '.join('?' * len(row))})", row)
    assert list(verify_chain(journal)) == []


def test_a_run_removed_with_all_its_rows_is_named(copy: tuple[Journal, sqlite3.Connection]) -> None:
    journal, door = copy
    for table, column in (("correction", "run_id"), ("difference", "run_id"), ("run", "id")):
        door.execute(f"DELETE FROM {table} WHERE {column} = 5")
    problems = list(verify_chain(journal))
    assert problems[0].run == 5
    assert "removed" in problems[0].text
    assert any("table chain" in problem.text for problem in problems)


@pytest.mark.parametrize(
    ("number", "seal"), [(6, 6), (6, None), (0, 6), (-3, 100), (99, None), (99, 6)]
)
def test_an_inserted_run_is_named(
    copy: tuple[Journal, sqlite3.Connection], number: int, seal: int | None
) -> None:
    journal, door = copy
    row = list(door.execute("SELECT * FROM run WHERE id = 5").fetchone())
    names = [entry[0] for entry in door.execute("SELECT * FROM run").description]
    row[names.index("id")], row[names.index("seal")] = number, seal
    door.execute(f"INSERT INTO run VALUES ({', '.join('?' * len(row))})", row)
    problems = list(verify_chain(journal))
    told = Message(f"run {number}: inserted, no run of that number was begun")
    assert ChainProblem(number, told) in problems


@pytest.mark.parametrize("run", [1, 2, 5])
def test_an_inserted_difference_or_correction_is_named(
    copy: tuple[Journal, sqlite3.Connection], run: int
) -> None:
    journal, door = copy
    for table, key in (("difference", "number"), ("correction", "id")):
        names = [entry[0] for entry in door.execute(f"SELECT * FROM {table}").description]
        row = list(door.execute(f"SELECT * FROM {table} WHERE run_id = ?", (run,)).fetchone())
        row[names.index(key)] = 500
        door.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        texts = [problem.text for problem in verify_chain(journal) if problem.run == run]
        assert f"run {run}, table {table}: {table} 500 altered" in texts
        assert any("1 inserted" in text for text in texts)
        door.execute(f"DELETE FROM {table} WHERE {key} = 500")


def test_a_time_written_in_another_way_is_named(
    copy: tuple[Journal, sqlite3.Connection],
) -> None:
    journal, door = copy
    for table, column, row in (
        ("run", "started_at", 2),
        ("correction", "settled_at", 3),
        ("standing", "since", 1),
        ("receipt", "received_at", 1),
    ):
        known = len(list(verify_chain(journal)))
        door.execute(
            f"UPDATE {table} SET {column} = replace({column}, ' ', 'T') WHERE rowid = {row}"
        )
        assert len(list(verify_chain(journal))) > known, table


def test_two_runs_exchanged_are_named(copy: tuple[Journal, sqlite3.Connection]) -> None:
    journal, door = copy
    door.execute("UPDATE run SET seal = 100 WHERE id = 4")
    door.execute("UPDATE run SET seal = 4 WHERE id = 5")
    door.execute("UPDATE run SET seal = 5 WHERE id = 4")
    assert {problem.run for problem in verify_chain(journal)} >= {4, 5}


def test_times_and_numbers_that_are_none_are_named_and_do_not_stop_the_walk(
    copy: tuple[Journal, sqlite3.Connection],
) -> None:
    journal, door = copy
    door.execute("UPDATE run SET started_at = 'long ago' WHERE id = 2")
    door.execute("UPDATE run SET sealed = '{' WHERE id = 4")
    door.execute("UPDATE correction SET settled_at = 'later' WHERE run_id = 5")
    door.execute("UPDATE receipt SET received_at = 'tomorrow' WHERE id = 4")
    door.execute("UPDATE standing SET since = '' WHERE key = '000001'")
    problems = list(verify_chain(journal))
    assert {problem.run for problem in problems} == {0, 2, 4, 5}
    texts = " ".join(problem.text for problem in problems)
    assert "table receipt" in texts
    assert "table standing" in texts


def test_a_value_put_back_into_a_pruned_row_is_found(
    copy: tuple[Journal, sqlite3.Connection],
) -> None:
    journal, door = copy
    for change, run in (
        ("UPDATE difference SET name = 'ТОВ' WHERE run_id = 1 AND number = 2", 1),
        ("UPDATE correction SET before = '{\"phone\":null}' WHERE run_id = 1", 1),
        ('UPDATE receipt SET extra = \'{"a":"b"}\' WHERE id = 1', 0),
        ("UPDATE receipt SET extra = '{}' WHERE id = 3", 0),
    ):
        before = len(list(verify_chain(journal)))
        door.execute(change)
        problems = list(verify_chain(journal))
        assert len(problems) > before
        assert any(problem.run == run for problem in problems)


def test_the_walk_may_begin_at_a_run(copy: tuple[Journal, sqlite3.Connection]) -> None:
    journal, door = copy
    door.execute("UPDATE difference SET cause = 'erp_edit' WHERE run_id = 1")
    assert {problem.run for problem in verify_chain(journal)} == {1}
    assert list(verify_chain(journal, start=2)) == []
    door.execute("UPDATE difference SET cause = 'erp_edit' WHERE run_id = 2")
    assert {problem.run for problem in verify_chain(journal, start=2)} == {2}


def test_signatures_are_checked_with_the_public_key_alone(tmp_path: Path) -> None:
    key, public = key_pair(tmp_path)
    _, strange = key_pair(tmp_path)
    journal = open_journal(settings(tmp_path))
    night(journal)
    assert [problem.text for problem in verify_signatures(journal, key_ring([public]))] == [
        "no run is signed"
    ]
    journal.close()
    journal = open_journal(settings(tmp_path, report={"signing_key_file": key}))
    night(journal, NOW + DAY)
    night(journal, NOW + 2 * DAY)
    assert list(verify_chain(journal)) == []
    assert list(verify_signatures(journal, key_ring([public]))) == []
    assert [problem.run for problem in verify_signatures(journal, key_ring([strange]))] == [2, 3]
    journal.close()
    journal = open_journal(settings(tmp_path))
    night(journal, NOW + 3 * DAY)
    assert [problem.run for problem in verify_signatures(journal, key_ring([public]))] == [4]


def test_rows_of_a_run_under_way_are_checked_too(tmp_path: Path) -> None:
    journal = open_journal(settings(tmp_path))
    night(journal)
    run = begin(journal, now=NOW + DAY)
    journal.add_differences(run, [difference(1)])
    journal.intend(run, [(1, correction(1))], NOW + DAY)
    journal.put_pairings([("r", "k", "1")])
    assert list(verify_chain(journal)) == []
    assert [row.id for row in journal.running()] == [run]
    with sqlite3.connect(tmp_path / "journal.db") as door:
        door.execute("UPDATE correction SET state = 'applied' WHERE run_id = 2")
    (problem,) = verify_chain(journal)
    assert problem == ChainProblem(
        run, Message(f"run {run}, table correction: correction 3 altered")
    )
