"""``zvirka daemon`` as a process: what it tells systemd, and what signals do to it.

The booted systemd itself is in tests/system.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service_world import (
    PASSWORD,
    clients,
    configure,
    daemon,
    free_port,
    runs,
    stop,
    wait_for_run,
)
from zvirka.journal.run_lock import run_lock
from zvirka.settings.loading import load_settings
from zvirka.simulator import Simulator, SimulatorOptions

pytestmark = pytest.mark.long


@pytest.fixture
def onec() -> Iterator[Simulator]:
    with Simulator(SimulatorOptions(counterparties=60, password=PASSWORD)) as simulator:
        yield simulator


def test_it_is_ready_runs_at_its_time_feeds_the_watchdog_and_stops(
    onec: Simulator, tmp_path: Path
) -> None:
    port = free_port()
    textfile = tmp_path / "zvirka.prom"
    extra = (
        f'[metrics]\nlisten = "127.0.0.1:{port}"\ntextfile = "{textfile}"\n'
        '[report]\nprune_after = "0d"\n'
    )
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
        assert 'zvirka_last_run_status{flow="main",status="finished"} 1.0' in served
        assert 'zvirka_last_run_status{flow="main",status="finished"} 1.0' in textfile.read_text()
        assert stop(process) == 0
        supervisor.wait_for("STOPPING=1")
    assert [run["command"] for run in runs(tmp_path)] == ["reconcile", "prune"]
    assert runs(tmp_path)[0]["pruned_at"], "personal values go when report.prune_after says so"
    assert clients(tmp_path) > 0
    assert PASSWORD not in (tmp_path / "log").read_text()


@pytest.mark.slow
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


@pytest.mark.slow
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


HANGS = """
import sys, time
from pathlib import Path
from zvirka.service.background_task import Threaded, own_thread
from zvirka.service.flow_runs import RunsHere
from zvirka.service.run_daemon import run_daemon
from zvirka.settings.loading import load_flows
file = Path(sys.argv[1])
def hang(settings, request, pulse):
    (file.parent / "hangs").touch()
    time.sleep(10_000)
def runs(flow, wake):
    return RunsHere(hang, Threaded(own_thread(flow), wake))
sys.exit(run_daemon(lambda: load_flows(file, {}), runs=runs, stop_within=1))
"""


def test_a_run_that_does_not_leave_is_cut_off_in_time(onec: Simulator, tmp_path: Path) -> None:
    file = configure(tmp_path, onec, due=True)
    with subprocess.Popen([sys.executable, "-c", HANGS, str(file)]) as process:
        end = time.monotonic() + 30
        while not (tmp_path / "hangs").exists() and time.monotonic() < end:
            time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert time.monotonic() - began < 15
