"""SIGTERM ends a run in time, whatever the run is waiting for."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

pytestmark = pytest.mark.long


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peers: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    peers.append(server.accept()[0])
                except OSError:
                    return

        Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        for peer in peers:
            peer.close()


def test_a_run_that_waits_for_1c_ends_within_20_seconds_of_sigterm(
    silent: int, tmp_path: Path
) -> None:
    """One byte a second kept a run, and its lock, for ever."""
    settings = tmp_path / "zvirka.toml"
    settings.write_text(
        f'state_dir = "{tmp_path}/state"\n'
        f'[onec]\nurl = "http://127.0.0.1:{silent}/base/odata/standard.odata/"\n'
        'user = "x"\npassword = "y"\n'
        f'[erp]\nurl = "sqlite:///{tmp_path}/erp.db"\n'
    )
    command = [sys.executable, "-m", "zvirka.cli", "reconcile", "--config", str(settings)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "state" / "run.lock").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        process.wait(60)
        assert time.monotonic() - asked < 20
        assert process.returncode in {-signal.SIGTERM, 130, 2}
    finally:
        process.kill()
        process.wait()
