"""A holding on one machine: many bases with two flows each, and one daemon.

The simulated bases are threads of one process and the daemon is another, so on two cores each has
its own. The first night loads every table. In a quiet night the two sides differ nowhere. In a hard
one a base accepts connections and answers nothing, a base is slow and a flow is held; the others
must not wait for them. In no night has a base that answers more sessions than ``onec.sessions``
allows: the simulators count them, and the benchmark fails otherwise.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytz

from zvirka.erp.embedded import create_embedded
from zvirka.settings.loading import load_flows
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions

COUNTERPARTIES = 300
CONTRACTS = 300
DEAD, SLOW, HELD = 0, 1, 2
"""The bases that trouble the hard night."""
_KYIV = pytz.timezone("Europe/Kyiv")
_SESSIONS = 1
_LONGEST_NIGHT = 3600
_TABLES = """
CREATE TABLE contracts (
    id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, name TEXT, number TEXT, date TEXT,
    kind TEXT, client_id INTEGER, is_active BOOLEAN NOT NULL DEFAULT 1
)
"""


class Night(msgspec.Struct, frozen=True):
    """What one night took.

    ``ends`` are the seconds from the daemon's start to the end of each flow's last run,
    ``peak_mb`` the daemon's peak memory, ``requests`` the most that one base was asked, ``cpu``
    the daemon's seconds of processor time.
    """

    ends: dict[str, float]
    statuses: dict[str, str]
    peak_mb: float
    requests: int
    cpu: float

    def told(self) -> str:
        """How many runs ended how."""
        counts = sorted(Counter(self.statuses.values()).items())
        return ", ".join(f"{count} {status}" for status, count in counts)


def measure(bases: int) -> dict[str, Any]:
    """Seconds, memory and requests of the three nights of so many bases."""
    with TemporaryDirectory(prefix="zvirka-holding-") as place, ExitStack() as served:
        home = Path(place)
        simulators = [
            served.enter_context(
                Simulator(
                    SimulatorOptions(
                        counterparties=COUNTERPARTIES, contracts=CONTRACTS, seed=number
                    )
                )
            )
            for number in range(bases)
        ]
        _configure(home, simulators)
        load = _night(home, simulators, "[guard]\nmax_change_share = 1.0\n")
        _require_finished(load)
        quiet = _night(home, simulators)
        _require_finished(quiet)
        simulators[DEAD].faults.stall = 3600.0
        simulators[SLOW].faults.latency = 1.0
        for ref in list(simulators[HELD].base.refs()):
            simulators[HELD].base.update(ref, phone="+380 44 000 00 00")
        hard = _night(home, simulators)
        most = [simulator.sessions.most for simulator in simulators]
        # A session whose first answer never comes whole cannot be given back.
        assert max(most[SLOW:]) <= _SESSIONS, f"more sessions than the settings allow: {most}"
    troubled = {f"{kind}{base}" for base in (DEAD, SLOW, HELD) for kind in ("clients", "contracts")}
    others = {name for name in hard.statuses if name not in troubled}
    assert {hard.statuses[name] for name in others} == {"finished"}
    return {
        "flows": 2 * bases,
        "first load, s": max(load.ends.values()),
        "quiet night, s": max(quiet.ends.values()),
        "quiet night, processor seconds of the daemon": quiet.cpu,
        "quiet night, peak MB": quiet.peak_mb,
        "quiet night, requests per base": quiet.requests,
        "hard night, s": max(hard.ends.values()),
        "hard night, s until the others had their run": max(hard.ends[name] for name in others),
        "hard night, peak MB": hard.peak_mb,
        "hard night": hard.told(),
        "most sessions of a base at a time": max(most[SLOW:]),
    }


def _require_finished(night: Night) -> None:
    assert set(night.statuses.values()) == {"finished"}, night.told()


def _configure(home: Path, simulators: list[Simulator]) -> None:
    flows = home / "flows"
    flows.mkdir()
    shared = [f'state_dir = "{home}/state"', "parallel_runs = 4"]
    for number, simulator in enumerate(simulators):
        shared += [
            f'[bases.b{number}]\nurl = "{simulator.url}"\nuser = "{simulator.user}"',
            f'password = "{simulator.password}"\nretries = 0\nread_timeout = "20s"',
            f"sessions = {_SESSIONS}",
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
    shared.append('[report]\nformats = ["json"]')
    (home / "shared.toml").write_text("\n".join(shared))
    (home / "zvirka.toml").write_text("\n".join(shared))
    loaded = load_flows(home / "zvirka.toml", {}).loaded
    for number in range(len(simulators)):
        settings = loaded[f"clients{number}"].settings
        create_embedded(settings.erp.url, mapping_of(settings))
        with closing(sqlite3.connect(home / f"erp{number}.db")) as erp, erp:
            erp.execute(_TABLES)


def _night(home: Path, simulators: list[Simulator], further: str = "") -> Night:
    """One night of the daemon, until every flow has a run more than before."""
    before = {name: run for name, (run, _, _) in _last(home).items()}
    asked = [simulator.traffic.requests for simulator in simulators]
    flows = 2 * len(simulators)
    slot = datetime.now(_KYIV).replace(second=0, microsecond=0)
    # With such a jitter a daemon that starts after the slot is still on time, however slowly.
    schedule = f'[schedule]\nat = "{slot:%H:%M}"\njitter = "1h"\nretries = 0\n'
    shared = (home / "shared.toml").read_text()
    (home / "zvirka.toml").write_text(f"{shared}\n{schedule}{further}")
    command = [sys.executable, "-m", "zvirka.cli", "daemon", "--config", str(home / "zvirka.toml")]
    deadline = time.monotonic() + _LONGEST_NIGHT
    log = home / "daemon.log"
    began = datetime.now(UTC)
    with log.open("w") as told, subprocess.Popen(command, stderr=told) as process:
        try:
            while len(ended := _ended(home, before)) < flows and time.monotonic() < deadline:
                time.sleep(1)
            assert len(ended) == flows, f"{len(ended)} of {flows} flows had their night"
            status = Path(f"/proc/{process.pid}/status").read_text()
            cpu = _cpu(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
    time.sleep(61)  # the next night is another slot
    requests = [s.traffic.requests - n for s, n in zip(simulators, asked, strict=True)]
    return Night(
        ends={name: (at - began).total_seconds() for name, (_, at) in ended.items()},
        statuses={name: status for name, (status, _) in ended.items()},
        peak_mb=int(status.partition("VmHWM:")[2].split()[0]) / 1024,
        requests=max(requests),
        cpu=cpu,
    )


def _cpu(process: int) -> float:
    """Seconds of processor time a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ended(home: Path, before: dict[str, int]) -> dict[str, tuple[str, datetime]]:
    """Status and end of each flow's last run since ``before``, where it has ended."""
    return {
        name: (status, at)
        for name, (run, status, at) in _last(home).items()
        if run > before.get(name, 0) and at is not None
    }


def _last(home: Path) -> dict[str, tuple[int, str, datetime | None]]:
    found = {}
    for journal in home.glob("state/flows/*/journal.db"):
        row = None
        with (
            closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as rows,
            suppress(sqlite3.OperationalError),  # a journal that is being made
        ):
            row = rows.execute(
                "SELECT id, status, finished_at FROM run ORDER BY id DESC LIMIT 1"
            ).fetchone()
        if row is not None:
            at = datetime.fromisoformat(row[2]).replace(tzinfo=UTC) if row[2] else None
            found[journal.parent.name] = (int(row[0]), str(row[1]), at)
    return found
