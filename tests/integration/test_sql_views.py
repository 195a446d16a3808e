"""The views of the journal, on SQLite and PostgreSQL: as documented, and as Python counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.integration.databases import fresh
from tests.unit.journal import rules, world
from tests.unit.report.sample import held_run, story_run
from zvirka.domain import RunStatus
from zvirka.journal.chain import verify_chain
from zvirka.journal.difference_queries import entries
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.queries import last_over_everything
from zvirka.journal.views import VIEWS

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "sql-views.md"


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    url = fresh("postgresql", tmp_path) if request.param == "postgresql" else None
    opened = open_journal(world.settings(tmp_path, journal={"url": url} if url else {}))
    yield opened
    opened.close()


def documented() -> dict[str, list[str]]:
    """The columns the document names, by view."""
    columns: dict[str, list[str]] = {}
    for part in re.split(r"^## ", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        first = re.findall(r"^\| (`.*?) \|", rest, flags=re.MULTILINE)
        columns[name.strip()] = [one for cell in first for one in re.findall(r"`(\w+)`", cell)]
    columns["zvirka_v_open"] = columns["zvirka_v_differences"]
    return columns


def test_every_column_is_documented(journal: Journal) -> None:
    with journal.reading() as connection:
        made = {
            name: list(connection.execute(text(f"SELECT * FROM {name}")).keys()) for name in VIEWS
        }
    assert made == documented()


@pytest.mark.long
def test_the_views_hold_what_the_journal_holds(journal: Journal) -> None:
    world.full_journal(journal)
    run = story_run(journal)
    with journal.reading() as connection:
        runs = connection.execute(text("SELECT * FROM zvirka_v_runs ORDER BY run")).mappings().all()
        told = {row["run"]: row for row in runs}
        for record in journal.runs():
            row = told[record.id]
            assert (row["status"], row["who"]) == (record.status, record.who)
            assert row["differences_left"] == record.facts.remaining
            assert row["rows_in_1c"] == record.facts.source_rows
            assert row["base"] == record.facts.base
        query = f"SELECT * FROM zvirka_v_differences WHERE run = {run} ORDER BY number"
        rows = connection.execute(text(query)).mappings().all()
        found = list(entries(connection, run))
        assert [(row["code"], row["cause"]) for row in rows] == [
            (one.difference.key, one.difference.cause) for one in found
        ]
        assert [row["outcome"] for row in rows] == [
            one.writes[-1].outcome.state if one.writes else None for one in found
        ]
        count = "SELECT COUNT(*) FROM zvirka_v_corrections"
        assert connection.execute(text(count)).scalar() == 12
        assert connection.execute(text("SELECT COUNT(*) FROM zvirka_v_receipts")).scalar() == 4
        assert list(verify_chain(journal)) == []


@pytest.mark.long
def test_left_and_open_mean_what_they_mean_in_python(journal: Journal) -> None:
    rules.fill_with_every_run(journal)
    rules.fill_with_every_difference(journal)
    held_run(journal)
    with journal.reading() as connection:
        query = "SELECT run, SUM(is_left) FROM zvirka_v_differences GROUP BY run"
        left = dict(tuple(row) for row in connection.execute(text(query)))
        opened = connection.execute(text("SELECT DISTINCT run FROM zvirka_v_open")).scalars().all()
        newest = last_over_everything(connection, (RunStatus.FINISHED, RunStatus.HELD))
    for run, count in left.items():
        assert journal.count(run).remaining == count
    assert newest is not None
    assert opened == [newest.id]


@pytest.mark.parametrize("table", ["difference", "receipt", "run"])
def test_a_trigger_that_hides_rows_is_named(journal: Journal, table: str) -> None:
    sqlite = f"CREATE TRIGGER hide AFTER INSERT ON {table} BEGIN DELETE FROM {table}; END"
    with journal.writing() as connection:
        if journal.engine.dialect.name == "sqlite":
            connection.exec_driver_sql(sqlite)
        else:
            connection.exec_driver_sql(
                f"CREATE RULE hide AS ON INSERT TO {table} DO INSTEAD NOTHING"
            )
    (problem,) = verify_chain(journal)
    assert f"table {table}" in problem.text
    assert "hide" in problem.text


def test_a_postgresql_trigger_is_named_too(tmp_path: Path) -> None:
    url = fresh("postgresql", tmp_path)
    journal = open_journal(world.settings(tmp_path, journal={"url": url}))
    with journal.writing() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER hide BEFORE INSERT ON difference FOR EACH ROW EXECUTE FUNCTION hide()"
        )
    assert [one.text for one in verify_chain(journal)] == [
        "table difference: trigger hide is not of zvirka"
    ]
    journal.close()


def test_an_altered_view_is_named(tmp_path: Path) -> None:
    journal = open_journal(world.settings(tmp_path))
    with journal.writing() as connection:
        connection.exec_driver_sql("DROP VIEW zvirka_v_open")
        connection.exec_driver_sql("DROP VIEW zvirka_v_receipts")
        connection.exec_driver_sql("CREATE VIEW zvirka_v_receipts AS SELECT 1 AS receipt")
    assert [one.text for one in verify_chain(journal)] == [
        "view zvirka_v_open: altered or removed",
        "view zvirka_v_receipts: altered or removed",
    ]
    journal.close()
