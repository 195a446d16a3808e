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
    rate = RequestRate(4, clock, clock.sleep)
    moments = []
    for _ in range(5):
        rate.wait()
        moments.append(clock.now)
    assert moments == pytest.approx([100, 100.25, 100.5, 100.75, 101])


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    clock = Clock()
    rate = RequestRate(4, clock, clock.sleep)
    rate.wait()
    clock.now += 60
    rate.wait()
    rate.wait()
    assert clock.now == pytest.approx(160.25)


def test_a_hold_keeps_everybody_back() -> None:
    clock = Clock()
    rate = RequestRate(4, clock, clock.sleep)
    rate.hold(30)
    rate.hold(2)
    rate.wait()
    assert clock.now == pytest.approx(130)
