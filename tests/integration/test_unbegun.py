"""A night that could not begin: a failed run, a report, metrics, and an alert with the cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.lines import run
from zvirka.domain import Trigger
from zvirka.reconcile.request import Request, Summary
from zvirka.service import alerts
from zvirka.service.run_daemon import run_here
from zvirka.service.watchdog import Pulse
from zvirka.settings.loading import load_settings


def change(settled: Path, old: str, new: str) -> None:
    file = settled / "zvirka.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def runs(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run("runs", "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["runs"]
    return found


def block(settled: Path) -> None:
    """What stands in the way of the lock: a directory of its name."""
    (settled / "state" / "run.lock").mkdir()


def test_the_daemon_records_a_night_that_cannot_begin(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block(settled)
    settings = load_settings(settled / "zvirka.toml", {}).settings
    request = Request(trigger=Trigger.SCHEDULE, who="zvirka daemon")
    ended = run_here(settings, request, Pulse(lambda: 0.0))
    assert isinstance(ended, Summary)
    assert (ended.status, ended.kind, ended.passing) == ("failed", "JournalError", True)
    assert "the file of the run lock cannot be opened" in ended.error
    [journaled] = runs(capsys)
    assert (journaled["run"], journaled["trigger"]) == (ended.run, "schedule")
    assert "run.lock" in str(journaled["error"])
    [report] = (settled / "state" / "reports").glob("*.html")
    assert report in ended.reports


@pytest.mark.parametrize(
    ("old", "new", "code", "cause"),
    [
        ("retries = 0", 'retries = 0\nkey = "нема"', 64, "mapping of fields cannot be used"),
        ("retries = 0", "retires = 0", 64, "settings cannot be used"),
        ('"password"', '"no-such-file"', 64, "settings cannot be used"),
    ],
)
def test_the_timer_records_a_run_that_cannot_begin(
    settled: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: int, cause: str
) -> None:
    own = f'\n[metrics]\ntextfile = "{settled}/zvirka.prom"\n'
    change(settled, "[erp]", own + "[erp]")
    change(settled, old, new)
    assert run("reconcile", "--trigger", "timer") == code
    change(settled, new, old)
    [journaled] = runs(capsys)
    assert (journaled["status"], journaled["trigger"]) == ("failed", "timer")
    assert cause in journaled["error"]["cause"]
    assert list((settled / "state" / "reports").glob("*.html"))
    metrics = (settled / "zvirka.prom").read_text()
    assert 'zvirka_last_run_status{flow="main",status="failed"} 1.0' in metrics


def test_a_person_is_told_at_once_and_nothing_is_recorded(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block(settled)
    assert run("reconcile") == 2
    assert runs(capsys) == []


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("retries = 0", "retires = 0", "retires"),
        ("[erp]", "[erp]", "the file of the run lock cannot be opened"),
    ],
)
def test_the_alert_of_the_unit_names_the_cause(
    settled: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, cause: str
) -> None:
    sent: list[str] = []

    def send(_address: str, _title: str, body: str) -> bool:
        sent.append(body)
        return True

    monkeypatch.setattr(alerts, "send_by_apprise", send)
    change(settled, "[erp]", '\n[alerts]\nurls = ["json://localhost"]\n[erp]')
    change(settled, old, new)
    block(settled)
    run("reconcile", "--trigger", "timer")
    sent.clear()
    assert run("alert", "zvirka-reconcile.service") == 0
    assert cause in sent[-1]
    assert "journalctl -u zvirka-reconcile.service" in sent[-1]
