"""`zvirka upgrade` and a journal that is older or newer than the program."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.lines import run


def set_revision(settled: Path, revision: str) -> None:
    with closing(sqlite3.connect(settled / "state" / "journal.db")) as journal, journal:
        journal.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_a_journal_in_step_has_nothing_to_migrate(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("upgrade", "--check", "--json") == 0  # there is no journal yet
    assert not list((settled / "state").iterdir())
    assert run("runs") == 0
    capsys.readouterr()
    assert run("upgrade", "--check", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"migrations": []}


@pytest.mark.parametrize("command", ["upgrade", "upgrade --check", "runs", "check"])
def test_a_newer_journal_is_refused_with_the_way_back(
    command: str, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("runs") == 0
    set_revision(settled, "9999")
    assert run(*command.split(), "--lang", "en") == 2
    told = capsys.readouterr()
    assert "written by a newer zvirka (schema 9999" in told.out + told.err
    assert "restore a backup made before the upgrade" in told.out + told.err
