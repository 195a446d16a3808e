"""What the daemon does by itself, for what runs without it: the timer's runs, failed units."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

from loguru import logger

from zvirka.errors import ZvirkaError
from zvirka.journal.journal import Journal, open_journal
from zvirka.reconcile.pruning import forget
from zvirka.service.alerts import Alerts
from zvirka.service.daemon_records import JournalRecords
from zvirka.service.metrics import Metrics
from zvirka.settings.model import Settings


def look_after_run(settings: Settings, now: datetime) -> None:
    """Tell what changed (held, differences left, too long without success); prune; write metrics.

    That the run failed is told by the unit's ``OnFailure=``, which also sees what never began.

    Raises:
        JournalError: the journal cannot be read.
    """
    situation = JournalRecords(lambda: settings).situation(now)
    alerts = Alerts(settings)
    alerts.watch(now)
    alerts.judge(situation, None, now)
    alerts.flush(now)
    with closing(open_journal(settings)) as journal:
        prune_as_set(settings, journal, now, "zvirka-reconcile.timer")
    if settings.metrics.textfile is not None:
        metrics = Metrics()
        metrics.show(situation)
        metrics.write(Path(settings.metrics.textfile))


def prune_as_set(settings: Settings, journal: Journal, now: datetime, who: str) -> None:
    """Take personal values out of runs older than ``report.prune_after``; nothing unless set.

    A prune that fails is logged: the next night tries again, and the run it follows is done.
    """
    age = settings.report.prune_after
    if age is None:
        return
    try:
        pruned = forget(settings, journal, age, now, who, "report.prune_after", trigger="schedule")
    except ZvirkaError as error:
        logger.error("old runs could not be pruned", error=str(error))
    else:
        if pruned.run is not None:
            logger.info("old runs were pruned", run=pruned.run, runs=len(pruned.runs))


def tell_of_unit(settings: Settings, unit: str, now: datetime) -> int:
    """Tell that systemd gave a unit up, once until a run has ended well since.

    Returns:
        How many messages could not be delivered yet; they are sent at the next occasion.
    """
    good = None
    try:
        good = JournalRecords(lambda: settings).last_good()
    except ZvirkaError as error:
        # What failed may be the journal itself, and that must be told all the same.
        logger.error("the journal could not be looked into", error=str(error))
    alerts = Alerts(settings)
    alerts.tell_failed_unit(unit, now, good)
    alerts.flush(now)
    return alerts.waiting
