"""Backups: whole while others write, put back with the chain proven; torn copies are told."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.databases import fresh
from tests.unit.cli.lines import PASSWORD, run
from zvirka.journal.journal import open_journal
from zvirka.journal.run_lock import receiver_lock, run_lock
from zvirka.settings.loading import load_settings
from zvirka.settings.model import Settings
from zvirka.simulator import Simulator, SimulatorOptions

JOURNALS = ["sqlite", "postgresql"]


@pytest.fixture
def installation(
    request: pytest.FixtureRequest, settled: Path, tmp_path: Path
) -> Iterator[Simulator]:
    """Three runs over a small base, the journal in the database asked for."""
    with Simulator(SimulatorOptions(counterparties=20, password=PASSWORD)) as simulator:
        file = settled / "zvirka.toml"
        text = file.read_text("utf-8").replace("http://127.0.0.1:9/base", simulator.url)
        text += "\n[guard]\nmax_change_share = 1.0\n"
        if request.param == "postgresql":
            text += f'[journal]\nurl = "{fresh("postgresql", tmp_path)}"\n'
        file.write_text(text, "utf-8")
        for _ in range(2):
            assert run("reconcile") == 0
        assert run("plan") == 0
        yield simulator


def settings_of(settled: Path) -> Settings:
    return load_settings(settled / "zvirka.toml", {}).settings


def numbers(settled: Path) -> list[int]:
    with closing(open_journal(settings_of(settled))) as journal:
        return [record.id for record in journal.runs(limit=50)]


@pytest.mark.long
@pytest.mark.parametrize("installation", JOURNALS, indirect=True)
def test_what_was_backed_up_comes_back_and_nights_go_on(
    installation: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("backup", "kept.zvirka") == 0
    assert (settled / "kept.zvirka").stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        assert run("plan") == 0
    assert run("restore", "kept.zvirka", "--lang", "en") == 64
    assert "--replace" in capsys.readouterr().err
    assert numbers(settled) == [5, 4, 3, 2, 1]
    assert run("restore", "kept.zvirka", "--replace", "--lang", "en") == 0
    assert "The chain is whole up to run 3" in capsys.readouterr().out
    assert numbers(settled) == [3, 2, 1]
    for path in (settled / "state" / "reports").glob("zvirka-run-00000[45]*"):
        path.unlink()
    assert run("audit", "verify") == 0
    assert run("reconcile") == 0
    assert numbers(settled) == [4, 3, 2, 1]
    assert run("audit", "verify") == 0


@pytest.mark.long
@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_a_backup_is_whole_while_others_write(installation: Simulator, settled: Path) -> None:
    """What is still in the log of the journal is part of the copy."""
    with closing(open_journal(settings_of(settled))) as busy, busy.reading():
        assert run("plan") == 0
        assert (settled / "state" / "journal.db-wal").stat().st_size
        assert run("backup", ".") == 0
    [file] = settled.glob("zvirka-*.zvirka")
    shutil.rmtree(settled / "state")
    (settled / "state").mkdir()
    assert run("restore", str(file)) == 0
    assert numbers(settled) == [4, 3, 2, 1]


@pytest.mark.long
@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_a_copy_without_its_log_is_told(
    installation: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = settled / "state" / "journal.db"
    with closing(open_journal(settings_of(settled))) as busy, busy.reading():
        assert run("plan") == 0
        shutil.copy(journal, settled / "copy.db")
    for ending in ("-wal", "-shm"):
        journal.with_name(f"journal.db{ending}").unlink(missing_ok=True)
    shutil.copy(settled / "copy.db", journal)
    capsys.readouterr()
    assert run("audit", "verify", "--json", "--lang", "en") == 1
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert "run 4: anchored, but the journal ends with run 3" in problem
    assert run("check", "--lang", "en") == 2
    assert "runs are missing" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_a_damaged_backup_and_an_altered_chain_are_refused(
    installation: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("backup", "good.zvirka") == 0
    whole = (settled / "good.zvirka").read_bytes()
    (settled / "short.zvirka").write_bytes(whole[: len(whole) // 2])
    with closing(sqlite3.connect(settled / "state" / "journal.db")) as journal, journal:
        journal.execute("UPDATE run SET who = 'nobody' WHERE id = 2")
    assert run("backup", "altered.zvirka") == 0
    before = numbers(settled)
    for name, cause in (("short", "cut short"), ("altered", "chain of the backup is broken")):
        assert run("restore", f"{name}.zvirka", "--replace", "--lang", "en") in {2, 64}
        assert cause in capsys.readouterr().err
    assert numbers(settled) == before
    assert run("restore", "good.zvirka", "--replace") == 0
    assert run("audit", "verify") == 0


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_a_run_and_a_receiver_at_work_are_respected(
    installation: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(settled)
    with run_lock(settings, who="night", command="reconcile"):
        assert run("backup", "busy.zvirka", "--wait", "0", "--lang", "en") == 2
        assert "another run is under way" in capsys.readouterr().err
    assert not (settled / "busy.zvirka").exists()
    with receiver_lock(settings, who="unit"):
        assert run("backup", "idle.zvirka") == 0
        assert run("restore", "idle.zvirka", "--replace", "--lang", "en") == 2
        assert "another receiver" in capsys.readouterr().err
