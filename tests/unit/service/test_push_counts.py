"""The webhooks taken in between two good runs, for the push's miss rate."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.unit.journal.world import NOW, receipts, settings
from tests.unit.report.sample import seal_run
from zvirka.journal.journal import open_journal
from zvirka.service.daemon_records import JournalRecords

HOUR = timedelta(hours=1)


def test_webhooks_since_the_good_run_before_are_counted(tmp_path: Path) -> None:
    known = settings(tmp_path)
    journal = open_journal(known)
    records = JournalRecords(lambda: known)
    assert records.situation(NOW).received is None
    seal_run(journal, (), at=NOW)
    assert records.situation(NOW).received is None, "there is no run before"
    seal_run(journal, (), at=NOW + HOUR)
    assert records.situation(NOW).received is None, "no receiver runs"
    receipts(journal, NOW - HOUR, range(1, 3))
    receipts(journal, NOW + HOUR, range(3, 6))
    receipts(journal, NOW + 2 * HOUR, range(6, 7))
    found = records.situation(NOW)
    assert found.received == 3
    assert found.head is not None
    assert (found.head.run, found.head.receipt) == (2, 6)
    seal_run(journal, (), at=NOW + 3 * HOUR, status="failed")
    assert records.situation(NOW).received == 1, "since the last good run, up to the failed one"
    journal.close()
