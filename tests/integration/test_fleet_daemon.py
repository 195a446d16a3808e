"""The daemon and the commands of people with workers: who decides, who runs, who is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.integration.fleet_world import Fleet, fleet
from tests.integration.service_world import KYIV

pytestmark = pytest.mark.long


def due() -> str:
    """The schedule of a night that begins now."""
    return f'[schedule]\nat = "{datetime.now(KYIV):%H:%M}"\n'


def cli(world: Fleet, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zvirka.cli", *command, "--config", str(world.file)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_daemon_orders_its_nights_from_workers(tmp_path: Path) -> None:
    with fleet(tmp_path, flows=2, servers=2, extra=due()) as world:
        first = world.start("daemon")
        orders = "SELECT count(*) FROM procrastinate_jobs"
        world.wait(lambda: world.count(orders) == 2, "no night is ordered")
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0, "a daemon that stops leaves its orders where they are"
        world.start("daemon")
        world.worker()
        for name in world.names:
            world.wait(lambda name=name: bool(world.runs(name)), "no night is run")  # type: ignore[misc]
            world.wait(lambda name=name: world.runs(name)[0][0] == "finished", "it does not end")  # type: ignore[misc]
        assert world.count(orders) == 2
        assert world.runs("f0") == [("finished", "schedule", "zvirka daemon")]
        assert [world.clients(name) for name in world.names] == [8, 8]


def test_flows_that_wait_need_neither_a_thread_nor_a_query_each(tmp_path: Path) -> None:
    with fleet(tmp_path, flows=16, servers=2, counterparties=1, extra=due()) as world:
        daemon = world.start("daemon")
        orders = "SELECT count(*) FROM procrastinate_jobs"
        world.wait(lambda: world.count(orders) == 16, "no nights are ordered", seconds=150)
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        (threads,) = (line.split()[1] for line in status.splitlines() if line[:7] == "Threads")
        assert int(threads) < 16
        time.sleep(5)  # each flow has looked into its journal after its start
        before = transactions(world)
        time.sleep(5)
        assert transactions(world) - before < 5 * 16 / 2


def transactions(world: Fleet) -> int:
    """How many transactions the database has had; a query outside of one counts, too."""
    query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = :name"
    return int(world.queue(query, name=make_url(world.journal).database)[0][0])


def test_a_person_asks_a_worker_and_learns_where_it_runs(tmp_path: Path) -> None:
    with fleet(tmp_path) as world:
        here = cli(world, "plan", "--flow", "f0", "--json")
        assert here.returncode == 1
        assert "worker runs it" not in here.stderr
        assert "Виконує" not in here.stderr
        world.worker()
        done = cli(world, "resync", "--all", "--flow", "f0", "--reason", "a test", "--json")
        assert done.returncode == 0, done.stderr
        assert "worker runs it" in done.stderr or "Виконує" in done.stderr
        assert json.loads(done.stdout)["run"] == 2
        assert world.clients("f0") == 8
        nothing = cli(world, "approve", "1", "--flow", "f0", "--reason", "a test")
        assert nothing.returncode == 64
        assert "ZV5401" in nothing.stderr
        assert [run[0] for run in world.runs("f0")] == ["finished", "finished"]
