"""A day that passes as fast as a test: time passed in, also to `schedule`."""

from __future__ import annotations

import datetime as real
import types
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest
import schedule

from zvirka.service.background_task import Ending


class Hours:
    """The time, aware UTC; it moves only when told to. Use it as the service's ``now``."""

    def __init__(self, start: real.datetime) -> None:
        self.time = start.astimezone(UTC)

    def __call__(self) -> real.datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def pass_by(self, **units: float) -> None:
        self.time += timedelta(**units)


def lend_to_schedule(hours: Hours, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `schedule` read this time: the library asks the machine's clock and offers no other."""

    class Moment(real.datetime):
        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> Any:
            if tz is not None:
                return hours.time.astimezone(tz)
            return hours.time.astimezone().replace(tzinfo=None)

    module = types.SimpleNamespace(
        datetime=Moment, timedelta=real.timedelta, time=real.time, date=real.date
    )
    monkeypatch.setattr(schedule, "datetime", module)


class AtOnce:
    """A :class:`zvirka.service.background_task.Background` that does the work when it is begun."""

    def __init__(self) -> None:
        self._ending: Ending[Any] | None = None

    @property
    def busy(self) -> bool:
        return self._ending is not None

    def begin(self, work: Callable[[], Any]) -> None:
        try:
            self._ending = Ending(value=work())
        except Exception as error:
            self._ending = Ending(error=error)

    def take(self) -> Ending[Any] | None:
        ending, self._ending = self._ending, None
        return ending
