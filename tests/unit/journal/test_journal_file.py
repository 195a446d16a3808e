"""The file of a journal: who may read it, and what is said when it cannot be used."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.unit.journal.world import (
    NOW,
    begin,
    correction,
    difference,
    key_pair,
    night,
    settings,
)
from zvirka.errors import JournalError, SettingsError
from zvirka.journal.chain import verify_chain
from zvirka.journal.journal import Journal, open_journal


def driver_of(connection: Connection) -> Any:
    """The connection of sqlite3 beneath."""
    return connection.connection.driver_connection


def test_a_new_journal_is_a_file_only_its_owner_may_read(tmp_path: Path) -> None:
    journal = open_journal(settings(tmp_path / "state"))
    begin(journal)
    assert {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()
    } == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    journal.close()


def test_commits_are_written_through_to_the_disk(journal: Journal) -> None:
    with journal.engine.connect() as connection:
        modes = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        ]
    assert modes == ["wal", 2, 1, 1]


def test_a_full_disk_is_not_told_as_a_damaged_journal(tmp_path: Path) -> None:
    """SQLite calls it an I/O error; the remedy was to move the journal away."""
    open_journal(settings(tmp_path)).close()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, unlimited[1]))
    try:
        with pytest.raises(JournalError) as caught:
            open_journal(settings(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert "the disk of the journal is full" in str(caught.value)
    open_journal(settings(tmp_path)).close()


def test_a_journal_of_a_newer_zvirka_is_refused(tmp_path: Path) -> None:
    open_journal(settings(tmp_path)).close()
    with sqlite3.connect(tmp_path / "journal.db") as door:
        door.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(JournalError, match="newer zvirka") as caught:
        open_journal(settings(tmp_path))
    assert caught.value.place == str(tmp_path / "journal.db")
    assert caught.value.remedy


def test_a_file_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("this is a shopping list, quite a long one " * 50)
    with pytest.raises(JournalError, match="damaged, or is no database"):
        open_journal(settings(tmp_path))


def test_a_place_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened for writing") as caught:
        open_journal(settings(tmp_path / "file" / "state"))
    assert "state_dir" in caught.value.remedy


def test_a_journal_another_program_locks_is_told_as_such(tmp_path: Path) -> None:
    journal = open_journal(settings(tmp_path))
    door = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    with journal.engine.connect() as connection:
        driver_of(connection).execute("PRAGMA busy_timeout = 50")
    door.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked by another program"):
        begin(journal)
    door.execute("ROLLBACK")
    door.close()
    assert begin(journal) == 1
    journal.close()


def test_a_journal_that_became_read_only_is_told_as_such(journal: Journal) -> None:
    with journal.engine.connect() as connection:
        driver_of(connection).execute("PRAGMA query_only = ON")
    with pytest.raises(JournalError, match="read but not written"):
        begin(journal)
    with journal.engine.connect() as connection:
        driver_of(connection).execute("PRAGMA query_only = OFF")


def test_a_full_disk_is_told_as_such_and_loses_nothing(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(run, [difference(1)])
    with journal.engine.connect() as connection:
        driver = driver_of(connection)
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count = {pages}")
    many = [difference(number, note="x" * 5000) for number in range(2, 200)]
    with pytest.raises(JournalError, match="disk of the journal is full") as caught:
        journal.add_differences(run, many)
    assert "free some space" in caught.value.remedy
    assert "ТОВ" not in str(caught.value)
    assert [one.number for page in journal.differences(run) for one in page] == [1]


def test_a_second_writer_is_refused_without_a_value_in_the_message(journal: Journal) -> None:
    run = begin(journal)
    journal.add_differences(run, [difference(1)])
    with pytest.raises(JournalError, match="contradicts what it holds") as caught:
        journal.add_differences(run, [difference(1)])
    assert "Мрія" not in repr(caught.value) + str(caught.value)
    with pytest.raises(JournalError):
        journal.intend(run, [(5, correction(5))], NOW)


@pytest.mark.parametrize("url", ["mysql+pymysql://h/d", "no url at all", "oracle://h/d"])
def test_only_sqlite_and_postgresql_carry_a_journal(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="SQLite or PostgreSQL"):
        open_journal(settings(tmp_path, journal={"url": url}))


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(SettingsError, match="not an Ed25519 private key"):
        open_journal(settings(tmp_path, report={"signing_key_file": tmp_path / "key.pem"}))
    with pytest.raises(SettingsError, match="cannot be read"):
        open_journal(settings(tmp_path, report={"signing_key_file": tmp_path / "none.pem"}))
    path, _ = key_pair(tmp_path)
    open_journal(settings(tmp_path, report={"signing_key_file": path})).close()


@pytest.mark.long
def test_a_journal_in_step_is_opened_without_alembic(tmp_path: Path) -> None:
    open_journal(settings(tmp_path)).close()
    program = (
        "import sys; from pathlib import Path; from tests.unit.journal.world import settings;"
        "from zvirka.journal.journal import open_journal;"
        f"open_journal(settings(Path({str(tmp_path)!r})));"
        "sys.exit('alembic' in sys.modules)"
    )
    import subprocess
    import sys

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_copy_of_the_file_is_a_journal_too(tmp_path: Path) -> None:
    journal = open_journal(settings(tmp_path))
    night(journal)
    with journal.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    journal.close()
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "journal.db", tmp_path / "copy" / "journal.db")
    copy = open_journal(settings(tmp_path / "copy"))
    assert list(verify_chain(copy)) == []
    assert copy.get(1).status == "finished"
    copy.close()
