"""Retention: personal values of old runs go, from the journal and from the report files alike."""

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
    older_than: timedelta,
    now: datetime,
    who: str,
    reason: str,
    *,
    trigger: Trigger = Trigger.MANUAL,
) -> Pruned:
    """Prune the journal and remove the report files of the pruned runs.

    The journal first: a report can be made anew from it only without the values, and files that
    stay because of a crash in between go with the next prune's look or by hand.

    Raises:
        JournalError: the journal cannot be written; no file is removed.
        ZvirkaError: a report file cannot be removed.
    """
    pruned = prune(journal, older_than, now, who, reason, trigger=trigger)
    remove_reports(settings.report_directory, pruned.runs)
    return pruned
