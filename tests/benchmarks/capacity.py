"""How many flows a worker performs, what they cost PostgreSQL, and what limits first.

Every flow has a server of 1C of its own (addresses of the loopback network, answered by a few
simulators in processes of their own) and a store in a file of its own. The daemon orders the
nights and one worker performs them, on the machine that runs everything else as well: what is of
use elsewhere are the processor seconds a run, not the minutes.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytz
from sqlalchemy import create_engine, make_url, text

from tests.integration.databases import fresh
from tests.integration.fleet_world import Fleet
from tests.integration.service_world import PASSWORD
from zvirka.simulator import Simulator, SimulatorOptions

USER = "Обмін"
SIMULATORS = 4
COUNTERPARTIES = 100
CONCURRENCY = 4
_LONGEST_NIGHT = 2 * 3600
_KYIV = pytz.timezone("Europe/Kyiv")
_TICK = os.sysconf("SC_CLK_TCK")


class Night(msgspec.Struct, frozen=True):
    """What one night took.

    ``worker`` and ``daemon`` are processor seconds, ``database`` transactions, ``connections`` the
    most at a time, ``daemon_mb`` the daemon's memory at the end.
    """

    seconds: float
    worker: float
    daemon: float
    daemon_mb: float
    database: int
    connections: int


def measure(sizes: tuple[int, ...]) -> dict[str, str]:
    """The first night and a quiet night of so many flows, each size in a world of its own."""
    shown: dict[str, str] = {}
    for flows in sizes:
        with _world(flows) as world:
            first, quiet = _night(world), _night(world)
            size = _number(world, "SELECT pg_database_size(current_database())")
        shown |= {
            f"{flows:,} flows, first night": _told(first, flows),
            f"{flows:,} flows, quiet night": _told(quiet, flows),
            f"{flows:,} flows, journal after both": f"{size / flows / 1e6:.2f} MB a flow",
        }
    return shown


def _told(night: Night, flows: int) -> str:
    return (
        f"{night.seconds:.0f} s, {60 * flows / night.seconds:.0f} runs a minute; a run:"
        f" worker {night.worker / flows:.2f} s and daemon {1000 * night.daemon / flows:.0f} ms of"
        f" processor, {night.database / flows:.0f} transactions; {night.connections} connections;"
        f" daemon {night.daemon_mb:.0f} MB"
    )


@contextmanager
def _world(flows: int) -> Iterator[Fleet]:
    folder = Path(tempfile.mkdtemp(prefix="zvirka-capacity-"))
    (folder / "flows").mkdir()
    ports = [_simulator(seed) for seed in range(SIMULATORS)]
    for number in range(flows):
        address = f"127.1.{number // 250}.{number % 250 + 1}:{ports[number % SIMULATORS]}"
        (folder / f"flows/f{number}.toml").write_text(
            f'[onec]\nurl = "http://{address}/base/odata/standard.odata/"\nuser = "{USER}"\n'
            f'password = "{PASSWORD}"\n[erp]\nurl = "sqlite:///{folder}/f{number}.db"\n'
        )
    world = Fleet(folder, fresh("postgresql", folder), [], [f"f{n}" for n in range(flows)])
    try:
        yield world
    finally:
        world.stop()


def _simulator(seed: int) -> int:
    """Start a simulator in a process of its own; its port."""
    reader, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
    serving = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(seed, writer), daemon=True
    )
    serving.start()
    return int(reader.recv())


def _serve(seed: int, port: Any) -> None:
    options = SimulatorOptions(
        counterparties=COUNTERPARTIES, password=PASSWORD, seed=seed, host="0.0.0.0"
    )
    with Simulator(options) as simulator:
        port.send(simulator.port)
        threading.Event().wait()


def _night(world: Fleet) -> Night:
    """One night of daemon and worker, until every flow has had its run."""
    slot = datetime.now(_KYIV).replace(second=0, microsecond=0)
    world.file.write_text(
        f"""
state_dir = "{world.folder}/state"
[schedule]
at = "{slot:%H:%M}"
jitter = "1h"
retries = 0
[journal]
url = "{world.journal}"
[guard]
max_change_share = 1.0
[report]
formats = ["json"]
[fleet]
enabled = true
"""
    )
    worker = world.worker("--concurrency", str(CONCURRENCY))
    committed = _number(world, _COMMITS)
    began = time.monotonic()
    daemon = world.start("daemon")
    ended, most = 0, 0
    while ended < len(world.names):
        assert time.monotonic() - began < _LONGEST_NIGHT, "the night does not end"
        assert daemon.poll() is None, world.log[-2000:]
        time.sleep(1)
        ended = world.count(f"SELECT count(*) FROM fleet_results WHERE ended > '{slot}'")
        most = max(most, int(_number(world, _CONNECTIONS)))
    seconds = time.monotonic() - began
    night = Night(
        seconds=seconds,
        worker=_processor(worker.pid),
        daemon=_processor(daemon.pid),
        daemon_mb=_megabytes(daemon.pid),
        database=int(_number(world, _COMMITS) - committed),
        connections=most,
    )
    for process in (daemon, worker):
        process.terminate()
        process.wait(60)
    time.sleep(max(0.0, 61 - time.time() % 60))  # the next night is another slot
    return night


_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


def _number(world: Fleet, query: str) -> float:
    engine = create_engine(make_url(world.journal), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            return float(connection.execute(text(query)).scalar_one())
    finally:
        engine.dispose()


def _processor(process: int) -> float:
    """Processor seconds of a process and of all that descend from it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / _TICK
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return own + sum(_processor(int(child)) for child in children)


def _megabytes(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
