"""What systemd is told: the datagrams, the status line, and when the watchdog is fed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest
import pytz

from tests.unit.service.moved_time import AtOnce, Hours, lend_to_schedule
from tests.unit.service.supervised import World, settings
from zvirka.domain import RunStatus
from zvirka.journal.run_facts import Facts
from zvirka.reconcile.request import Request, Summary
from zvirka.service.background_task import Ending
from zvirka.service.daemon_records import RunView, Situation
from zvirka.service.flow_runs import RunsHere
from zvirka.service.status_line import status_line
from zvirka.service.supervisor import Supervisor, SupervisorPorts
from zvirka.service.systemd_notify import Notifier
from zvirka.service.watchdog import patience

KYIV = pytz.timezone("Europe/Kyiv")
NIGHT = datetime(2026, 11, 24, 0, 31, tzinfo=UTC)


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.setblocking(False)
        yield channel


def heard(channel: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(channel.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_each_message_is_one_datagram_in_the_protocols_words(
    channel: socket.socket, tmp_path: Path
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"})
    assert notifier.watchdog_seconds == 30
    notifier.ready("нічна звірка\nREADY=0")
    notifier.alive()
    notifier.reloading()
    notifier.stopping("зупиняється")
    ready, alive, reloading, stopping = heard(channel)
    assert ready == "READY=1\nSTATUS=нічна звірка READY=0", "a status is one line"
    assert alive == "WATCHDOG=1"
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert stopping == "STOPPING=1\nSTATUS=зупиняється"


def test_a_socket_in_the_abstract_namespace_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0zvirka-test-notify")
        Notifier({"NOTIFY_SOCKET": "@zvirka-test-notify"}).alive()
        assert channel.recv(100) == b"WATCHDOG=1"


def test_a_supervisor_that_does_not_listen_stops_nothing(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).alive()
    Notifier({}).alive()


def run(status: str, found: int, corrected: int) -> Situation:
    return Situation(
        last=RunView(
            run=1,
            status=RunStatus(status),
            started=NIGHT,
            ended=NIGHT,
            facts=Facts(
                causes={"missed_update": found} if found else {}, outcomes={"applied": corrected}
            ),
        )
    )


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (
            run("finished", 3, 3),
            "нічна звірка 02:30 · остання 24.11 02:31: 3 розбіжності, 3 виправлено",
        ),
        (
            run("finished", 1, 0),
            "нічна звірка 02:30 · остання 24.11 02:31: 1 розбіжність, 0 виправлено",
        ),
        (
            run("finished", 5, 4),
            "нічна звірка 02:30 · остання 24.11 02:31: 5 розбіжностей, 4 виправлено",
        ),
        (
            run("finished", 11, 11),
            "нічна звірка 02:30 · остання 24.11 02:31: 11 розбіжностей, 11 виправлено",
        ),
        (
            run("finished", 21, 21),
            "нічна звірка 02:30 · остання 24.11 02:31: 21 розбіжність, 21 виправлено",
        ),
        (
            msgspec.structs.replace(run("held", 112, 0), held=((1, "d", {}),)),
            "нічна звірка 02:30 · остання 24.11 02:31: 112 розбіжностей, 0 виправлено, "
            "чекає схвалення",
        ),
        (  # the plan was rejected or has expired
            run("held", 112, 0),
            "нічна звірка 02:30 · остання 24.11 02:31: 112 розбіжностей, 0 виправлено",
        ),
        (
            run("finished", 0, 0),
            "нічна звірка 02:30 · остання 24.11 02:31: розбіжностей немає",
        ),
        (run("failed", 0, 0), "нічна звірка 02:30 · остання 24.11 02:31: помилка"),
        (Situation(), "нічна звірка 02:30 · ще не було жодної"),
    ],
)
def test_the_status_line_reads_as_a_person_would_say_it(
    situation: Situation, expected: str
) -> None:
    assert status_line(situation, at="02:30", zone=KYIV, language="uk") == expected


def test_the_status_line_speaks_english_too_and_names_the_next_attempt() -> None:
    line = status_line(
        run("failed", 0, 0),
        at="02:30",
        zone=KYIV,
        language="en",
        retry_at=NIGHT + timedelta(minutes=10),
    )
    assert line == "nightly run 02:30 · last 24.11 02:31: failed · next attempt at 02:41"


class GoesOn:
    """A run that has begun and does not end."""

    busy = False

    def begin(self, _work: object) -> None:
        self.busy = True

    def take(self) -> Ending[Summary] | None:
        return None


def test_the_watchdog_is_fed_while_a_run_moves_and_not_when_it_hangs(
    channel: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = Hours(NIGHT.replace(minute=30))
    lend_to_schedule(hours, monkeypatch)

    def unused(_world: World, _request: Request) -> Summary:
        raise AssertionError("the run goes on beside")

    world = World(hours, unused)
    config = settings(tmp_path)
    watch = Supervisor(
        config,
        SupervisorPorts(
            records=world,
            notifier=Notifier(
                {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
            ),
            now=hours,
            monotonic=hours.monotonic,
            random=Random(1),
            runs=RunsHere(world.run, GoesOn()),
            look_task=AtOnce(),
        ),
    )
    watch.start()
    watch.step()
    assert watch.running
    longest = patience(config, 60.0) + 60
    for _ in range(100):
        hours.pass_by(seconds=longest / 2)
        watch.pulse.advance(1)
        heard(channel)
        watch.step()
        assert "WATCHDOG=1" in heard(channel)
    hours.pass_by(seconds=longest + 1)
    watch.step()
    assert "WATCHDOG=1" not in heard(channel)


def test_a_slow_1c_with_all_its_retries_is_not_a_hung_run(tmp_path: Path) -> None:
    config = settings(tmp_path)
    onec = config.onec
    slowest = (onec.retries + 1) * (onec.connect_timeout + onec.read_timeout).total_seconds()
    assert patience(config, 0) > slowest
