"""Whether a run makes progress, for systemd's watchdog.

A daemon that answers while its run hangs must be killed, and a run that waits for a slow 1C must
not. So the progress of the run decides: it is alive as long as its last step is younger than the
longest silence the settings allow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from zvirka.settings.model import Settings


class Pulse:
    """A :class:`zvirka.reconcile.request.Progress` that remembers when the work last moved.

    The run checks ``stop`` between two steps.

    Args:
        monotonic: gives seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._moved = monotonic()
        self.stop = threading.Event()
        self.name = ""

    def silence(self) -> float:
        """Seconds since the work last moved."""
        return self._monotonic() - self._moved

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins."""
        del total
        self.name = name
        self._moved = self._monotonic()

    def advance(self, units: int) -> None:
        """So many more units of the phase are done."""
        del units
        self._moved = self._monotonic()

    def done(self) -> None:
        """The run is over."""
        self._moved = self._monotonic()


def patience(settings: Settings, watchdog_seconds: float) -> float:
    """Seconds a run may be silent and still count as alive.

    One request to 1C may take every retry to its time-out; what else is slow (a comparison, a
    batch of the store) gets as long as the unit's WatchdogSec.
    """
    onec = settings.onec
    request = (onec.connect_timeout + onec.read_timeout) * (onec.retries + 1)
    pauses = timedelta(seconds=30) * onec.retries
    return (request + pauses).total_seconds() + watchdog_seconds
