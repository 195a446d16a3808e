"""Requests go evenly, over all threads, and wait when the other side asks for it."""

from __future__ import annotations

import pytest

from zvirka.erp.webhook.rate import RequestRate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_turns_come_evenly() -> None:
    clock = Clock()
    pace = RequestRate(4, clock, clock.sleep)
    moments = []
    for _ in range(5):
        pace.wait()
        moments.append(clock.now)
    assert moments == pytest.approx([100, 100.25, 100.5, 100.75, 101])


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    clock = Clock()
    pace = RequestRate(4, clock, clock.sleep)
    pace.wait()
    clock.now += 60
    pace.wait()
    pace.wait()
    assert clock.now == pytest.approx(160.25)


def test_a_hold_keeps_everybody_back() -> None:
    clock = Clock()
    pace = RequestRate(4, clock, clock.sleep)
    pace.hold(30)
    pace.hold(2)
    pace.wait()
    assert clock.now == pytest.approx(130)
