"""Starting the process of a run so that it never outlives its worker for long."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from zvirka.fleet.fleet_worker import Launch, RunProcess
from zvirka.fleet.orders import Order, Result, lost_run, result_from, to_json

_PR_SET_PDEATHSIG = 1
_LONGEST_RESULT = 16_000_000
"""Bytes; a summary holds counts and names of files."""


def launcher(config: Path | None) -> Launch:
    """What starts ``zvirka.fleet.run_process`` with these settings."""
    worker = os.getpid()

    async def launch(order: Order) -> RunProcess:
        command = [sys.executable, "-m", "zvirka.fleet.run_process", "--flow", order.flow]
        if config is not None:
            command += ["--config", str(config)]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_RESULT,
            preexec_fn=lambda: end_with(worker),
            # Ctrl+C at a terminal is for the worker, which passes it on.
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(to_json(order)) + b"\n")
        await process.stdin.drain()
        return _Interpreter(process)

    return launch


class _Interpreter:
    """A :class:`RunProcess` with an interpreter of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def result(self) -> Result:
        """Wait for its end; a process that ended without a word is a lost run."""
        written, _ = await self._process.communicate()
        with suppress(msgspec.DecodeError, msgspec.ValidationError, IndexError):
            return result_from(msgspec.json.decode(written.splitlines()[-1]))
        return lost_run(f"exit code {self._process.returncode}")

    def stop(self) -> None:
        """Ask it to end at the next safe place."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()


def end_with(worker: int) -> None:
    """Have the kernel send SIGTERM to this process when the worker dies, be it by kill -9.

    The run then ends at its next safe place and gives its session of 1C back, before another
    worker takes its order.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != worker:  # it died in between
        os.kill(os.getpid(), signal.SIGTERM)
