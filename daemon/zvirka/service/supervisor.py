"""What the daemon does between two looks at the clock.

One look (:meth:`Supervisor.step`) takes up what has ended, begins what is due, tells systemd and,
every few minutes and after each run, looks into the journal for alerts, metrics and the status
line. It never waits for 1C, a database or a mail server: that happens beside it
(:mod:`zvirka.service.background_task`), and is what the watchdog watches.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from loguru import logger

from zvirka.domain import Command, Trigger
from zvirka.errors import ZvirkaError
from zvirka.i18n import Language
from zvirka.i18n.words import Words
from zvirka.message import Message
from zvirka.now import Now
from zvirka.reconcile.request import Request, Summary
from zvirka.service.alert_texts import say
from zvirka.service.alerts import Alerts, Send
from zvirka.service.background_task import Background, Ending
from zvirka.service.clock import Clock
from zvirka.service.daemon_records import Records, Situation
from zvirka.service.flow_runs import FlowRuns
from zvirka.service.metrics import Metrics
from zvirka.service.nights import Due, Nights, night_result
from zvirka.service.run_slots import FreeSlots, Slots
from zvirka.service.status_line import status_line
from zvirka.service.systemd_notify import ServiceNotifier
from zvirka.service.watchdog import Pulse, patience
from zvirka.settings.model import Settings

_LOOK_EVERY = timedelta(minutes=5)
_LONGEST_PAUSE = 60.0
_PAUSE_AT_WORK = 1.0
_WAIT_FOR_LOCK = 60.0
_WHO = "zvirka daemon"

MOST_REPEATS = 2
"""Further runs of a night for rows that waited: two resolve a cycle of references."""


@dataclass(frozen=True)
class SupervisorPorts:
    """What the supervision of a flow needs from outside; tests replace it.

    ``monotonic`` gives seconds that never jump; ``runs`` performs the runs, ``look_task``
    the queries of the journal; ``slots`` says when a run may begin beside those of other flows;
    ``send`` delivers alerts (``None``: apprise).
    """

    records: Records
    notifier: ServiceNotifier
    now: Now
    monotonic: Callable[[], float]
    random: Random
    runs: FlowRuns
    look_task: Background[Situation]
    slots: Slots = field(default_factory=FreeSlots)
    send: Send | None = None


class Supervisor:
    """The nights of one flow: the daemon without its signals and its sleep.

    Args:
        settings: in force until :meth:`reload`.
        ports: clock, records, alerts and the other parts it uses.
    """

    def __init__(self, settings: Settings, ports: SupervisorPorts) -> None:
        self.settings = settings
        self._ports = ports
        self.pulse = Pulse(ports.monotonic)
        self.clock = Clock(settings.schedule, ports.random)
        self._nights = Nights(settings.schedule, self.clock)
        self.alerts = Alerts(settings, ports.send)
        self.metrics = Metrics(settings.metrics.flow)
        self._situation = Situation()
        self._failure: tuple[str, str] | None = None
        self._looked: datetime | None = None
        self._look_began: float | None = None
        self._note = ""
        self._told = ""
        self._stopping = False
        self._repeats = 0
        self._repeating = False
        self._lacks_slot = False
        self.waiting = 0

    @property
    def running(self) -> bool:
        """Whether a run is in progress."""
        return self._ports.runs.busy

    def due_since(self, now: datetime) -> datetime | None:
        """The slot of a run that is due and has not begun; ``None`` when none is."""
        due = None if self.running or self._stopping else self._nights.due(now)
        return due.slot if due is not None else None

    def start(self) -> None:
        """Restore the state of the night from the journal, and notify systemd that it is ready.

        Raises:
            JournalError: the journal cannot be opened.
        """
        now = self._ports.now()
        known = self._ports.records.recall(now)
        self._nights.recall(known.nightly, known.settled, now)
        if self._nights.given_up and "failed" not in self.alerts.active:
            self._failure = ("given_up", "the night's attempts all failed or were cut off")
        self.alerts.watch(now)
        self._situation = known.situation
        self._told = self._status()
        self._ports.notifier.ready(self._told)
        logger.info("the daemon is ready", next_night=self.clock.next_slot(now).isoformat())

    def step(self) -> None:
        """Do one step: collect what has ended, start what is due, report the status."""
        now = self._ports.now()
        run, look = self._ports.runs, self._ports.look_task
        if (ending := run.take()) is not None:
            self._take_up(ending, now)
            self._looked = None
        self._lacks_slot = False
        if not run.busy and not self._stopping and (due := self._nights.due(now)) is not None:
            if self._has_slot():
                self._repeats = 0
                self._begin(due.trigger, _night(due))
        elif not run.busy and not self._stopping and self._repeating:
            self._repeat()
        if (seen := look.take()) is not None:
            self._take_in(seen)
        if not look.busy and (self._looked is None or now - self._looked >= _LOOK_EVERY):
            self._look(now)
        self._tell()

    def pause(self) -> float:
        """Seconds until the next step: short while a task runs, else as `schedule` says.

        The end of another flow's run, which frees a slot, ends the pause.
        """
        longest = _LONGEST_PAUSE
        if self._ports.notifier.watchdog_seconds is not None:
            longest = min(longest, self._ports.notifier.watchdog_seconds / 3)
        if self.running or self._ports.look_task.busy or self._lacks_slot:
            return min(longest, _PAUSE_AT_WORK)
        pauses = [longest, self.clock.idle_seconds()]
        if self._nights.next_attempt is not None:
            pauses.append((self._nights.next_attempt - self._ports.now()).total_seconds())
        return max(0.05, min(pauses))

    def stop(self) -> None:
        """Begin to stop: the current run ends at its next safe place, no other one starts."""
        self._stopping = True
        self.pulse.stop.set()
        self._ports.notifier.stopping(say(self._language, "stopping"))

    def repeat(self) -> None:
        """Run once more: differences that were left wait for rows of other flows, or of this one.

        A night has at most :data:`MOST_REPEATS` of these.
        """
        if self.waiting and not self.running and self._repeats < MOST_REPEATS:
            self._repeating = True

    def reload(self, load: Callable[[], Settings]) -> None:
        """Read the settings again; keep the old ones when the new are wrong. Never raises.

        The current run keeps the settings it began with.
        """
        self._ports.notifier.reloading()
        try:
            self._adopt(load())
        except ZvirkaError as error:
            logger.error("the new settings are wrong, the old ones stay", error=str(error))
            self._note = say(self._language, "bad_settings")
        else:
            logger.info("the settings were read again")
            self._note = ""
        self._told = self._status()
        self._ports.notifier.ready(self._told)

    def _adopt(self, settings: Settings) -> None:
        now = self._ports.now()
        clock = Clock(settings.schedule, self._ports.random)
        nights = Nights(settings.schedule, clock)
        nights.recall(self._ports.records.recall(now).nightly, self._situation.good, now)
        nights.adopt(self._nights)
        self.settings, self.clock, self._nights = settings, clock, nights
        self.alerts = Alerts(settings, self._ports.send)
        self._looked = None

    @property
    def _language(self) -> Language:
        return self.settings.report.language

    def _has_slot(self) -> bool:
        self._lacks_slot = not self._ports.slots.take(self.settings)
        return not self._lacks_slot

    def _repeat(self) -> None:
        if self._has_slot():
            self._repeats += 1
            self._begin(
                Trigger.SCHEDULE, Message("{count} rows waited for others", count=self.waiting)
            )

    def _begin(self, trigger: Trigger, reason: Message) -> None:
        settings, pulse = self.settings, self.pulse
        request = Request(
            command=Command.RECONCILE,
            trigger=trigger,
            who=_WHO,
            reason=reason,
            wait=_WAIT_FOR_LOCK,
        )
        logger.info("a run begins", flow=settings.name, trigger=trigger)
        pulse.phase("preflight")
        self._ports.runs.begin(settings, request, pulse)

    def _take_up(self, ending: Ending[Summary], now: datetime) -> None:
        self._ports.slots.give_back(self.settings)
        result = ending.error if ending.error is not None else ending.value
        assert result is not None
        self.waiting = result.waiting if isinstance(result, Summary) else 0
        if not isinstance(result, Summary):
            why = night_result(result).why
            logger.error("the run did not start", why=why, place=_place_of(result))
        if self._repeating:  # the night was settled before it
            self._repeating = False
            return
        night = night_result(result)
        over = self._nights.ended(night, now)
        if night.status == "settled":
            self._failure = None
        elif over and night.status != "interrupted":
            self._failure = (night.kind, night.why)

    def _look(self, now: datetime) -> None:
        settings, alerts, metrics, failure = (
            self.settings,
            self.alerts,
            self.metrics,
            self._failure,
        )

        due = self._nights.next_attempt or self.clock.next_slot(now)
        known = self._situation

        def look() -> Situation:
            self._look_began = self._ports.monotonic()
            try:
                situation = self._ports.records.look(now, due)
            except ZvirkaError as error:
                # The night may have failed for the same reason; people must learn of it.
                logger.error("the journal could not be read", error=str(error))
                situation = known
            alerts.judge(situation, failure, now)
            alerts.flush(now)
            metrics.show(situation)
            if settings.metrics.textfile is not None:
                metrics.write(Path(settings.metrics.textfile))
            return situation

        self._looked = now
        self._look_began = None  # it may wait for those of other flows
        self._ports.look_task.begin(look)

    def _take_in(self, seen: Ending[Situation]) -> None:
        if seen.value is not None:
            self._situation = seen.value
        elif isinstance(seen.error, ZvirkaError):
            logger.error("the journal could not be read", error=str(seen.error))
        elif seen.error is not None:
            logger.error("the journal query failed", place=_place_of(seen.error))

    def _tell(self) -> None:
        status = self._status()
        if status != self._told:
            self._told = status
            self._ports.notifier.status(status)
        if self._moves():
            self._ports.notifier.alive()

    def _moves(self) -> bool:
        """Whether every running task made progress within the time the settings allow."""
        longest = _WAIT_FOR_LOCK + patience(
            self.settings, self._ports.notifier.watchdog_seconds or 0.0
        )
        if self.running and self.pulse.silence() > longest:
            logger.error("the run makes no progress", phase=self.pulse.name)
            return False
        began = self._look_began if self._ports.look_task.busy else None
        return began is None or self._ports.monotonic() - began <= longest

    def _status(self) -> str:
        language = self.settings.report.language
        if self.running:
            text = say(language, "running", phase=Words(language).phase(self.pulse.name))
        else:
            text = status_line(
                self._situation,
                at=self.settings.schedule.at,
                zone=self.clock.zone,
                language=language,
                retry_at=self._nights.next_attempt,
            )
        return f"{text} · {self._note}" if self._note else text


def _night(due: Due) -> Message:
    return Message(
        "night of {slot}, attempt {number}", slot=due.slot.isoformat(), number=str(due.attempt)
    )


def _place_of(error: BaseException) -> str:
    """The type and the line of an error; never its text, which may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where
