"""One night, one run: clock changes, sleep, long runs, retries, restarts."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.service.moved_time import Hours
from tests.unit.service.supervised import Act, World, clock, daemon, live, settings
from zvirka.domain import Command, RunStatus, Trigger
from zvirka.errors import LockHeldError, SettingsError, StoreError
from zvirka.message import coded
from zvirka.onec.failures import AccessDeniedError, TimedOutError
from zvirka.reconcile.request import Request, Summary
from zvirka.service.nights import night_result

SPRING = datetime(2026, 3, 29, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 10, tzinfo=UTC)  # 12:00 in Kyiv
NIGHT = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)  # 02:30 in Kyiv


def goes_well(world: World, request: Request) -> Summary:
    return world.write(request, "finished")


def fails(error: Exception) -> Act:
    def act(world: World, request: Request) -> Summary:
        world.write(request, "failed")
        raise error

    return act


@pytest.mark.long
@pytest.mark.parametrize("at", ["02:30", "03:00", "03:30", "03:59"])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_exactly_one_run_a_night_across_a_clock_change(
    at: str, change: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(change - timedelta(days=2, hours=12)), goes_well)
    watch = daemon(world, settings(tmp_path, schedule={"at": at}), monkeypatch)
    watch.start()
    live(watch, world.hours, change + timedelta(days=2, hours=12))
    night = clock(at=at)
    local = [start.astimezone(night.zone) for start in world.started()]
    assert len({start.date() for start in local}) == len(local) == 5
    late = [start - night.last_slot(start) for start in world.started()]
    assert max(late) <= timedelta(seconds=2)


def test_a_machine_asleep_at_its_time_catches_up_once_when_it_wakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT - timedelta(hours=1))
    world.hours.time = NIGHT + timedelta(hours=6)
    live(watch, world.hours, NIGHT + timedelta(hours=20))
    assert [request.trigger for request, _ in world.runs] == ["catch-up"]
    assert world.started() == [NIGHT + timedelta(hours=6)]


def test_a_missed_night_stays_missed_when_catching_up_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path, schedule={"catch_up": False}), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT - timedelta(hours=1))
    world.hours.time = NIGHT + timedelta(hours=6)
    live(watch, world.hours, NIGHT + timedelta(days=1, hours=1))
    assert world.started() == [NIGHT + timedelta(days=1)]


def test_several_days_of_sleep_are_one_run_to_catch_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NOON + timedelta(hours=1))
    world.hours.time = NIGHT + timedelta(days=5, hours=3)
    live(watch, world.hours, NIGHT + timedelta(days=5, hours=12))
    assert len(world.runs) == 1


def test_a_run_longer_than_a_day_is_followed_by_one_run_never_by_two_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_first(world: World, request: Request) -> Summary:
        first = not world.runs
        return world.write(request, "finished", lasted=timedelta(hours=26 if first else 1))

    world = World(Hours(NOON), slow_first)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(days=2, hours=12))
    begun = [
        (request.trigger, start - NIGHT)
        for (request, _), start in zip(world.runs, world.started(), strict=True)
    ]
    assert [trigger for trigger, _ in begun] == ["schedule", "catch-up", "schedule"]
    assert begun[1][1] - timedelta(hours=26) <= timedelta(seconds=2)
    assert begun[2][1] - timedelta(days=2) <= timedelta(seconds=2)


def test_extra_times_have_their_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path, schedule={"also_at": ["13:00", "18:00"]}), monkeypatch)
    watch.start()
    live(watch, world.hours, NOON + timedelta(days=1))
    local = [f"{start.astimezone(clock().zone):%H:%M}" for start in world.started()]
    assert local == ["13:00", "18:00", "02:30"]


def test_jitter_moves_the_start_and_keeps_it_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path, schedule={"jitter": "30m"}), monkeypatch)
    watch.start()
    live(watch, world.hours, NOON + timedelta(days=6))
    delays = [start - clock().last_slot(start) for start in world.started()]
    assert len(delays) == 6
    assert len(set(delays)) > 1
    assert max(delays) <= timedelta(minutes=30, seconds=2)
    assert {request.trigger for request, _ in world.runs} == {"schedule"}


@pytest.mark.long
def test_quiet_hours_put_off_a_catch_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Hours(NOON), goes_well)
    quiet = {"quiet_from": "08:00", "quiet_to": "20:00"}
    watch = daemon(world, settings(tmp_path, schedule=quiet), monkeypatch)
    watch.start()
    live(watch, world.hours, NOON + timedelta(minutes=5))
    world.hours.time = NIGHT + timedelta(hours=8)
    live(watch, world.hours, NIGHT + timedelta(hours=20))
    (start,) = world.started()
    assert f"{start.astimezone(clock().zone):%H:%M}" == "20:00"


def test_a_passing_failure_is_tried_again_the_same_night_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), fails(TimedOutError()))
    watch = daemon(
        world, settings(tmp_path, schedule={"retries": 3, "retry_pause": "10m"}), monkeypatch
    )
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(hours=20))
    starts = world.started()
    assert len(starts) == 4
    minutes = [
        round((later - earlier).total_seconds() / 60)
        for earlier, later in itertools.pairwise(starts)
    ]
    assert minutes == [11, 21, 41]  # the run itself takes a minute
    live(watch, world.hours, NIGHT + timedelta(days=1, hours=1))
    assert len(world.started()) > 4


@pytest.mark.parametrize(
    "error",
    [
        AccessDeniedError(),
        SettingsError(coded("ZV0000", "the mapping is wrong")),
        RuntimeError("Олена +380501234567"),
    ],
    ids=["rights", "settings", "bug"],
)
def test_a_permanent_failure_is_told_at_once_and_not_tried_again(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), fails(error))
    watch = daemon(world, settings(tmp_path, alerts={"urls": ["json://host"]}), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(hours=2))
    assert len(world.runs) == 1
    assert [title for title, _ in world.mail] == ["zvirka: запуск не вдався"]
    assert "Олена" not in world.mail[0][1]
    live(watch, world.hours, NIGHT + timedelta(days=1, hours=2))
    assert len(world.runs) == 2, "a failing run never stops the daemon"


@pytest.mark.parametrize(
    "error",
    [StoreError(coded("ZV0000", "the store is away")), LockHeldError(coded("ZV0000", "locked"))],
    ids=["store", "lock"],
)
def test_a_failure_that_left_no_run_behind_is_tried_again_too(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    def act(world: World, request: Request) -> Summary:
        asked.append(world.hours.time)
        if len(asked) < 3:
            raise error
        return world.write(request, "finished")

    world = World(Hours(NOON), act)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(hours=20))
    assert len(asked) == 3
    assert [view.status for _, view in world.runs] == ["finished"]


def test_a_restart_in_the_night_repeats_no_run_that_ended_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(minutes=2))
    again = daemon(world, settings(tmp_path), monkeypatch)
    again.start()
    live(again, world.hours, NIGHT + timedelta(hours=20))
    assert len(world.runs) == 1


def test_a_run_cut_off_with_the_daemon_is_resumed_when_the_daemon_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NIGHT), goes_well)
    cut_off = Request(command=Command.RECONCILE, trigger=Trigger.SCHEDULE, who="zvirka daemon")
    world.write(cut_off, "interrupted")
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(hours=2))
    assert [view.status for _, view in world.runs] == ["interrupted", "finished"]
    assert world.started()[1] - world.runs[0][1].ended <= timedelta(seconds=1)


def test_a_daemon_that_dies_in_every_run_gives_the_night_up_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NIGHT), goes_well)
    for _ in range(4):
        world.write(
            Request(command=Command.RECONCILE, trigger=Trigger.SCHEDULE, who="zvirka daemon"),
            "interrupted",
        )
    told = settings(tmp_path, schedule={"retries": 3}, alerts={"urls": ["json://host"]})
    watch = daemon(world, told, monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(hours=20))
    assert len(world.runs) == 4
    assert [title for title, _ in world.mail] == ["zvirka: запуск не вдався"]


@pytest.mark.parametrize(("hours_ago", "expected"), [(23, 0), (25, 1)])
def test_a_start_catches_up_only_when_the_last_good_run_is_older_than_a_day(
    hours_ago: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON - timedelta(hours=hours_ago)), goes_well)
    world.write(Request(who="admin", trigger=Trigger.MANUAL), "finished", lasted=timedelta(0))
    world.hours.time = NOON
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NOON + timedelta(hours=10))
    assert [request.trigger for request, _ in world.runs[1:]] == ["catch-up"] * expected


def test_a_fresh_installation_waits_for_its_first_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(hours=1))
    assert world.started()[0] - NIGHT <= timedelta(seconds=2)
    assert len(world.runs) == 1


def test_a_reload_moves_the_night_and_repeats_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(hours=1))
    watch.reload(lambda: settings(tmp_path, schedule={"at": "05:00"}))
    live(watch, world.hours, NIGHT + timedelta(hours=12))
    local = [f"{start.astimezone(clock().zone):%H:%M}" for start in world.started()]
    assert local == ["02:30", "05:00"]


def test_wrong_new_settings_leave_the_old_ones_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong() -> object:
        raise SettingsError(coded("ZV0000", "unknown key"), place="schedule.att")

    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    watch.reload(wrong)  # type: ignore[arg-type]
    assert "хибні" in watch._status()
    live(watch, world.hours, NIGHT + timedelta(hours=1))
    assert len(world.runs) == 1


def test_a_journal_that_is_away_does_not_stop_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Hours(NOON), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    world.journal_is_down = True
    live(watch, world.hours, NOON + timedelta(hours=1))
    world.journal_is_down = False
    live(watch, world.hours, NIGHT + timedelta(hours=1))
    assert len(world.runs) == 1


def test_a_night_whose_journal_cannot_be_opened_is_announced_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(world: World, _request: Request) -> Summary:
        world._ask()
        raise AssertionError

    world = World(Hours(NOON), cannot)
    told = settings(tmp_path, alerts={"urls": ["json://localhost"]})
    watch = daemon(world, told, monkeypatch)
    watch.start()
    world.journal_is_down = True
    live(watch, world.hours, NIGHT + timedelta(hours=4))
    assert len(world.mail) == 1
    assert "the journal cannot be opened" in world.mail[0][1]


@pytest.mark.parametrize(
    ("status", "passing", "expected"),
    [
        ("finished", False, "settled"),
        ("held", False, "settled"),
        ("failed", True, "passing"),
        ("failed", False, "permanent"),
        ("interrupted", False, "interrupted"),
    ],
)
def test_a_summary_says_what_its_run_means_for_the_night(
    status: str, passing: bool, expected: str
) -> None:
    summary = Summary(
        run=1,
        command=Command.RECONCILE,
        status=RunStatus(status),
        exit_code=2,
        kind="X",
        passing=passing,
    )
    assert night_result(summary).status == expected


def test_a_run_without_its_report_is_told_and_not_repeated() -> None:
    summary = Summary(
        run=1,
        command=Command.RECONCILE,
        status=RunStatus.FINISHED,
        exit_code=2,
        error="the disk is full",
    )
    result = night_result(summary)
    assert (result.status, result.kind, result.why) == ("permanent", "report", "the disk is full")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_night_while_the_clock_was_ahead_takes_none_of_the_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    world = World(Hours(NOON + timedelta(days=400)), goes_well)
    watch = daemon(world, settings(tmp_path), monkeypatch)
    watch.start()
    live(watch, world.hours, NIGHT + timedelta(days=400, hours=1))
    assert len(world.started()) == 1
    world.hours.time = NOON
    if restarted:
        watch = daemon(world, settings(tmp_path), monkeypatch)
        watch.start()
    live(watch, world.hours, NOON + timedelta(days=3))
    true = [start for start in world.started() if start < NOON + timedelta(days=100)]
    assert len(true) in {3, 4}  # and the one that a start catches up
