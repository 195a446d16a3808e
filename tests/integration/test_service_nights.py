"""Thirty nights of the real engine against a 1C that misbehaves, told by the journal."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.integration.engine_world import World, world
from tests.unit.service.moved_time import AtOnce, Hours, lend_to_schedule
from tests.unit.service.supervised import live
from zvirka.reconcile.environment import open_environment
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run import perform
from zvirka.service.clock import Clock
from zvirka.service.daemon_records import JournalRecords
from zvirka.service.flow_runs import RunsHere
from zvirka.service.supervisor import Supervisor, SupervisorPorts
from zvirka.service.systemd_notify import Notifier
from zvirka.service.watchdog import Pulse
from zvirka.settings.model import Settings
from zvirka.simulator import Faults

SLOT = datetime(2026, 10, 12, 23, 30, tzinfo=UTC)  # 02:30 in Kyiv; the autumn change is within
FAULTS: list[dict[str, Any]] = [
    {},
    {},
    {"fail_500": 1},
    {"fail_500": True},
    {"no_licence": True},
    {"maintenance": True},
    {"unauthorized_after": 3},
    {"drop_after_bytes": 700, "drop_times": 1},
    {"drop_after_bytes": 700, "drop_times": True},
    {"truncate_json": 1},
    {"html_200": True},
    {"lose_session_after": 2},
    {"full_disk_above": 5},
]


def set_faults(world: World, **faults: Any) -> None:
    """Set these faults and take all others away."""
    for field in dataclasses.fields(Faults):
        if not field.name.startswith("_"):
            fresh = getattr(Faults(), field.name)
            setattr(world.simulator.faults, field.name, faults.get(field.name, fresh))


def watch_over(
    world: World, hours: Hours, mail: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Supervisor:
    """The daemon of a world: real journal, real runs, its time passed in."""

    def run(settings: Settings, request: Request, pulse: Pulse) -> Summary:
        with open_environment(settings, world.mapping, progress=pulse) as environment:
            return perform(dataclasses.replace(environment, now=hours, stop=pulse.stop), request)

    def send(_address: str, title: str, body: str) -> bool:
        mail.append((title, body))
        return True

    lend_to_schedule(hours, monkeypatch)
    watch = Supervisor(
        world.settings,
        SupervisorPorts(
            records=JournalRecords(lambda: world.settings),
            notifier=Notifier({}),
            now=hours,
            monotonic=hours.monotonic,
            random=Random(3),
            runs=RunsHere(run, AtOnce()),
            look_task=AtOnce(),
            send=send,
        ),
    )
    watch.start()
    return watch


def stir(world: World, random: Random) -> None:
    """A day's work in 1C of which every webhook was lost, and somebody's edit in the ERP."""
    refs = world.refs()
    for ref in random.sample(refs, 3):
        world.base.update(ref, name=f"ТОВ «Нова {random.randint(1, 10**6)}»")
    world.base.create(name=f"ФОП {random.randint(1, 10**6)}")
    if random.random() < 0.4:
        world.base.delete(random.choice(refs))


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("nights", [10, pytest.param(30, marks=pytest.mark.slow)])
def test_the_engine_brings_each_of_many_nights_in_sync_or_alerts(
    nights: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(20261125)
    mail: list[tuple[str, str]] = []
    hours = Hours(SLOT - timedelta(minutes=3))
    with world(
        tmp_path,
        onec={"retries": 0, "read_timeout": "5s"},
        schedule={"retries": 1, "retry_pause": "10m"},
        alerts={"urls": ["json://host"], "language": "en"},
    ) as both:
        watch = watch_over(both, hours, mail, monkeypatch)
        nightly = Clock(both.settings.schedule, Random(0))
        good_nights = 0
        for night in range(nights):
            slot = nightly.next_slot(hours.time)
            hours.time = slot - timedelta(minutes=3)
            stir(both, random)
            fault = random.choice(FAULTS) if night else {}
            set_faults(both, **fault)
            if random.random() < 0.2:
                watch = watch_over(both, hours, mail, monkeypatch)
            live(watch, hours, slot + timedelta(hours=1))
            runs = JournalRecords(lambda: both.settings).recall(hours.time).nightly
            good = [run for run in runs if run.started >= slot and run.status == "finished"]
            told = "failed" in watch.alerts.active
            assert len(good) <= 1
            assert bool(good) != told, f"night {night} with {fault}"
            if good:
                good_nights += 1
                both.assert_in_sync()
        assert nights // 3 < good_nights < nights
        set_faults(both)
        hours.time = nightly.next_slot(hours.time) - timedelta(minutes=3)
        live(watch, hours, hours.time + timedelta(hours=1))
        both.assert_in_sync()
    raised = [body for title, body in mail if title == "zvirka: the run failed"]
    cleared = [title for title, _ in mail if title == "zvirka: runs succeed again"]
    assert 0 < len(raised) <= nights - good_nights
    assert cleared
    assert all(body.startswith("Cause: ") and len(body) > 40 for body in raised)


@pytest.mark.long
def test_the_oldest_difference_left_is_followed_back_through_the_nights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail: list[tuple[str, str]] = []
    hours = Hours(SLOT - timedelta(minutes=3))
    with world(
        tmp_path, guard={"max_deletes": 0}, alerts={"urls": ["json://host"], "language": "en"}
    ) as both:
        watch = watch_over(both, hours, mail, monkeypatch)
        nightly = Clock(both.settings.schedule, Random(0))
        first, second, *_ = both.refs()
        for night in range(4):
            if night == 1:
                both.base.delete(first)
            if night == 3:
                both.base.delete(second)
            hours.time = nightly.next_slot(hours.time) - timedelta(minutes=3)
            live(watch, hours, hours.time + timedelta(minutes=10))
        records = JournalRecords(lambda: both.settings)
        known = records.recall(hours.time)
        situation = known.situation
        starts = [run.started for run in known.nightly]
    assert situation.last is not None
    assert situation.last.status == "held"
    assert situation.last.facts.remaining == 2
    assert situation.unresolved_since is not None
    assert situation.unresolved_since.date() == (SLOT + timedelta(days=1)).date()
    assert len(starts) == 3, "the daemon's runs of the last three days"
    assert len(situation.held) == 1, "the plan of the last night supersedes the others"
    assert known.settled == situation.last.ended
    titles = [title for title, _ in mail]
    assert titles.count("zvirka: a run waits for approval") == 2, "two plans, two messages"
    assert titles.count("zvirka: differences remain") == 1
