"""The run lock between real processes, on a file."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.unit.journal.world import settings
from zvirka.errors import JournalError, LockHeldError
from zvirka.journal.run_lock import run_lock

HOLD = """
import sys
from zvirka.journal.run_lock import run_lock
from zvirka.settings.model import Settings
with run_lock(Settings.model_validate_json(sys.argv[1]), who="olena", command="resync"):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(state: Path) -> subprocess.Popen[bytes]:
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, settings(state).model_dump_json(by_alias=True)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_second_run_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    process = hold(tmp_path)
    with (
        pytest.raises(LockHeldError) as caught,
        run_lock(settings(tmp_path), who="petro", command="reconcile"),
    ):
        pytest.fail("two held the lock")
    assert "resync by olena since 20" in str(caught.value)
    assert f"process {process.pid} on " in str(caught.value)
    assert "--wait" in caught.value.remedy
    process.communicate()
    with run_lock(settings(tmp_path), who="petro", command="reconcile") as lock:
        lock.check()


@pytest.mark.long
def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    process = hold(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with run_lock(settings(tmp_path), who="petro", command="reconcile"):
        assert b"petro" in (tmp_path / "run.lock").read_bytes()
    assert (tmp_path / "run.lock").read_bytes() == b""
    assert stat.S_IMODE((tmp_path / "run.lock").stat().st_mode) == 0o600


@pytest.mark.long
@pytest.mark.parametrize("wait", [30, None])
def test_a_waiting_run_gets_the_lock_when_the_other_ends(
    tmp_path: Path, wait: float | None
) -> None:
    process = hold(tmp_path)
    assert process.stdin is not None
    threading.Timer(0.5, process.stdin.close).start()
    with run_lock(settings(tmp_path), who="petro", command="reconcile", wait=wait):
        assert process.wait(timeout=10) == 0


@pytest.mark.long
def test_a_run_waits_no_longer_than_it_was_told(tmp_path: Path) -> None:
    process = hold(tmp_path)
    began = time.monotonic()
    with (
        pytest.raises(LockHeldError),
        run_lock(settings(tmp_path), who="petro", command="reconcile", wait=0.5),
    ):
        pytest.fail("two held the lock")
    assert time.monotonic() - began >= 0.5
    process.communicate()


def test_an_error_inside_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(KeyError), run_lock(settings(tmp_path), who="o", command="plan"):
        raise KeyError
    with run_lock(settings(tmp_path), who="o", command="plan"):
        pass


def test_a_state_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(JournalError, match="run lock cannot be opened"),
        run_lock(settings(tmp_path / "file"), who="o", command="plan"),
    ):
        pytest.fail("held a lock in no directory")


def test_a_full_disk_keeps_the_name_of_the_holder_out_and_the_lock_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended with a traceback: «this is a fault of zvirka»."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    made = settings(tmp_path)
    with run_lock(made, who="olena", command="reconcile") as lock:
        lock.check()
        with pytest.raises(LockHeldError), run_lock(made, who="petro", command="plan"):
            pytest.fail("two held the lock")
