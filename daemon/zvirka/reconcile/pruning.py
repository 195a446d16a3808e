"""Retention: removes personal values of old runs from the journal, and their report files."""

from __future__ import annotations

from datetime import datetime, timedelta

from zvirka.domain import Trigger
from zvirka.journal.journal import Journal
from zvirka.journal.retention import Pruned, prune
from zvirka.report import remove_reports
from zvirka.settings.model import Settings


def forget(
    settings: Settings,
    journal: Journal,
    *,
    older_than: timedelta,
    now: datetime,
    who: str,
    reason: str,
    trigger: Trigger = Trigger.MANUAL,
) -> Pruned:
    """Prune the journal and remove the report files of the pruned runs.

    The journal first, so that no report with the values can be rendered again. Files left by a
    crash in between are removed by the next prune, or by hand.

    Raises:
        JournalError: the journal cannot be written; no file is removed.
        ZvirkaError: a report file cannot be removed.
    """
    pruned = prune(journal, older_than, now, who, reason, trigger=trigger)
    remove_reports(settings.report_directory, pruned.runs)
    return pruned
