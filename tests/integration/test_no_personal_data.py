"""Marked values go through the services; nothing the services say has one of them.

The commands are in tests/unit/cli/test_marked_values.py; here are the daemon and the receiver as
processes: their logs, what systemd is told, alerts, metrics, the files beside the journal.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.integration.service_world import (
    PASSWORD,
    configure,
    daemon,
    free_port,
    stop,
    wait_for_run,
)
from tests.unit.service.test_alerts import mailbox
from zvirka.simulator import Simulator, SimulatorOptions

pytestmark = pytest.mark.long

MARKS = {
    "name": "Позначенко",
    "tax_id": "3141592653",
    "phone": "+380 67 271-82-81",
    "email": "marked@example.com.ua",
    "address": "вул. Позначена",
}
TOKEN = "TAJEMNYJ-TOKEN-4712"
REFUSED = 7


@pytest.fixture
def onec() -> Iterator[Simulator]:
    with Simulator(SimulatorOptions(counterparties=20, password=PASSWORD)) as simulator:
        for _ in range(REFUSED):
            simulator.base.create(**MARKS)
        yield simulator


def assert_unmarked(what: str, text: str) -> None:
    for mark in [PASSWORD, TOKEN, *MARKS.values(), "271-82-81", "2718281", "67271"]:
        for shape in (mark, mark.encode("unicode_escape").decode()):
            assert shape not in text, f"{mark} is in the {what}:\n{text}"


def a_store_that_refuses_the_marked(folder: Path) -> str:
    """A table whose trigger repeats the name in its error, as people's triggers do."""
    with closing(sqlite3.connect(folder / "erp.db")) as erp, erp:
        erp.executescript(
            """
            CREATE TABLE clients (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT, tax_id TEXT,
                phone TEXT, email TEXT, address TEXT, source TEXT, is_active BOOLEAN DEFAULT 1);
            CREATE TRIGGER refuse BEFORE INSERT ON clients
                WHEN NEW.name LIKE 'Познач%' AND NEW.code NOT LIKE '%1' BEGIN
                SELECT RAISE(ABORT, 'Позначенко, marked@example.com.ua, +380 67 271-82-81');
            END;
            """
        )
    return 'table = "clients"\nowned = "source = \'1c\'"\non_create = { source = "1c" }\n'


def test_nothing_the_daemon_says_anywhere_is_personal_or_secret(
    onec: Simulator, tmp_path: Path
) -> None:
    textfile = tmp_path / "zvirka.prom"
    with mailbox() as (port, mail):
        extra = (
            f'[metrics]\ntextfile = "{textfile}"\n[log]\nlevel = "DEBUG"\n'
            f'[alerts]\nurls = ["json://{TOKEN}@127.0.0.1:{port}/"]\n'
        )
        file = configure(tmp_path, onec, due=True, extra=extra)
        table = a_store_that_refuses_the_marked(tmp_path)
        file.write_text(file.read_text().replace("[guard]", f"{table}[guard]"))
        with daemon(tmp_path, file) as (process, supervisor):
            wait_for_run(tmp_path, status="finished")
            supervisor.wait_for("виправлено")
            end = time.monotonic() + 30
            while not mail and time.monotonic() < end:
                time.sleep(0.1)
            command = Path(f"/proc/{process.pid}/cmdline").read_text()
            assert stop(process) == 0
    log = (tmp_path / "log").read_text()
    assert "запуск завершується" in log
    assert [message["title"] for message in mail] == ["zvirka: розбіжності залишилися"]
    assert_unmarked("log", log)
    assert_unmarked("status", "\n".join(supervisor.told))
    assert_unmarked("alert", str(mail))
    assert_unmarked("command line", command)
    assert_unmarked("metrics", textfile.read_text())
    for beside in ("alerts.json", "run.lock"):
        assert_unmarked(beside, (tmp_path / "state" / beside).read_text())


def test_nothing_the_receiver_says_is_personal_or_secret(onec: Simulator, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    extra = f'[log]\nlevel = "DEBUG"\n[receiver]\nlisten = "{address}"\ntokens = ["{TOKEN}"]\n'
    file = configure(tmp_path, onec, due=False, extra=extra)
    table = a_store_that_refuses_the_marked(tmp_path)
    file.write_text(file.read_text().replace("[guard]", f"{table}[guard]"))
    fields = {"Наименование": "name", "ИНН": "tax_id", "Телефон": "phone", "Email": "email"}
    data = {theirs: MARKS[ours] for theirs, ours in fields.items()}
    with daemon(tmp_path, file, "serve") as (process, supervisor):
        supervisor.wait_for("READY=1")
        url = f"http://{address}/api/webhook/1c/clients"
        answers = [
            httpx.post(url, headers={"Authorization": f"Bearer {token}"}, **body).status_code
            for token in (TOKEN, MARKS["name"].encode().hex())
            for body in (
                {"json": {"action": "create", "data": {**data, "Код": "000000002"}}},
                {"json": {"action": MARKS["email"], "data": data}},
                {"content": str(data).encode()},
            )
        ]
        assert stop(process) == 0
    assert 401 in answers
    assert any(400 <= status < 500 and status != 401 for status in answers)
    log = (tmp_path / "log").read_text()
    assert log
    assert_unmarked("log", log)
    assert_unmarked("status", "\n".join(supervisor.told))
