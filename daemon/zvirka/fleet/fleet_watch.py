"""The daemon's look at its workers: metrics, and an alert when nothing takes a due flow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from zvirka.fleet.status_lines import FleetStatus
from zvirka.now import Now
from zvirka.service.alerts import Alerts, Send
from zvirka.settings.model import Settings

_EVERY = timedelta(seconds=15)


class FleetWatch:
    """Shows the status of the workers, and tells people when it becomes bad or good.

    Args:
        settings: of a flow of the installation: whom to tell; the state is kept beside its own.
        now: the clock.
        send: delivers alerts (``None``: apprise).
    """

    def __init__(self, settings: Settings, now: Now, send: Send | None = None) -> None:
        self._now = now
        self._alerts = Alerts(
            settings.model_copy(update={"state_dir": settings.state_dir / "fleet"}), send
        )
        self._looked: datetime | None = None
        self.registry = CollectorRegistry()
        """The metrics, for :class:`zvirka.service.metrics.Exposition`."""

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"zvirka_fleet_{name}", text, labels, registry=self.registry)

        self._workers = gauge("workers", "Workers alive.")
        self._waiting = gauge("waiting", "Runs that wait for a worker, by server of 1C.", "server")
        self._running = gauge("running", "Runs at workers, by server of 1C.", "server")
        self._oldest = gauge(
            "waiting_seconds", "How long the first run of a server of 1C waits.", "server"
        )
        self._late = gauge("late", "Due runs that nothing takes for longer than fleet.alert_after.")

    def look(self, status: Callable[[], FleetStatus]) -> None:
        """Read the status where that is due, show it, and send what has changed."""
        now = self._now()
        if self._looked is not None and now - self._looked < _EVERY:
            return
        self._looked = now
        seen = status()
        self._workers.set(sum(one.alive for one in seen.workers))
        self._late.set(len(seen.late))
        for line in seen.queues:
            self._waiting.labels(line.server).set(len(line.waiting))
            self._running.labels(line.server).set(len(line.running))
            self._oldest.labels(line.server).set(line.seconds_waiting(now))
        self._alerts.tell_untaken(seen.late, now)
        self._alerts.flush(now)
