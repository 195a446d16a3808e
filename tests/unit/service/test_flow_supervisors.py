"""The nights of several flows as one service: order, repeats, status, reload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.unit.service.moved_time import AtOnce, Hours, lend_to_schedule
from tests.unit.service.supervised import World
from tests.unit.settings.test_flows import BRANCH, installation
from zvirka.errors import SettingsError, ZvirkaError
from zvirka.reconcile.request import Request, Summary
from zvirka.service.flow_runs import RunsHere
from zvirka.service.flow_supervisors import FlowSlots, FlowSupervisors, Parts
from zvirka.service.supervisor import Supervisor, SupervisorPorts
from zvirka.service.systemd_notify import Notifier, ServiceNotifier
from zvirka.service.watchdog import Pulse
from zvirka.settings.loading import load_flows
from zvirka.settings.model import Settings

SLOT = datetime(2026, 10, 12, 23, 30, tzinfo=UTC)
"""02:30 in Kyiv."""
MAIN = """
state_dir = "state"
[onec]
url = "https://1c.example.com/hq"
[erp]
url = "sqlite:////erp.db"
[bases.hq]
url = "https://1c.example.com/branch"
[stores.erp]
url = "sqlite:////erp.db"
"""
NIGHTLY = BRANCH.replace('at = "04:00"', 'at = "02:30"')
REFERS = NIGHTLY + '[onec.fields.owner]\nattribute = "Owner_Key"\nreference = "zeta"\n'


class Service:
    """The service over worlds without 1C; what ran, in order."""

    def __init__(self, file: Path, hours: Hours) -> None:
        self.file = file
        self.hours = hours
        self.ran: list[str] = []
        self.waiting: dict[str, int] = {}
        self.broken: list[str] = []
        self.flows = FlowSupervisors(
            load_flows(file, {}),
            Parts(self._make, self._report_broken, Notifier({}), hours),
        )

    def _report_broken(self, flow: str, _error: ZvirkaError) -> None:
        self.broken.append(flow)

    def _make(self, settings: Settings, notifier: ServiceNotifier, slots: FlowSlots) -> Supervisor:
        world = World(self.hours, lambda world, request: world.write(request, "finished"))

        def run(settings: Settings, request: Request, pulse: Pulse) -> Summary:
            self.ran.append(settings.name)
            summary = world.run(settings, request, pulse)
            return msgspec.structs.replace(summary, waiting=self.waiting.pop(settings.name, 0))

        return Supervisor(
            settings,
            SupervisorPorts(
                records=world,
                notifier=notifier,
                now=self.hours,
                monotonic=self.hours.monotonic,
                random=Random(7),
                runs=RunsHere(run, AtOnce()),
                look_task=AtOnce(),
                slots=slots,
                send=world.send,
            ),
        )

    def live(self, minutes: int) -> None:
        end = self.hours.time + timedelta(minutes=minutes)
        while self.hours.time < end:
            self.flows.step()
            self.hours.pass_by(seconds=max(1.0, self.flows.pause()))


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    made = Hours(SLOT - timedelta(minutes=3))
    lend_to_schedule(made, monkeypatch)
    return made


def test_each_flow_has_its_night_and_what_it_refers_to_comes_first(
    hours: Hours, tmp_path: Path
) -> None:
    service = Service(installation(tmp_path, MAIN, alpha=REFERS, zeta=NIGHTLY), hours)
    service.flows.start()
    service.live(20)
    assert sorted(service.ran) == ["alpha", "main", "zeta"]
    assert service.ran.index("zeta") < service.ran.index("alpha")
    service.live(24 * 60)
    assert sorted(service.ran) == sorted(["alpha", "main", "zeta"] * 2)


def test_a_flow_with_waiting_rows_runs_once_more_and_not_for_ever(
    hours: Hours, tmp_path: Path
) -> None:
    service = Service(installation(tmp_path, MAIN, alpha=REFERS, zeta=NIGHTLY), hours)
    service.waiting = {"alpha": 3}
    service.flows.start()
    service.live(20)
    assert service.ran.count("alpha") == 2
    assert service.ran.count("zeta") == 1


def test_a_broken_flow_is_reported_and_the_others_have_their_night(
    hours: Hours, tmp_path: Path
) -> None:
    service = Service(installation(tmp_path, MAIN, bad="[onec]\n", zeta=NIGHTLY), hours)
    assert service.broken == ["bad"]
    service.flows.start()
    service.live(20)
    assert sorted(service.ran) == ["main", "zeta"]


def test_no_usable_flow_at_all_ends_the_start(hours: Hours, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        Service(installation(tmp_path, "[onec]\n", bad="[onec]\n"), hours)


def test_flows_come_and_go_with_a_reload(hours: Hours, tmp_path: Path) -> None:
    service = Service(installation(tmp_path, MAIN, zeta=NIGHTLY), hours)
    service.flows.start()
    (tmp_path / "flows/late.toml").write_text(NIGHTLY)
    (tmp_path / "flows/zeta.toml").unlink()
    service.flows.reload(lambda: load_flows(service.file, {}))
    service.live(20)
    assert sorted(service.ran) == ["late", "main"]
    (tmp_path / "flows/late.toml").write_text("[onec]\n")
    service.flows.reload(lambda: load_flows(service.file, {}))
    service.live(24 * 60)
    assert service.ran.count("late") == 2, "a flow keeps its settings when the new ones are wrong"


def test_a_flow_takes_the_place_of_another_in_the_step_in_which_that_ends(
    hours: Hours, tmp_path: Path
) -> None:
    service = Service(installation(tmp_path, MAIN, zeta=NIGHTLY), hours)
    service.flows.start()
    hours.time = SLOT
    service.flows.step()
    assert service.ran == ["main"], "both write to one database"
    assert service.flows.pause() == 1.0, "the end of the run wakes the service, not a clock"
    service.flows.step()
    assert service.ran == ["main", "zeta"]
