"""One run per night: what is due now, what is retried, what is given up.

A night is a slot of :class:`zvirka.service.clock.Clock`. It is settled by one run that finished or
was held; a passing failure is retried a bounded number of times, with pauses that double; a
permanent one waits for a person and for the next night. After a restart the journal shows which
runs the night already had, so that a crash neither repeats nor loses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from loguru import logger

from zvirka.domain import RunStatus, Trigger
from zvirka.errors import RunInterrupted, ZvirkaError
from zvirka.message import Message
from zvirka.reconcile.request import Summary
from zvirka.service.clock import Clock
from zvirka.settings.service_tables import ScheduleSettings

NIGHTLY = (Trigger.SCHEDULE, Trigger.CATCH_UP)
"""The triggers of the daemon's own runs."""

SETTLED = frozenset({RunStatus.FINISHED, RunStatus.HELD})
"""The statuses of a run that does not have to be tried again."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class PastRun:
    """One of the daemon's own runs as the journal has it; ``ended`` is ``None`` for a dead one."""

    started: datetime
    ended: datetime | None
    status: RunStatus


@dataclass(frozen=True)
class Due:
    """A run to begin now. ``attempt`` counts from 1 within the night."""

    slot: datetime
    trigger: Trigger
    attempt: int


@dataclass(frozen=True)
class NightResult:
    """What a run's end means for the night.

    ``kind`` names the failure for alerts (the same kind twice is one message); ``why`` is cause,
    place and remedy.
    """

    status: Literal["settled", "passing", "permanent", "interrupted"]
    kind: str = ""
    why: str = ""


def night_result(ending: Summary | BaseException) -> NightResult:
    """Judge a run by its summary or by what it raised.

    Of an unexpected error only the type is reported: its text may contain personal data.
    """
    if isinstance(ending, Summary):
        if ending.status in SETTLED:
            unwritten = NightResult("permanent", kind="report", why=ending.error)
            return unwritten if ending.error else NightResult("settled")
        if ending.status == RunStatus.INTERRUPTED:
            return NightResult("interrupted", kind=ending.kind, why=ending.error)
        return _failed(ending.passing, ending.kind or ending.status, ending.error)
    kind = type(ending).__name__
    if isinstance(ending, RunInterrupted):
        return NightResult("interrupted", kind=kind, why=Message("the run was interrupted"))
    if isinstance(ending, ZvirkaError):
        return _failed(ending.passing, kind, str(ending))
    return NightResult("permanent", kind, f"unexpected error: {kind}; the log names the place")


def _failed(passing: bool, kind: str, why: str) -> NightResult:
    return NightResult("passing" if passing else "permanent", kind, why)


class Nights:
    """The state of the current night.

    Args:
        settings: retries, their pause, and whether missed nights are caught up.
        clock: the slots.
    """

    def __init__(self, settings: ScheduleSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._slot: datetime | None = None
        self._attempts = 0
        self._begin: datetime | None = None
        self._given_up = False
        self._trigger: Literal[Trigger.SCHEDULE, Trigger.CATCH_UP] = Trigger.SCHEDULE

    @property
    def next_attempt(self) -> datetime | None:
        """When this night's next attempt begins; ``None`` when the night is settled."""
        return self._begin

    @property
    def given_up(self) -> bool:
        """Whether the night is over without a run that ended well."""
        return self._given_up

    def recall(self, runs: Iterable[PastRun], last_settled: datetime | None, now: datetime) -> None:
        """Restore the state of the night from the journal, when the daemon starts.

        Args:
            runs: the daemon's own runs of the last days, in any order.
            last_settled: when a run over everything, by the daemon or a person, last finished or
                was held; ``None`` for never.
            now: the time.
        """
        slot = self._slot = self._clock.last_slot(now)
        # A run from the time when the clock was ahead is no run of this night.
        had = [run for run in runs if slot <= run.started <= now + _DAY]
        had.sort(key=lambda run: run.started)
        self._attempts, self._begin = len(had), None
        if any(run.status in SETTLED for run in had):
            return
        if had:
            self._trigger = Trigger.CATCH_UP
            broken = had[-1].ended is None or had[-1].status == RunStatus.INTERRUPTED
            self._try_again(now if broken else (had[-1].ended or now), at_once=broken)
        elif now <= slot + self._clock.tolerance:
            self._trigger, self._begin = Trigger.SCHEDULE, now
        elif self._settings.catch_up and last_settled and abs(now - last_settled) > _DAY:
            self._trigger, self._begin = Trigger.CATCH_UP, now

    def due(self, now: datetime) -> Due | None:
        """The run to begin now; ``None`` when nothing is due or the quiet hours forbid it."""
        slot = self._clock.last_slot(now)
        # A slot far ahead was entered while the clock was wrong.
        if self._slot is None or slot > self._slot or self._slot - now > _DAY:
            self._enter(slot, now)
        if self._begin is None or self._slot is None:
            return None
        if now < self._begin or self._clock.allowed_from(now) > now:
            return None
        return Due(self._slot, self._trigger, self._attempts + 1)

    def ended(self, result: NightResult, now: datetime) -> bool:
        """Record how the due run ended; return whether the night is over."""
        self._attempts += 1
        self._begin = None
        if result.status == "passing":
            self._try_again(now)
        else:
            self._given_up = result.status == "permanent"
        return self._begin is None

    def adopt(self, earlier: Nights) -> None:
        """Keep the state of the night from before a reload if it is the same night."""
        if earlier._slot is not None and earlier._slot == self._slot:
            self._attempts = earlier._attempts
            self._begin = earlier._begin
            self._trigger = earlier._trigger
            self._given_up = earlier._given_up

    def _enter(self, slot: datetime, now: datetime) -> None:
        self._slot, self._attempts, self._begin, self._given_up = slot, 0, None, False
        if now <= slot + self._clock.tolerance:
            self._trigger, self._begin = Trigger.SCHEDULE, slot + self._clock.delay()
        elif self._settings.catch_up:
            self._trigger, self._begin = Trigger.CATCH_UP, now
        else:
            logger.warning("a missed night is not caught up", slot=slot.isoformat())

    def _try_again(self, since: datetime, *, at_once: bool = False) -> None:
        if self._attempts > self._settings.retries:
            self._begin, self._given_up = None, True
            return
        pause = self._settings.retry_pause * 2 ** max(0, self._attempts - 1)
        self._begin = since if at_once else since + pause
