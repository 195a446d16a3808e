"""A worker whose runs are forks of itself: the same worker, without an interpreter a run."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from zvirka.errors import RunInterrupted, ZvirkaError
from zvirka.fleet.fleet_worker import Employment, FleetWorker, RunProcess, stop_at_signals
from zvirka.fleet.launching import end_with
from zvirka.fleet.orders import Order, Result, lost_run, result_from, to_json
from zvirka.fleet.run_process import end_at_sigterm, perform_order
from zvirka.message import coded
from zvirka.service.watchdog import Pulse
from zvirka.settings.loading import load_flows


class Fork:
    """A run in a fork of the worker."""

    def __init__(self, pid: int, reader: asyncio.StreamReader) -> None:
        self._pid = pid
        self._reader = reader

    async def result(self) -> Result:
        written = await self._reader.read()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        with suppress(msgspec.DecodeError):
            return result_from(msgspec.json.decode(written))
        return lost_run("killed")

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)


def work(file: Path, environ: dict[str, str], concurrency: int, log: Path) -> None:
    """Be a worker until SIGTERM."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    settings = next(iter(load_flows(file, environ).loaded.values())).settings
    worker_pid = os.getpid()

    async def launch(order: Order) -> RunProcess:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _run(file, environ, order, write, worker_pid)
        os.close(write)
        reader = asyncio.StreamReader(limit=2**24)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb")
        )
        return Fork(pid, reader)

    async def serve() -> None:
        worker = FleetWorker(settings, Employment(None, concurrency, poll=0.1), launch)
        stop_at_signals(worker)
        await worker.serve()

    asyncio.run(serve())


def _run(file: Path, environ: dict[str, str], order: Order, write: int, worker: int) -> NoReturn:
    signal.set_wakeup_fd(-1)
    pulse = Pulse(time.monotonic)
    end_at_sigterm(pulse)
    end_with(worker)
    try:
        settings = load_flows(file, environ).loaded[order.flow].settings
        result = perform_order(settings, order, pulse)
    except ZvirkaError as error:
        result = Result.refused(error)
    except KeyboardInterrupt:
        result = Result.refused(RunInterrupted(coded("ZV5503", "the process was told to stop")))
    os.write(write, msgspec.json.encode(to_json(result)))
    os._exit(0)
