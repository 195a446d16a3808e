"""A process that opens the journal twice keeps what it writes, also while others read it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.unit.service.supervised import settings
from zvirka.domain import Command, Trigger
from zvirka.journal.journal import Journal, open_journal

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LOOK = """
import sqlite3, sys
journal = sqlite3.connect(sys.argv[1])
print(journal.execute('select count(*) from "run"').fetchone()[0])
journal.close()
"""


def seen_by_another(file: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(file)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def begin(journal: Journal) -> int:
    return journal.begin(
        command=Command.RECONCILE, trigger=Trigger.MANUAL, who="test", reason="", now=NOW
    )


def test_a_second_book_of_the_same_process_does_not_cost_the_first_its_locks(
    tmp_path: Path,
) -> None:
    config = settings(tmp_path)
    file = tmp_path / "journal.db"
    first = open_journal(config)
    begin(first)
    open_journal(config).close()
    assert seen_by_another(file) == 1
    begin(first)
    assert seen_by_another(file) == 2, "what was written after somebody looked is not lost"
    first.close()
    again = open_journal(config)
    assert len(again.runs()) == 2
    again.close()
