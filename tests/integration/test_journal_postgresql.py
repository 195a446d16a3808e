"""The journal on PostgreSQL: the same journal, the same chain, and a lock across machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, make_url, text

from tests.integration.databases import fresh
from tests.unit.journal import rules, world
from tests.unit.journal.world import DAY, NOW
from zvirka.domain import Command, Disposition, FieldDifference, Trigger
from zvirka.errors import JournalError, LockHeldError
from zvirka.journal.chain import verify_chain
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.keyring import key_ring
from zvirka.journal.migration import migration_config
from zvirka.journal.retention import Pruned, prune
from zvirka.journal.run_lock import run_lock
from zvirka.journal.signature_checks import verify_signatures
from zvirka.settings.model import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return world.settings(tmp_path, journal={"url": fresh("postgresql", tmp_path)})


@pytest.fixture
def journal(settings: Settings) -> Iterator[Journal]:
    opened = open_journal(settings)
    yield opened
    opened.close()


def test_the_definitions_are_the_same_in_python_and_in_sql(journal: Journal) -> None:
    rules.fill_with_every_run(journal)
    rules.assert_runs_agree(journal)
    rules.assert_differences_agree(journal, rules.fill_with_every_difference(journal))


def test_a_full_journal_verifies_and_reads_back(settings: Settings, tmp_path: Path) -> None:
    key, public = world.key_pair(tmp_path)
    signing = settings.model_copy(
        update={"report": settings.report.model_copy(update={"signing_key_file": key})}
    )
    journal = open_journal(signing)
    world.full_journal(journal)
    assert list(verify_chain(journal)) == []
    assert list(verify_signatures(journal, key_ring([public]))) == []
    assert [row.id for row in journal.runs()] == [5, 4, 3, 2, 1]
    assert journal.get(5).started_at == NOW + 403 * DAY
    assert journal.history(key="000002")[1].outcome == "applied"
    assert list(journal.suppressions()) == [world.ref(1), "000002", world.ref(3)]
    assert [len(page) for page in journal.pairings(1)] == [1, 1]
    assert journal.held(NOW) == []
    journal.close()


def test_the_migrations_make_exactly_the_tables(journal: Journal) -> None:
    with journal.engine.connect() as connection:
        command.check(migration_config(connection))


def test_two_that_open_a_new_journal_at_once_both_get_it(settings: Settings) -> None:
    journals: list[Journal] = []
    threads = [
        threading.Thread(target=lambda: journals.append(open_journal(settings))) for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journals) == 4
    for journal in journals:
        journal.close()


def test_commits_wait_for_the_disk(journal: Journal) -> None:
    with journal.engine.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


CHANGES = [
    ("UPDATE run SET reason = reason || ' ' WHERE id = 2", 2, "run 2"),
    ("UPDATE run SET started_at = started_at + interval '1 us' WHERE id = 4", 4, "run 4"),
    ("UPDATE run SET facts = replace(facts, ':', ': ') WHERE id = 5", 5, "run 5"),
    ("UPDATE run SET pruned_at = NULL WHERE id = 1", 1, "run 1"),
    ("UPDATE run SET signature = 'x' WHERE id = 5", 5, "table chain"),
    ("UPDATE difference SET name = 'x' WHERE run_id = 1 AND number = 1", 1, "difference 1"),
    ("UPDATE difference SET disposition = 'settled' WHERE run_id = 2 AND number = 3", 2, "table"),
    ("UPDATE difference SET fields = '[]' WHERE run_id = 5 AND number = 1", 5, "difference 1"),
    ("UPDATE correction SET active = NOT active WHERE id = 4", 2, "correction 4"),
    ("UPDATE correction SET settled_at = settled_at - interval '1 s' WHERE id = 6", 5, "6 altered"),
    ("UPDATE correction SET state = 'failed' WHERE id = 1", 1, "correction 1"),
    ("DELETE FROM correction WHERE id = 5", 5, "1 removed"),
    ("UPDATE standing SET nights = nights + 1", 0, "table standing"),
    ("DELETE FROM pairing WHERE key = '000001'", 0, "table pairing"),
    ("UPDATE chain SET begun = begun + 1", 6, "run 6"),
    ("UPDATE receipt SET stamp = stamp + 1 WHERE id = 2", 0, "receipt 2"),
    ("DELETE FROM receipt WHERE id = 4", 2, "table receipt"),
    ("UPDATE receipt SET extra = '{}' WHERE id = 3", 0, "receipt 3"),
]


@pytest.mark.long
def test_changes_through_the_back_door_are_named(journal: Journal) -> None:
    world.full_journal(journal)
    for statement, run, words in CHANGES:
        with journal.engine.connect() as connection:
            transaction = connection.begin()
            connection.execute(text(statement))
            spy = Journal(OneConnection(connection), journal.name)  # type: ignore[arg-type]
            problems = list(verify_chain(spy))
            transaction.rollback()
        found = [p for p in problems if p.run == run and words in p.text]
        assert found, (statement, problems)
    assert list(verify_chain(journal)) == []


class OneConnection:
    """An engine that shows the inside of one open transaction, so that it can be taken back."""

    def __init__(self, connection: Any) -> None:
        self.dialect = connection.dialect
        self._connection = connection

    def connect(self) -> OneConnection:
        return self

    def execution_options(self, **options: Any) -> Any:
        return (
            self if "isolation_level" in options else self._connection.execution_options(**options)
        )

    def __enter__(self) -> Any:
        return Inside(self._connection)

    def __exit__(self, *exc: object) -> None:
        """The transaction goes on."""


class Inside:
    """A connection whose transaction is the one already begun."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def begin(self) -> Any:
        return self._connection.begin_nested()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_prune_empties_and_the_chain_goes_on(journal: Journal) -> None:
    old = world.night(journal)
    world.receipts(journal, NOW, range(1, 4))
    assert prune(journal, DAY, NOW + 2 * DAY, "o", "law") == Pruned(run=2, runs=(old,), receipts=3)
    world.night(journal, NOW + 3 * DAY)
    assert list(verify_chain(journal)) == []
    assert {(one.name, one.fields) for page in journal.differences(old) for one in page} == {
        ("", ())
    }


def test_texts_no_database_can_hold_are_recorded_all_the_same(journal: Journal) -> None:
    run = world.begin(journal)
    fields = (FieldDifference("name", "a\x00b\ud800", None),)
    journal.add_differences(run, [world.difference(1, name="a\x00\ud800", fields=fields)])
    journal.hold(run, None)
    assert next(journal.differences(run, dispositions=[Disposition.HELD]))[0].fields == fields


def test_a_wrong_password_or_address_is_told_without_the_password(settings: Settings) -> None:
    url = make_url(settings.journal.url or "")
    for wrong in (url.set(database="nowhere"), url.set(host="127.0.0.1", port=1, query={})):
        settings_of = settings.journal.model_copy(
            update={"url": wrong.set(password="s3cret").render_as_string(hide_password=False)}
        )
        with pytest.raises(JournalError) as caught:
            open_journal(settings.model_copy(update={"journal": settings_of}))
        assert "s3cret" not in str(caught.value) + repr(caught.value)
        assert "journal.url" in caught.value.remedy


def test_a_database_that_became_read_only_is_told_as_such(settings: Settings) -> None:
    open_journal(settings).close()
    url = make_url(settings.journal.url or "")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            f"ALTER DATABASE {url.database} SET default_transaction_read_only = on"
        )
    engine.dispose()
    journal = open_journal(settings)
    with pytest.raises(JournalError, match="read but not written"):
        world.begin(journal)
    journal.close()


HOLD = """
import sys, time
from pathlib import Path
from tests.unit.journal import rules, world
from zvirka.journal.run_lock import run_lock
settings = world.settings(Path(sys.argv[1]), journal={"url": sys.argv[2]})
with run_lock(settings, who="olena", command="resync"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock until its input ends."""
    url = str(settings.journal.url)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(settings.state_dir), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.long
def test_a_run_on_another_machine_is_told_who_holds_the_lock(
    settings: Settings, holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    elsewhere = settings.model_copy(update={"state_dir": tmp_path / "another machine"})
    with (
        pytest.raises(LockHeldError) as caught,
        run_lock(elsewhere, who="petro", command="reconcile"),
    ):
        pytest.fail("two held the lock")
    assert "resync by olena since 20" in caught.value.place
    assert f"process {holder.pid} on " in caught.value.place


@pytest.mark.long
def test_the_standby_gets_the_lock_when_the_active_one_is_killed(
    settings: Settings, holder: subprocess.Popen[bytes]
) -> None:
    threading.Timer(0.5, holder.send_signal, [signal.SIGKILL]).start()
    with run_lock(settings, who="petro", command="reconcile", wait=60) as lock:
        assert holder.wait(timeout=10) == -signal.SIGKILL
        lock.check()


def test_a_lock_whose_connection_broke_says_so(settings: Settings) -> None:
    with run_lock(settings, who="petro", command="reconcile") as lock:
        engine = create_engine(settings.journal.url or "")
        with engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'zvirka/reconcile/%'"
                    " AND datname = current_database()"
                )
            )
        engine.dispose()
        with pytest.raises(JournalError, match="held the run lock is lost"):
            lock.check()


def test_locks_of_two_journals_on_one_server_are_apart(settings: Settings, tmp_path: Path) -> None:
    other = world.settings(tmp_path, journal={"url": fresh("postgresql", tmp_path)})
    with (
        run_lock(settings, who="petro", command="reconcile"),
        run_lock(other, who="olena", command="reconcile") as lock,
    ):
        lock.check()


def test_flows_of_one_database_have_a_schema_each(settings: Settings) -> None:
    """Tables, runs and locks of a further flow are apart from those of the first."""
    further = settings.model_copy(
        update={"journal": settings.journal.model_copy(update={"db_schema": "zvirka_branch"})}
    )
    one, other = open_journal(settings), open_journal(further)
    begun: dict[str, Any] = {
        "command": Command.PLAN,
        "trigger": Trigger.MANUAL,
        "who": "w",
        "reason": "",
    }
    assert one.begin(now=NOW, **begun) == other.begin(now=NOW, **begun) == 1
    assert other.begin(now=NOW, **begun) == 2
    assert len(one.runs()) == 1
    assert len(other.runs()) == 2
    with (
        run_lock(settings, who="a", command="plan"),
        run_lock(further, who="b", command="plan"),
        pytest.raises(LockHeldError),
        run_lock(further, who="c", command="plan"),
    ):
        pass
    one.close()
    other.close()
    again = open_journal(further)
    assert len(again.runs()) == 2
    again.close()
