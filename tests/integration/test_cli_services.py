"""The commands that run for good: they begin, say so, work, and end in good order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.unit.cli.lines import PASSWORD, run
from zvirka.simulator import Simulator, SimulatorOptions

WAIT_SECONDS = 60


@contextmanager
def started(*line: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "zvirka.cli", *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.long
def test_receiver_takes_a_webhook_and_ends_by_sigterm(settled: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    payload = {
        "action": "create",
        "clientData": {"Код": "000000001", "Наименование": "ТОВ «Перше»"},
    }
    with started("serve", ZVIRKA_RECEIVER__LISTEN=f"127.0.0.1:{port}") as process:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                requests.get(f"{url}/healthz", timeout=5)
                break
            except requests.ConnectionError:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.1)
        answer = requests.post(f"{url}/api/webhook/1c/clients", json=payload, timeout=20)
        assert answer.status_code == 200, answer.text
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, log
    assert "Перше" not in log
    assert (settled / "erp.db").is_file()


@pytest.mark.long
def test_daemon_tells_systemd_it_is_ready_and_ends_by_sigterm(settled: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(settled / "notify"))
        systemd.settimeout(WAIT_SECONDS)
        environ = {
            "NOTIFY_SOCKET": str(settled / "notify"),
            "ZVIRKA_SCHEDULE__CATCH_UP": "false",
        }
        with started("daemon", **environ) as process:
            assert "READY=1" in systemd.recv(4096).decode()
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, log
    assert PASSWORD not in log


@pytest.mark.parametrize("command", ["serve", "daemon"])
def test_wrong_settings_stop_a_service_at_once_with_64(
    command: str, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "zvirka.toml").write_text('[onec]\nurl = "nowhere"\n')
    assert run(command) == 64
    assert "erp.url: значення обовʼязкове" in capsys.readouterr().err


def test_alert_without_anybody_to_tell_says_so(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("alert", "zvirka.service", "--lang", "en") == 0
    assert "No alert sent" in capsys.readouterr().out
    assert run("alert", "zvirka.service", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"unit": "zvirka.service", "addresses": 0}


def test_units_are_shown_and_written_below_a_prefix(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = settled / "root"
    line = ("systemd", "install", "--prefix", str(root), "--json")
    assert run(*line, "--dry-run") == 0
    shown = json.loads(capsys.readouterr().out)["files"]
    assert not root.exists()
    assert run(*line) == 0
    assert json.loads(capsys.readouterr().out)["files"] == shown
    assert all(Path(path).is_file() for path in shown)


@pytest.fixture
def slow_onec(settled: Path) -> Iterator[Simulator]:
    """1C that takes half a second for every answer."""
    with Simulator(SimulatorOptions(counterparties=30, password=PASSWORD)) as simulator:
        simulator.faults.latency = 0.5
        file = settled / "zvirka.toml"
        text = file.read_text(encoding="utf-8").replace("http://127.0.0.1:9/base", simulator.url)
        file.write_text(text + "\n[guard]\nmax_change_share = 1.0\n", encoding="utf-8")
        yield simulator


@pytest.mark.long
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (signal.SIGTERM, -signal.SIGTERM),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_run_that_is_told_to_stop_ends_as_interrupted_and_the_next_one_goes_on(
    asked: signal.Signals, code: int, slow_onec: Simulator, settled: Path
) -> None:
    with started("reconcile", "--json", "--log-level", "INFO", "--lang", "en") as process:
        assert process.stderr is not None
        while "run begins" not in process.stderr.readline():
            assert process.poll() is None
        while not slow_onec.requests:
            time.sleep(0.05)
        process.send_signal(asked)
        shown, log = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == code, log
    assert json.loads(shown)["status"] == "interrupted"
    assert "Traceback" not in log
    slow_onec.faults.latency = 0
    with started("reconcile", "--json") as process:
        shown, log = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, log
    assert json.loads(shown)["outcomes"] == {"applied": 30}
