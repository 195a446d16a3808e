"""Thirty nights with faults drawn at random: every one has a good run or an alert saying why not.

The engine's own thirty nights, against the simulated 1C, are in tests/integration; here the
schedule, the retries and the alerts meet every fault in every order.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.unit.service.moved_time import Hours
from tests.unit.service.supervised import World, clock, daemon, live, settings
from zvirka.errors import LockHeldError, StoreError
from zvirka.message import coded
from zvirka.onec.failures import AccessDeniedError, MaintenanceLockError, TimedOutError
from zvirka.reconcile.request import Request, Summary

pytestmark = pytest.mark.long

NOON = datetime(2026, 10, 10, 9, tzinfo=UTC)
FAULTS = [
    TimedOutError(),
    MaintenanceLockError(),
    AccessDeniedError(),
    StoreError(coded("ZV0000", "the store is away")),
    LockHeldError(coded("ZV0000", "locked")),
    RuntimeError("nobody foresaw"),
]


@pytest.mark.parametrize("seed", range(3))
def test_the_schedule_gives_each_of_thirty_nights_a_good_run_or_an_alert(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)

    def act(world: World, request: Request) -> Summary:
        if random.random() < 0.55:
            fault = random.choice(FAULTS)
            if not isinstance(fault, LockHeldError):
                world.write(request, "failed", lasted=timedelta(minutes=random.randint(0, 90)))
            raise fault
        lasted = timedelta(minutes=random.randint(1, 300))
        return world.write(request, "finished", lasted=lasted, remaining=random.choice([0, 0, 2]))

    world = World(Hours(NOON), act)
    config = settings(
        tmp_path, alerts={"urls": ["json://host"]}, schedule={"retries": 1, "jitter": "5m"}
    )
    watch = daemon(world, config, monkeypatch)
    watch.start()
    nightly = clock()
    told: list[bool] = []
    good_nights = 0
    for night in range(30):
        morning = NOON + timedelta(days=night + 1)
        world.mail_is_down = random.random() < 0.3
        event = random.random()
        if event < 0.1:  # asleep until eight
            live(watch, world.hours, morning - timedelta(hours=12))
            world.hours.time = morning - timedelta(hours=4)
        elif event < 0.25:  # restarted by somebody at midnight
            live(watch, world.hours, morning - timedelta(hours=12))
            watch = daemon(world, config, monkeypatch)
            watch.start()
        live(watch, world.hours, morning)
        slot = nightly.last_slot(morning)
        good = [
            view
            for _, view in world.runs
            if view.status == "finished" and nightly.last_slot(view.started) == slot
        ]
        assert len(good) <= 1
        good_nights += len(good)
        told.append("failed" in watch.alerts.active)
        assert good or told[-1], f"night {night} has neither a run nor an alert"
        assert not (good and told[-1]), f"night {night} has both"
    world.mail_is_down = False
    live(watch, world.hours, world.hours.time + timedelta(hours=2))
    assert 0 < good_nights < 30
    state, said = "cleared", ""
    for title, body in world.mail:
        cause = body.splitlines()[0]
        if title == "zvirka: запуск не вдався":
            assert (state, said) != ("raised", cause), "the same state was told twice"
            state, said = "raised", cause
        elif title == "zvirka: звірка знову працює":
            assert state == "raised"
            state = "cleared"
    assert state == ("raised" if told[-1] else "cleared")
