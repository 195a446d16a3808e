"""When a run is due: the times of ``[schedule]`` in their own time zone.

The `schedule` library wakes the daemon: :meth:`Clock.idle_seconds` is the time to its next job.
It does not decide what is due. It knows only the machine's present time, forgets everything at a
restart, fires 03:30 in Kyiv twice in the day after the spring change, and is an hour wrong about
the time left while a clock change lies ahead. So a *slot* is an instant computed from the calendar,
for any given moment, and one slot is one night's run; which slots had their run is asked of the
journal (:mod:`zvirka.service.nights`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random

import pytz
import schedule

from zvirka.settings.service_tables import ScheduleSettings


class Clock:
    """The slots of one ``[schedule]``.

    Args:
        settings: times, zone, jitter and quiet hours, as :mod:`zvirka.settings.checks` allows them.
        random: draws the jitter.
    """

    def __init__(self, settings: ScheduleSettings, random: Random) -> None:
        self.zone = pytz.timezone(settings.timezone)
        self._jitter = settings.jitter
        self._random = random
        self._quiet_hours = _quiet_hours(settings)
        self._between: tuple[datetime, datetime] | None = None
        self._scheduler = schedule.Scheduler()
        jobs = [
            self._scheduler.every().day.at(at, self.zone).do(lambda: None)
            for at in sorted({settings.at, *settings.also_at})
        ]
        self.times: tuple[time, ...] = tuple(job.at_time for job in jobs)

    def idle_seconds(self) -> float:
        """Seconds until `schedule` has a job to run; 0 when one is due, which also ends it."""
        idle = max(0.0, float(self._scheduler.idle_seconds or 0.0))
        self._scheduler.run_pending()
        return idle

    def last_slot(self, now: datetime) -> datetime:
        """The newest slot that is not after ``now``."""
        return self._around(now)[0]

    def next_slot(self, now: datetime) -> datetime:
        """The first slot after ``now``."""
        return self._around(now)[1]

    def delay(self) -> timedelta:
        """A delay within the jitter, drawn at each call."""
        return self._jitter * self._random.random()

    @property
    def tolerance(self) -> timedelta:
        """How late a run may begin and still be on time: the jitter and two minutes."""
        return self._jitter + timedelta(minutes=2)

    def allowed_from(self, now: datetime) -> datetime:
        """``now``, or the end of the quiet hours that ``now`` falls into."""
        if self._quiet_hours is None:
            return now
        begins, ends = self._quiet_hours
        local = now.astimezone(self.zone)
        days = 1 if ends <= begins else 0
        for back in (1, 0):
            day = local.date() - timedelta(days=back)
            closing = self._instant(day + timedelta(days=days), ends)
            if self._instant(day, begins) <= now < closing:
                return closing
        return now

    def _around(self, now: datetime) -> tuple[datetime, datetime]:
        """The slots before and after ``now``; cached until the one after has come."""
        if self._between is None or not self._between[0] <= now < self._between[1]:
            today = now.astimezone(self.zone).date()
            slots = [
                self._instant(today + timedelta(days=days), at)
                for days in range(-2, 3)
                for at in self.times
            ]
            before = max(slot for slot in slots if slot <= now)
            self._between = before, min(slot for slot in slots if slot > now)
        return self._between

    def _instant(self, day: date, at: time) -> datetime:
        """The instant of a wall-clock time on a day.

        A time that the spring change skips comes an hour later; of a time that the autumn change
        repeats, the first one counts.
        """
        wall = datetime.combine(day, at)
        try:
            local = self.zone.localize(wall, is_dst=None)
        except pytz.AmbiguousTimeError:
            local = self.zone.localize(wall, is_dst=True)
        except pytz.NonExistentTimeError:
            local = self.zone.localize(wall, is_dst=False)
        return local.astimezone(UTC)


def _quiet_hours(settings: ScheduleSettings) -> tuple[time, time] | None:
    if settings.quiet_from is None or settings.quiet_to is None:
        return None
    begins, ends = (time.fromisoformat(text) for text in (settings.quiet_from, settings.quiet_to))
    return None if begins == ends else (begins, ends)
