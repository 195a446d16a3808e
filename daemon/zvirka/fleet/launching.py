"""Starting the process of a run so that it never outlives its worker for long."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path

import msgspec

from zvirka.fleet.fleet_worker import Launch, RunProcess
from zvirka.fleet.orders import Order, to_json

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
        return RunProcess(process)

    return launch


def end_with(worker: int) -> None:
    """Have the kernel send SIGTERM to this process when the worker dies, be it by kill -9.

    The run then ends at its next safe place and gives its session of 1C back, before another
    worker takes its order.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != worker:  # it died in between
        os.kill(os.getpid(), signal.SIGTERM)
