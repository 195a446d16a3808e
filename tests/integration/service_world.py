"""``zvirka daemon`` and ``zvirka serve`` as processes, and the supervisor they report to."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytz

from zvirka.simulator import Simulator

PASSWORD = "TAJEMNYCJA-1C-4711"
KYIV = pytz.timezone("Europe/Kyiv")


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
def daemon(
    folder: Path, file: Path, command: str = "daemon"
) -> Iterator[tuple[subprocess.Popen[str], Supervisor]]:
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
            [sys.executable, "-m", "zvirka.cli", command, "--config", str(file)],
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


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
