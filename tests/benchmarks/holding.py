"""A holding on one machine: many bases with two flows each, and one daemon.

The simulated bases are threads of one process and the daemon is another, so on two cores each has
its own. Each base has one licence: a second session at the same time would fail the run. A night is
quiet: the two sides differ nowhere. Then one base answers nothing, one is slow
and one flow is held; the others must not wait for them.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytz

from zvirka.cli import main
from zvirka.simulator import Simulator, SimulatorOptions

COUNTERPARTIES = 300
CONTRACTS = 300
_PASSWORD = "holding"
_TABLES = """
CREATE TABLE contracts (
    id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, name TEXT, number TEXT, date TEXT,
    kind TEXT, client_id INTEGER, is_active BOOLEAN NOT NULL DEFAULT 1
)
"""


def measure(bases: int) -> dict[str, Any]:
    """Seconds and memory of a quiet night, and of one with a dead, a slow and a held flow."""
    with TemporaryDirectory(prefix="zvirka-holding-") as place, ExitStack() as served:
        home = Path(place)
        simulators = [
            served.enter_context(
                Simulator(
                    SimulatorOptions(
                        counterparties=COUNTERPARTIES,
                        contracts=CONTRACTS,
                        seed=number,
                        password=_PASSWORD,
                        licences=1,
                    )
                )
            )
            for number in range(bases)
        ]
        _configure(home, simulators)
        with Path(os.devnull).open("w") as nowhere:
            _first_loads(home, bases, nowhere)
        quiet = _night(home, simulators, 2 * bases)
        time.sleep(61)  # a slot has one night
        simulators[0].faults.fail_500 = True
        simulators[1].faults.latency = 1.0
        for ref in list(simulators[2].base.refs()):
            simulators[2].base.update(ref, phone="+380 44 000 00 00")
        hard = _night(home, simulators, 2 * bases)
    return {
        "flows": 2 * bases,
        "quiet night, s": quiet["seconds"],
        "quiet night, peak MB": quiet["peak_mb"],
        "quiet night, requests per base": quiet["requests"],
        "its statuses": quiet["statuses"],
        "night with a dead, a slow and a held flow, s": hard["seconds"],
        "statuses of that night": hard["statuses"],
    }


def _configure(home: Path, simulators: list[Simulator]) -> None:
    flows = home / "flows"
    flows.mkdir()
    shared = [f'state_dir = "{home}/state"', "parallel_runs = 4", '[report]\nformats = ["json"]']
    for number, simulator in enumerate(simulators):
        shared += [
            f'[bases.b{number}]\nurl = "{simulator.url}"\nuser = "{simulator.user}"',
            f'password = "{_PASSWORD}"\nretries = 0',
            f'[stores.s{number}]\nurl = "sqlite:///{home}/erp{number}.db"',
        ]
        ours = f'[onec]\nbase = "b{number}"\n'
        store = f'[erp]\nstore = "s{number}"\n'
        (flows / f"clients{number}.toml").write_text(ours + store)
        contracts = 'profile = "contracts"\nfields.organisation = false\n'
        contracts += "fields.currency = false\nfields.valid_until = false\n"
        contracts += f'fields.counterparty.reference = "clients{number}"\n'
        (flows / f"contracts{number}.toml").write_text(
            ours + contracts + store + 'table = "contracts"\nkey = "ref"\n'
            'columns.counterparty = "client_id"\n'
        )
    (home / "zvirka.toml").write_text("\n".join(shared))


def _first_loads(home: Path, bases: int, nowhere: Any) -> None:
    out, sys.stdout = sys.stdout, nowhere
    try:
        for number in range(bases):
            for kind in ("clients", "contracts"):
                flow = ["--config", str(home / "zvirka.toml"), "--flow", f"{kind}{number}"]
                assert main(["reconcile", *flow]) == 3
                assert main(["approve", "1", "--reason", "first load", *flow]) in {0, 1}
                if kind == "clients":  # the embedded store is there now
                    with closing(sqlite3.connect(home / f"erp{number}.db")) as erp, erp:
                        erp.execute(_TABLES)
    finally:
        sys.stdout = out


def _night(home: Path, simulators: list[Simulator], flows: int) -> dict[str, Any]:
    """One night of the daemon, until every flow has a run more than before."""
    before = _runs(home)
    asked = [simulator.traffic.requests for simulator in simulators]
    at = datetime.now(pytz.timezone("Europe/Kyiv"))
    text = (home / "zvirka.toml").read_text()
    schedule = f'[schedule]\nat = "{at:%H:%M}"\nretries = 0\n'
    head, _, _ = text.partition("[schedule]")
    (home / "zvirka.toml").write_text(f"{head.rstrip()}\n{schedule}")
    command = [sys.executable, "-m", "zvirka.cli", "daemon", "--config", str(home / "zvirka.toml")]
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while len(_ended(home, before)) < flows and time.perf_counter() - began < 1800:
            time.sleep(0.5)
        seconds = time.perf_counter() - began
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        process.send_signal(signal.SIGTERM)
    statuses: dict[str, int] = {}
    for one in _ended(home, before).values():
        statuses[one] = statuses.get(one, 0) + 1
    requests = [s.traffic.requests - n for s, n in zip(simulators, asked, strict=True)]
    return {
        "seconds": seconds,
        "peak_mb": peak,
        "requests": max(requests),
        "statuses": ", ".join(f"{count} {name}" for name, count in sorted(statuses.items())),
    }


def _runs(home: Path) -> dict[str, int]:
    return {journal.parent.name: last[0] for journal, last in _last(home).items()}


def _ended(home: Path, before: dict[str, int]) -> dict[str, str]:
    return {
        journal.parent.name: status
        for journal, (run, status) in _last(home).items()
        if run > before.get(journal.parent.name, 0) and status != "running"
    }


def _last(home: Path) -> dict[Path, tuple[int, str]]:
    found = {}
    for journal in home.glob("state/flows/*/journal.db"):
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as rows:
            row = rows.execute("SELECT id, status FROM run ORDER BY id DESC LIMIT 1").fetchone()
        if row is not None:
            found[journal] = (int(row[0]), str(row[1]))
    return found
