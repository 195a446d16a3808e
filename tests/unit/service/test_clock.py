"""Slots in Kyiv's own time, both clock changes included."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.service.moved_time import Hours, lend_to_schedule
from zvirka.service.clock import Clock
from zvirka.settings.service_tables import ScheduleSettings

SPRING = datetime(2026, 3, 29, tzinfo=UTC)  # 03:00 → 04:00 in Kyiv
AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)  # 04:00 → 03:00 in Kyiv


def clock(**schedule: object) -> Clock:
    return Clock(ScheduleSettings.model_validate(schedule), Random(1))


def slots(clock: Clock, start: datetime, days: int) -> list[datetime]:
    found = []
    moment = start
    while (moment := clock.next_slot(moment)) < start + timedelta(days=days):
        found.append(moment)
    return found


@pytest.mark.parametrize("at", ["02:30", "03:00", "03:30", "03:59", "04:00", "00:00", "23:59"])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_every_night_around_a_clock_change_has_exactly_one_slot(at: str, change: datetime) -> None:
    kyiv = clock(at=at)
    start = change - timedelta(days=4, hours=8)
    days = [slot.astimezone(kyiv.zone).date() for slot in slots(kyiv, start, 8)]
    assert len(days) == 8
    assert len(set(days)) == 8


@pytest.mark.parametrize(
    ("at", "change", "expected"),
    [
        ("02:30", SPRING, "2026-03-29T00:30:00+00:00"),
        ("03:30", SPRING, "2026-03-29T01:30:00+00:00"),  # not on the clock: 04:30 in summer time
        ("02:30", AUTUMN, "2026-10-24T23:30:00+00:00"),
        ("03:30", AUTUMN, "2026-10-25T00:30:00+00:00"),  # twice on the clock: the first counts
        ("04:30", AUTUMN, "2026-10-25T02:30:00+00:00"),
    ],
)
def test_a_slot_is_the_right_instant_at_a_clock_change(
    at: str, change: datetime, expected: str
) -> None:
    kyiv = clock(at=at)
    found = kyiv.next_slot(change - timedelta(hours=4))
    assert found.isoformat() == expected


@given(
    seconds=st.integers(0, 6 * 365 * 86_400),
    at=st.times().map(lambda t: f"{t:%H:%M}"),
    extra=st.lists(st.times().map(lambda t: f"{t:%H:%M}"), max_size=3),
)
def test_a_moment_lies_between_its_last_and_its_next_slot(
    seconds: int, at: str, extra: list[str]
) -> None:
    kyiv = clock(at=at, also_at=extra)
    now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    last, following = kyiv.last_slot(now), kyiv.next_slot(now)
    assert last <= now < following
    assert kyiv.last_slot(following) == following
    assert following - last <= timedelta(hours=25)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-25 07:59", "2026-11-25 07:59"),
        ("2026-11-25 08:00", "2026-11-25 20:00"),
        ("2026-11-25 19:59", "2026-11-25 20:00"),
        ("2026-11-25 20:00", "2026-11-25 20:00"),
    ],
)
def test_quiet_hours_put_a_run_off_to_their_end(local: str, expected: str) -> None:
    kyiv = clock(quiet_from="08:00", quiet_to="20:00")
    assert kyiv.allowed_from(wall(kyiv, local)) == wall(kyiv, expected)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-25 21:59", "2026-11-25 21:59"),
        ("2026-11-25 22:00", "2026-11-26 06:00"),
        ("2026-11-26 05:59", "2026-11-26 06:00"),
        ("2026-11-26 06:00", "2026-11-26 06:00"),
    ],
)
def test_quiet_hours_may_cross_midnight(local: str, expected: str) -> None:
    kyiv = clock(quiet_from="22:00", quiet_to="06:00")
    assert kyiv.allowed_from(wall(kyiv, local)) == wall(kyiv, expected)


def wall(kyiv: Clock, text: str) -> datetime:
    naive = datetime.fromisoformat(text)
    return kyiv.zone.localize(naive).astimezone(UTC)


def test_jitter_stays_within_its_bound() -> None:
    kyiv = clock(jitter="10m")
    drawn = {kyiv.delay() for _ in range(200)}
    assert len(drawn) > 100
    assert all(timedelta(0) <= delay <= timedelta(minutes=10) for delay in drawn)


@pytest.mark.parametrize("home", ["UTC", "Europe/Kyiv", "America/New_York"])
@pytest.mark.parametrize("at", ["02:30", "03:30"])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_schedule_wakes_at_every_slot_whatever_zone_the_machine_keeps(
    home: str, at: str, change: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", home)
    time.tzset()
    try:
        hours = Hours(change - timedelta(days=2))
        lend_to_schedule(hours, monkeypatch)
        kyiv = clock(at=at)
        due = slots(kyiv, hours.time, 4)
        woken = []
        while hours.time < change + timedelta(days=2):
            idle = kyiv.idle_seconds()
            hours.pass_by(seconds=min(idle, 600))
            if idle < 600:
                woken.append(hours.time)
                kyiv.idle_seconds()  # its job is due now and run; the next one lies a day ahead
    finally:
        monkeypatch.undo()
        time.tzset()
    assert len(woken) < 8
    late = [min(abs(wake - slot) for wake in woken) for slot in due]
    assert max(late) <= timedelta(seconds=1)
