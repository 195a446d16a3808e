"""Writes how far a run is into the journal, where the page of another process sees it.

The same look reads whether an admin has asked the run to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from loguru import logger

from zvirka.errors import ZvirkaError
from zvirka.journal.beats import BeatName, drop_beats, put_beat, read_beats
from zvirka.journal.journal import Journal
from zvirka.now import Now
from zvirka.reconcile.request import Progress

EVERY_SECONDS = 2.0


class BeatingProgress(Progress):
    """Passes progress on, and notes it in the journal every two seconds.

    Args:
        inner: whom progress is passed on to.
        journal: holds the beats.
        run: the run's number.
        now: the clock of what is written, aware.
        seconds: a clock that never jumps.
    """

    def __init__(
        self,
        inner: Progress,
        journal: Journal,
        run: int,
        now: Now,
        seconds: Callable[[], float],
    ) -> None:
        self._inner = inner
        self._journal = journal
        self._run = run
        self._now = now
        self._seconds = seconds
        self._last = float("-inf")
        self._phase = ""
        self._total: int | None = None
        self._done = 0
        self._since: datetime = now()
        self.stop_asked = False

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins."""
        self._inner.phase(name, total)
        self._phase, self._total, self._done = name, total, 0
        self._since = self._now()
        self._beat()

    def advance(self, units: int) -> None:
        """So many more units are done."""
        self._inner.advance(units)
        self._done += units
        if self._seconds() - self._last >= EVERY_SECONDS:
            self._beat()

    def done(self) -> None:
        """The run has ended."""
        self._inner.done()
        try:
            with self._journal.writing() as connection:
                drop_beats(connection, (BeatName.RUN, BeatName.STOP))
        except ZvirkaError as error:
            logger.warning("the progress could not be removed", cause=error.cause)

    def _beat(self) -> None:
        self._last = self._seconds()
        detail = {
            "run": self._run,
            "phase": self._phase,
            "done": self._done,
            "total": self._total,
            "since": self._since.isoformat(),
        }
        try:
            with self._journal.writing() as connection:
                put_beat(connection, BeatName.RUN, self._now(), detail)
                wish = read_beats(connection).get(BeatName.STOP)
        except ZvirkaError as error:
            # Progress is a courtesy: the run goes on without it.
            logger.warning("the progress could not be noted", cause=error.cause)
            return
        self.stop_asked = wish is not None and wish.detail.get("run") == self._run
