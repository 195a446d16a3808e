"""A daemon with time passed in, a journal in memory and a runner that does as told.

The journal here is the small one the Supervisor asks for (``daemon_records.Records``);
the real one stands in the integration tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.unit.service.moved_time import AtOnce, Hours, lend_to_schedule
from zvirka.domain import RunStatus
from zvirka.errors import JournalError
from zvirka.journal.run_facts import Facts
from zvirka.message import coded
from zvirka.reconcile.request import Request, Summary
from zvirka.service.clock import Clock
from zvirka.service.daemon_records import Recalled, RunView, Situation
from zvirka.service.flow_runs import RunsHere
from zvirka.service.nights import NIGHTLY, PastRun
from zvirka.service.supervisor import Supervisor, SupervisorPorts
from zvirka.service.systemd_notify import Notifier
from zvirka.service.watchdog import Pulse
from zvirka.settings.model import Settings
from zvirka.settings.service_tables import ScheduleSettings

Act = Callable[["World", Request], Summary]


def clock(**schedule: object) -> Clock:
    """The nightly times of ``[schedule]``, without jitter."""
    return Clock(ScheduleSettings.model_validate(schedule), Random(0))


def settings(state_dir: Path, **tables: object) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": state_dir,
            "onec": {"url": "http://127.0.0.1:1/base/odata/standard.odata/"},
            "erp": {"url": "sqlite:///erp.db"},
            **tables,
        }
    )


@dataclass
class World:
    """What the daemon sees: time, journal, runs and messages."""

    hours: Hours
    act: Act
    runs: list[tuple[Request, RunView]] = field(default_factory=list)
    held: tuple[tuple[int, str, dict[str, int]], ...] = ()
    journal_is_down: bool = False
    mail_is_down: bool = False
    mail: list[tuple[str, str]] = field(default_factory=list)
    beats: list[tuple[datetime, datetime | None]] = field(default_factory=list)

    def run(self, _settings: Settings, request: Request, _pulse: Pulse) -> Summary:
        return self.act(self, request)

    def write(
        self,
        request: Request,
        status: str,
        *,
        lasted: timedelta = timedelta(minutes=1),
        remaining: int = 0,
        corrected: int = 0,
    ) -> Summary:
        """Journal a run that began now."""
        started = self.hours.time
        self.hours.time += lasted
        found = remaining + corrected
        causes = {"missed_update": found} if found else {}
        view = RunView(
            run=len(self.runs) + 1,
            status=RunStatus(status),
            started=started,
            ended=self.hours.time,
            facts=Facts(causes=causes, outcomes={"applied": corrected}, remaining=remaining),
        )
        self.runs.append((request, view))
        return Summary(
            run=view.run,
            command=request.command,
            status=RunStatus(status),
            exit_code=0,
            causes=causes,
            remaining=remaining,
        )

    def send(self, _address: str, title: str, body: str) -> bool:
        if self.mail_is_down:
            return False
        self.mail.append((title, body))
        return True

    def started(self) -> list[datetime]:
        return [view.started for _, view in self.runs]

    # -- daemon_records.Records --------------------------------------------------------------------

    def recall(self, now: datetime) -> Recalled:
        nightly = [
            PastRun(view.started, view.ended, view.status)
            for request, view in self.runs
            if request.trigger in NIGHTLY
        ]
        settled = [view.ended for _, view in self.runs if view.status in ("finished", "held")]
        return Recalled(nightly, max(settled, default=None), self.situation())

    def look(self, now: datetime, due: datetime) -> Situation:
        self._ask()
        self.beats.append((now, due))
        return self.situation()

    def situation(self) -> Situation:
        self._ask()
        last = self.runs[-1][1] if self.runs else None
        good = [view.ended for _, view in self.runs if view.status == "finished"]
        return Situation(last=last, good=max(good, default=None), held=self.held)

    def _ask(self) -> None:
        if self.journal_is_down:
            raise JournalError(coded("ZV0000", "the journal cannot be opened"))


def daemon(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    lend_to_schedule(world.hours, monkeypatch)
    return Supervisor(
        settings,
        SupervisorPorts(
            records=world,
            notifier=Notifier({}),
            now=world.hours,
            monotonic=world.hours.monotonic,
            random=Random(7),
            runs=RunsHere(world.run, AtOnce()),
            look_task=AtOnce(),
            send=world.send,
        ),
    )


def live(watch: Supervisor, hours: Hours, until: datetime) -> None:
    """Let the daemon live: look, sleep as long as it says, look again."""
    while hours.time < until:
        watch.step()
        hours.pass_by(seconds=max(1.0, watch.pause()))
