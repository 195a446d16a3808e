"""When a run is due: the nightly time and the extra ones, in the town's own time.

The `schedule` library wakes the daemon at those times. It keeps nothing, loses what falls into a
sleep of the machine, and fires 03:30 in Kyiv twice in the day after the spring change; so a *slot*
here is an instant worked out from the calendar, and one slot is one night's run. What was done is
asked of the journal (:mod:`zvirka.service.nights`), never of this module.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from random import Random

import pytz
import schedule

from zvirka.errors import SettingsError
from zvirka.settings.model import ScheduleSettings

Now = Callable[[], datetime]
"""Gives the time, aware, in UTC."""


class Clock:
    """The slots of one ``[schedule]``.

    Args:
        settings: times, zone, jitter and quiet hours.
        random: draws the jitter.

    Raises:
        SettingsError: an unknown time zone or a time that is not ``HH:MM``.
    """

    def __init__(self, settings: ScheduleSettings, random: Random) -> None:
        self.zone = _zone(settings.timezone)
        self.times = tuple(
            sorted(
                {
                    time_of(text, key)
                    for key, texts in (
                        ("schedule.at", [settings.at]),
                        ("schedule.also_at", settings.also_at),
                    )
                    for text in texts
                }
            )
        )
        self._jitter = settings.jitter
        self._random = random
        self._quiet = _quiet(settings)
        self._scheduler = schedule.Scheduler()
        self._struck = False
        self._between: tuple[datetime, datetime] | None = None
        for at in self.times:
            self._scheduler.every().day.at(f"{at:%H:%M:%S}", self.zone).do(self._strike)

    def _strike(self) -> None:
        self._struck = True

    def struck(self) -> bool:
        """Whether a time has come since the last call, as `schedule` sees it."""
        self._struck = False
        self._scheduler.run_pending()
        return self._struck

    def idle_seconds(self) -> float:
        """Seconds until `schedule` will strike; never negative."""
        return max(0.0, float(self._scheduler.idle_seconds or 0.0))

    def last_slot(self, now: datetime) -> datetime:
        """The newest slot that is not after ``now``."""
        return self._around(now)[0]

    def next_slot(self, now: datetime) -> datetime:
        """The first slot after ``now``."""
        return self._around(now)[1]

    def delay(self) -> timedelta:
        """A delay within the jitter, drawn anew each time."""
        return self._jitter * self._random.random()

    @property
    def tolerance(self) -> timedelta:
        """How late a run may begin and still be on time: the jitter and two minutes."""
        return self._jitter + timedelta(minutes=2)

    def allowed_from(self, now: datetime) -> datetime:
        """``now``, or the end of the quiet hours that ``now`` falls into."""
        if self._quiet is None:
            return now
        begins, ends = self._quiet
        local = now.astimezone(self.zone)
        days = 1 if ends <= begins else 0
        for back in (1, 0):
            day = local.date() - timedelta(days=back)
            closing = self._instant(day + timedelta(days=days), ends)
            if self._instant(day, begins) <= now < closing:
                return closing
        return now

    def _around(self, now: datetime) -> tuple[datetime, datetime]:
        """The slots before and after ``now``; the answer holds until the one after has come."""
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

        A time that the spring change leaves out comes an hour later; of a time that the autumn
        change repeats, the first one counts.
        """
        wall = datetime.combine(day, at)
        try:
            local = self.zone.localize(wall, is_dst=None)
        except pytz.AmbiguousTimeError:
            local = self.zone.localize(wall, is_dst=True)
        except pytz.NonExistentTimeError:
            local = self.zone.localize(wall, is_dst=False)
        return local.astimezone(UTC)


def time_of(text: str, key: str) -> time:
    """Read ``HH:MM``.

    Raises:
        SettingsError: anything else.
    """
    try:
        hours, minutes = text.split(":")
        return time(int(hours), int(minutes))
    except ValueError:
        raise SettingsError(
            f"found {text!r}, expected a time such as 02:30", place=key, remedy="write it as HH:MM"
        ) from None


def _zone(name: str) -> pytz.BaseTzInfo:
    try:
        return pytz.timezone(name)
    except pytz.UnknownTimeZoneError:
        raise SettingsError(
            f"there is no time zone {name!r}",
            place="schedule.timezone",
            remedy="write a name of the tz database, such as Europe/Kyiv",
        ) from None


def _quiet(settings: ScheduleSettings) -> tuple[time, time] | None:
    if settings.quiet_from is None and settings.quiet_to is None:
        return None
    if settings.quiet_from is None or settings.quiet_to is None:
        raise SettingsError(
            "quiet hours need both ends",
            place="schedule.quiet_from, schedule.quiet_to",
            remedy="set both or neither",
        )
    begins = time_of(settings.quiet_from, "schedule.quiet_from")
    ends = time_of(settings.quiet_to, "schedule.quiet_to")
    return None if begins == ends else (begins, ends)
