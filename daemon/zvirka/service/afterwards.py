"""What the daemon does after each run, for those who start runs by a systemd timer instead."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from zvirka.service.alerts import Alerts
from zvirka.service.metrics import Metrics
from zvirka.service.records import JournalRecords
from zvirka.settings import Settings


def look_after_run(settings: Settings, now: datetime) -> None:
    """Tell what changed (held, differences left, too long without success) and write the metrics.

    That the run failed is told by the unit's ``OnFailure=``, which also sees what never began.

    Raises:
        JournalError: the journal cannot be read.
    """
    situation = JournalRecords(lambda: settings).situation()
    alerts = Alerts(settings)
    alerts.watch(now)
    alerts.judge(situation, None, now)
    alerts.flush(now)
    if settings.metrics.textfile is not None:
        metrics = Metrics()
        metrics.show(situation)
        metrics.write(Path(settings.metrics.textfile))
