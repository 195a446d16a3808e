"""``zvirka daemon`` as a process: what it tells systemd, and what signals do to it.

The booted systemd itself is in tests/system.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytz

from zvirka.journal.lock import run_lock
from zvirka.settings_loading import load_settings
from zvirka.simulator import Simulator, SimulatorOptions

PASSWORD = "TAJEMNYCJA-1C-4711"
KYIV = pytz.timezone("Europe/Kyiv")


@pytest.fixture
def onec() -> Iterator[Simulator]:
    with Simulator(SimulatorOptions(counterparties=60, password=PASSWORD)) as simulator:
        yield simulator


class Supervisor:
    """Listens as systemd does, and remembers what it was told."""

    def __init__(self, path: Path) -> None:
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(str(path))
        self.channel.settimeout(0.2)
        self.told: list[str] = []

    def wait_for(self, word: str, seconds: float = 40) -> str:
        """Wait for a message with this in it that has not been waited for yet."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                message = self.channel.recv(4096).decode()
            except TimeoutError:
                continue
            self.told.append(message)
            if word in message:
                return message
        raise AssertionError(f"never told {word!r}, but {self.told}")


def configure(folder: Path, onec: Simulator, *, due: bool, extra: str = "") -> Path:
    """Settings whose nightly time is now, or twelve hours away."""
    minutes = 0 if due else 12 * 60
    local = datetime.now(KYIV)
    at = (local.hour * 60 + local.minute + minutes) % (24 * 60)
    file = folder / "zvirka.toml"
    file.write_text(
        f"""
state_dir = "{folder}/state"
[onec]
url = "{onec.url}"
user = "{onec.user}"
page_bytes = 10000
[erp]
url = "sqlite:///{folder}/erp.db"
[guard]
max_change_share = 1.0
[schedule]
at = "{at // 60:02}:{at % 60:02}"
{extra}
""",
        encoding="utf-8",
    )
    return file


@contextmanager
def daemon(folder: Path, file: Path) -> Iterator[tuple[subprocess.Popen[str], Supervisor]]:
    """The process, its supervisor listening; killed at the end if it still is there."""
    address = folder / f"notify-{time.monotonic_ns()}"
    supervisor = Supervisor(address)
    environ = {
        **os.environ,
        "NOTIFY_SOCKET": str(address),
        "WATCHDOG_USEC": "3000000",
        "ZVIRKA_ONEC__PASSWORD": PASSWORD,
    }
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "zvirka.cli", "daemon", "--config", str(file)],
            env=environ,
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            yield process, supervisor
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            supervisor.channel.close()


def runs(folder: Path) -> list[dict[str, Any]]:
    file = folder / "state/journal.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file, timeout=30)) as journal:
        journal.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in journal.execute('select * from "run" order by id')]
        except sqlite3.OperationalError:
            return []


def wait_for_run(folder: Path, **wanted: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for run in runs(folder):
            if all(run[name] == value for name, value in wanted.items()):
                return run
        time.sleep(0.1)
    raise AssertionError(f"no run with {wanted} but {runs(folder)}\n{(folder / 'log').read_text()}")


def clients(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "erp.db", timeout=30)) as erp:
        return int(erp.execute("select count(*) from clients").fetchone()[0])


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def test_it_is_ready_runs_at_its_time_feeds_the_watchdog_and_stops(
    onec: Simulator, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    textfile = tmp_path / "zvirka.prom"
    extra = f'[metrics]\nlisten = "127.0.0.1:{port}"\ntextfile = "{textfile}"\n'
    file = configure(tmp_path, onec, due=True, extra=extra)
    with daemon(tmp_path, file) as (process, supervisor):
        assert "ще не було жодної" in supervisor.wait_for("READY=1")
        supervisor.wait_for("WATCHDOG=1")
        run = wait_for_run(tmp_path, status="finished")
        assert (run["trigger"], run["who"]) == ("schedule", "zvirka daemon")
        assert "виправлено" in supervisor.wait_for("виправлено")
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            served = answer.read().decode()
        assert 'zvirka_last_run_status{status="finished"} 1.0' in served
        assert 'zvirka_last_run_status{status="finished"} 1.0' in textfile.read_text()
        assert stop(process) == 0
        supervisor.wait_for("STOPPING=1")
    assert len(runs(tmp_path)) == 1
    assert clients(tmp_path) > 0
    assert PASSWORD not in (tmp_path / "log").read_text()


def test_sighup_takes_good_settings_and_refuses_wrong_ones(onec: Simulator, tmp_path: Path) -> None:
    file = configure(tmp_path, onec, due=False)
    with daemon(tmp_path, file) as (process, supervisor):
        supervisor.wait_for("READY=1")
        file.write_text(file.read_text() + "\n[schedul]\n")
        process.send_signal(signal.SIGHUP)
        supervisor.wait_for("RELOADING=1\nMONOTONIC_USEC=")
        assert "нові налаштування хибні" in supervisor.wait_for("READY=1")
        configure(tmp_path, onec, due=True)
        process.send_signal(signal.SIGHUP)
        supervisor.wait_for("RELOADING=1")
        assert "хибні" not in supervisor.wait_for("READY=1")
        wait_for_run(tmp_path, status="finished")
        assert stop(process) == 0
    assert "schedul" in (tmp_path / "log").read_text()


def test_sigterm_leaves_a_run_interrupted_and_the_next_start_resumes_it(
    onec: Simulator, tmp_path: Path
) -> None:
    file = configure(tmp_path, onec, due=True)
    onec.faults.latency = 0.5
    with daemon(tmp_path, file) as (process, _):
        wait_for_run(tmp_path, phase="pull")
        assert stop(process) == 0
    assert [run["status"] for run in runs(tmp_path)] == ["interrupted"]
    onec.faults.latency = 0
    with daemon(tmp_path, file) as (process, _):
        wait_for_run(tmp_path, status="finished")
        assert stop(process) == 0
    assert [run["status"] for run in runs(tmp_path)] == ["interrupted", "finished"]
    assert clients(tmp_path) > 0


def test_a_night_waits_for_whoever_holds_the_lock(onec: Simulator, tmp_path: Path) -> None:
    file = configure(tmp_path, onec, due=True)
    settings = load_settings(file, {"ZVIRKA_ONEC__PASSWORD": PASSWORD}).settings
    with (
        run_lock(settings, who="olena", command="resync", wait=0),
        daemon(tmp_path, file) as (process, supervisor),
    ):
        supervisor.wait_for("READY=1")
        supervisor.wait_for("триває звірка")
        time.sleep(1)
        assert runs(tmp_path) == []
        process.kill()
    with daemon(tmp_path, file) as (process, _):
        wait_for_run(tmp_path, status="finished")
        assert stop(process) == 0


def test_a_journal_that_cannot_be_opened_stops_the_start_with_its_reason(
    onec: Simulator, tmp_path: Path
) -> None:
    file = configure(tmp_path, onec, due=False)
    (tmp_path / "state").mkdir()
    (tmp_path / "state/journal.db").write_text("this is no journal, and never was one")
    with daemon(tmp_path, file) as (process, supervisor):
        assert process.wait(30) == 2
        supervisor.channel.settimeout(0.1)
        with pytest.raises(TimeoutError):
            supervisor.channel.recv(4096)
    assert "journal" in (tmp_path / "log").read_text()
