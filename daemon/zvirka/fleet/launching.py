"""Starting the process of a run: a fork of a server that has imported zvirka already.

An interpreter of its own would spend more processor time on imports than most quiet runs take.
The server is that of :mod:`multiprocessing`; it opens nothing and has no threads.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType

import msgspec

from zvirka.fleet.fleet_worker import Launch, RunProcess
from zvirka.fleet.orders import Order, Result, lost_run, result_from, to_json
from zvirka.fleet.run_process import perform_apart

_LONGEST_RESULT = 16_000_000
"""Bytes; a summary holds counts and names of files."""

_EXIT_SECONDS = 5.0


def launcher(config: Path | None) -> Launch:
    """What starts a process for an order, which reads the settings in ``config`` itself."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["zvirka.fleet.preloaded"])
    # Begun and loaded now: a worker that waits for it later misses its heartbeat.
    first = context.Process(target=int, daemon=True)
    with _no_script():
        first.start()
    first.join(_EXIT_SECONDS)

    async def launch(order: Order) -> RunProcess:
        reader, writer = context.Pipe(duplex=False)
        with writer:
            # Not in the command line: reasons and tax ids are nobody else's business.
            content = msgspec.json.encode(to_json(order))
            process = context.Process(
                target=perform_apart, args=(config, content, writer), daemon=True
            )
            with _no_script():
                process.start()
        return _Fork(process, reader)

    return launch


@contextmanager
def _no_script() -> Iterator[None]:
    """Keep multiprocessing from running the script ``zvirka`` in children, where it would begin."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


class _Fork:
    """A :class:`RunProcess` that is a fork of the server."""

    def __init__(self, process: ForkServerProcess, reader: Connection) -> None:
        self._process = process
        self._reader = reader

    async def result(self) -> Result:
        """Wait for its end; a process that ended without a word is a lost run."""
        with self._reader as reader:
            loop, spoken = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(reader.fileno(), spoken.set)
            try:
                await spoken.wait()
            finally:
                loop.remove_reader(reader.fileno())
            try:
                return result_from(msgspec.json.decode(reader.recv_bytes(_LONGEST_RESULT)))
            except (EOFError, OSError, msgspec.DecodeError, msgspec.ValidationError):
                await asyncio.to_thread(self._process.join, _EXIT_SECONDS)
                return lost_run(f"exit code {self._process.exitcode}")

    def stop(self) -> None:
        """Ask it to end at the next safe place."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
