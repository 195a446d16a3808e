"""An installation with workers: settings, a journal on PostgreSQL, and the processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from tests.integration.databases import fresh
from tests.integration.service_world import PASSWORD
from zvirka.fleet.queue_database import SCHEMA
from zvirka.settings.loading import load_flows
from zvirka.settings.model import Settings
from zvirka.simulator import Simulator, SimulatorOptions

NEVER = '[schedule]\nat = "00:00"\ncatch_up = false\n'
"""No night is due while a test runs, unless it says so."""


@dataclass
class Fleet:
    """Flows ``f0``, ``f1`` … of simulated bases, each with a store of its own in a file."""

    folder: Path
    journal: str
    bases: list[Simulator]
    names: list[str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "zvirka.toml"

    @property
    def script(self) -> Path:
        """What a package installs as ``zvirka``; not every one guards it by ``__name__``."""
        script = self.folder / "zvirka"
        script.write_text("import sys\nfrom zvirka.cli import main\nsys.exit(main())\n")
        return script

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def settings(self) -> dict[str, Settings]:
        loaded = load_flows(self.file, {}).loaded
        return {name: one.settings for name, one in loaded.items()}

    def start(self, *command: str, journal: str = "") -> subprocess.Popen[bytes]:
        """Start a command of zvirka, with the log of all in one file.

        ``journal`` is another way to the journal, such as a proxy's.
        """
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(self.script), *command, "--config", str(self.file)],
                stdout=log,
                stderr=log,
                env={**os.environ, "ZVIRKA_JOURNAL__URL": journal or self.journal},
            )
        self.processes.append(process)
        return process

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until it has introduced itself."""
        before = self.workers()
        process = self.start("worker", *options)
        self.wait(lambda: self.workers() > before, "the worker does not come up")
        return process

    def workers(self) -> int:
        return self.count("SELECT count(*) FROM fleet_workers")

    def queue(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask the database of the queue."""
        return self.ask(SCHEMA, statement, values)

    def count(self, statement: str) -> int:
        """The number a query of the queue's database gives; 0 before there is a queue."""
        with suppress(Exception):
            return int(self.queue(statement)[0][0])
        return 0

    def runs(self, flow: str) -> list[tuple[Any, ...]]:
        """Status, trigger and asker of the runs of a flow, oldest first."""
        query = "SELECT status, trigger, who FROM run ORDER BY id"
        with suppress(Exception):
            return self.ask(f"zvirka_{flow}", query, {})
        return []

    def ask(self, schema: str, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        engine = create_engine(self.journal, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(f"SET search_path = {schema}"))
                result = connection.execute(text(statement), values)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def clients(self, flow: str) -> int:
        with closing(sqlite3.connect(self.folder / f"{flow}.db", timeout=30)) as store:
            try:
                return int(store.execute("SELECT count(*) FROM clients").fetchone()[0])
            except sqlite3.OperationalError:
                return 0

    def wait(self, reached: Callable[[], bool], trouble: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end:
                raise AssertionError(f"{trouble}\n{self.log}")
            time.sleep(0.05)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


@contextmanager
def fleet(
    folder: Path,
    *,
    flows: int = 1,
    servers: int = 1,
    counterparties: int = 8,
    extra: str = NEVER,
    takeover: str = "4s",
    own: Sequence[str] = (),
) -> Iterator[Fleet]:
    """Flows over so many servers of 1C; ``own`` are further lines of the flows' ``[onec]``."""
    journal = fresh("postgresql", folder)
    (folder / "flows").mkdir()
    names = [f"f{number}" for number in range(flows)]
    bases = [
        Simulator(SimulatorOptions(counterparties=counterparties, password=PASSWORD, seed=number))
        for number in range(servers)
    ]
    for base in bases:
        base.__enter__()
    (folder / "zvirka.toml").write_text(
        f"""
state_dir = "{folder}/state"
{extra}
[journal]
url = "{journal}"
[guard]
max_change_share = 1.0
max_delete_share = 1.0
[report]
formats = ["json"]
[fleet]
enabled = true
takeover = "{takeover}"
""",
        encoding="utf-8",
    )
    for number, name in enumerate(names):
        base = bases[number % servers]
        more = "\n".join(own)
        (folder / f"flows/{name}.toml").write_text(
            f"""
[onec]
url = "{base.url}"
user = "{base.user}"
password = "{PASSWORD}"
{more}
[erp]
url = "sqlite:///{folder}/{name}.db"
""",
            encoding="utf-8",
        )
    made = Fleet(folder, journal, bases, names)
    try:
        yield made
    finally:
        made.stop()
        for base in bases:
            base.__exit__(None, None, None)


def runs_of(worker: subprocess.Popen[bytes]) -> list[int]:
    """The processes of the runs of a worker: forks of the server it has started."""
    return [run for server in _children(worker.pid) for run in _children(server)]


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
