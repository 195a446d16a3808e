"""What the commands write is readable by its owner only, whatever the umask."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.lines import PASSWORD, run
from zvirka.simulator import Simulator, SimulatorOptions


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def onec(settled: Path, usual_umask: None) -> Iterator[Simulator]:
    """A small 1C that the settings name; there is no state directory yet."""
    (settled / "state").rmdir()
    with Simulator(SimulatorOptions(counterparties=20, password=PASSWORD)) as simulator:
        file = settled / "zvirka.toml"
        text = file.read_text("utf-8").replace("http://127.0.0.1:9/base", simulator.url)
        text += "\n[guard]\nmax_change_share = 1.0\n"
        file.write_text(text, "utf-8")
        yield simulator


def modes(settled: Path) -> dict[str, int]:
    """The permission bits of the store, the state directory and what is in it.

    Reports are meant for a group of readers, and are left out.
    """
    state = settled / "state"
    files = [*settled.glob("erp.db*"), state, *state.rglob("*")]
    return {
        str(path.relative_to(settled)): stat.S_IMODE(path.stat().st_mode)
        for path in files
        if state / "reports" not in (path, *path.parents)
    }


def open_to_others(settled: Path) -> dict[str, str]:
    return {name: oct(mode) for name, mode in modes(settled).items() if mode & 0o077}


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("runs", {"state", "state/journal.db"}),
        ("reconcile", {"state", "state/journal.db", "state/run.lock", "state/staging", "erp.db"}),
    ],
)
def test_a_command_writes_for_its_owner_only(
    command: str, written: set[str], onec: Simulator, settled: Path
) -> None:
    assert run(command) == 0
    assert written <= modes(settled).keys()
    assert open_to_others(settled) == {}


@pytest.mark.long
def test_the_receiver_writes_for_its_owner_only(settled: Path, usual_umask: None) -> None:
    (settled / "state").rmdir()
    environ = {**os.environ, "ZVIRKA_RECEIVER__LISTEN": "127.0.0.1:0"}
    process = subprocess.Popen([sys.executable, "-m", "zvirka.cli", "serve"], env=environ)
    try:
        deadline = time.monotonic() + 60
        while not (settled / "state" / "journal.db-wal").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert {"state", "state/receiver.lock", "erp.db"} <= modes(settled).keys()
        assert open_to_others(settled) == {}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
