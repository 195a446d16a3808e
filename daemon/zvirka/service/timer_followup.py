"""What the daemon does after a run, for runs of a timer and for failed units."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from loguru import logger

from zvirka.domain import RunStatus, Trigger
from zvirka.errors import ZvirkaError
from zvirka.journal.head import Head
from zvirka.journal.journal import Journal, open_journal
from zvirka.reconcile.pruning import forget
from zvirka.reconcile.request import Request
from zvirka.reconcile.unbegun import record_unbegun
from zvirka.service.alerts import Alerts
from zvirka.service.daemon_records import JournalRecords
from zvirka.service.metrics import Metrics
from zvirka.settings.model import Settings


def look_after_run(settings: Settings, now: datetime) -> None:
    """Send alerts (held, differences left, too long without success); prune; write metrics.

    A failed run is announced by the unit's ``OnFailure=``, which also covers runs that never began.

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
        metrics = Metrics(settings.metrics.flow)
        metrics.show(situation)
        metrics.write(Path(settings.metrics.textfile))


def prune_as_set(settings: Settings, journal: Journal, now: datetime, who: str) -> None:
    """Remove personal values of runs older than ``report.prune_after``; nothing if it is unset.

    A failed prune is only logged: the next night tries again.
    """
    age = settings.report.prune_after
    if age is None:
        return
    try:
        pruned = forget(
            settings,
            journal,
            older_than=age,
            now=now,
            who=who,
            reason="report.prune_after",
            trigger=Trigger.SCHEDULE,
        )
    except ZvirkaError as error:
        logger.error("old runs could not be pruned", error=str(error))
    else:
        if pruned.run is not None:
            logger.info("old runs were pruned", run=pruned.run, runs=len(pruned.runs))


def tell_of_broken_flow(settings: Settings, error: ZvirkaError, now: datetime) -> None:
    """Record that a flow's nights cannot begin for its settings, and announce it.

    Args:
        settings: what of the flow's settings says where its journal is and whom to tell.
        error: what is wrong with the rest.
        now: the time.
    """
    request = Request(trigger=Trigger.SCHEDULE, who="zvirka daemon")
    record_unbegun(settings, request, error, lambda: now)
    alerts = Alerts(settings)
    alerts.watch(now)
    situation = JournalRecords(lambda: settings).situation(now)
    alerts.judge(situation, (type(error).__name__, error.sentence), now)
    alerts.flush(now)


_RECENT = timedelta(hours=1)


def tell_of_unit(settings: Settings, unit: str, now: datetime, why: str = "") -> int:
    """Announce that systemd gave a unit up, once until a run has ended well since.

    Args:
        settings: say whom to tell, and where the journal is.
        unit: the unit.
        now: the time.
        why: the cause, where it is known; otherwise that of a run that has just failed.

    Returns:
        How many messages could not be delivered yet; they are retried later.
    """
    good: datetime | None = None
    head: Head | None = None
    try:
        known = JournalRecords(lambda: settings).recall(now)
        good, situation = known.settled, known.situation
        last, head = situation.last, situation.head
        if last is not None and last.status is RunStatus.FAILED and now - last.ended < _RECENT:
            why = why or last.error
    except ZvirkaError as error:
        # The journal itself may have failed; the alert must be sent all the same.
        logger.error("the journal could not be read", error=str(error))
        why = why or str(error)
    alerts = Alerts(settings)
    alerts.tell_failed_unit(unit, now, good, why, head)
    alerts.flush(now)
    return alerts.waiting
