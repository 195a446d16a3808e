"""The whole loop: 1C writes, the rendered module pushes, some of it is lost, a night heals it.

One infobase seen from two sides: the interpreter runs the rendered module over it, the simulator
serves the same counterparties over OData. Between module and receiver stands a network that loses
what it is told to lose.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.bsl.catalog import CatalogObject
from tests.bsl.syntax import read
from tests.bsl.values import Array
from tests.bsl.world import ACCOUNTING, KINDS, contact
from tests.bsl.world import World as OneC
from tests.integration.receiver_world import PATH, running
from tests.integration.store_shapes import scanned_rows
from zvirka.bsl.render import render
from zvirka.domain import Cause, Difference, Trigger
from zvirka.erp import open_store
from zvirka.mapping import Mapping
from zvirka.receiver.run_receiver import receiver_app
from zvirka.reconcile.environment import open_environment
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run import perform
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions

TOKEN = "token-of-the-loop"


class Network:
    """Forwards webhooks to the receiver, but for the codes it is told to lose.

    ``lost`` says how: a status is answered in the receiver's place, 0 cuts the connection.
    """

    def __init__(self) -> None:
        self.receiver = ""
        self.lost: dict[str, int] = {}
        self.messages: list[dict[str, Any]] = []
        network = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = json.loads(body)
                network.messages.append(message)
                status = network.lost.get(message["clientData"]["Код"])
                if status == 0:
                    self.connection.close()
                    return
                if status is not None:
                    self._answer(status, b"")
                    return
                headers = {n: self.headers[n] for n in ("Content-Type", "Authorization")}
                answer = httpx.post(network.receiver + self.path, content=body, headers=headers)
                self._answer(answer.status_code, answer.content)

            def _answer(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep the test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{PATH}"


@contextmanager
def network() -> Iterator[Network]:
    made = Network()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


class Loop:
    """1C on one side, the ERP on the other, and the night between them."""

    def __init__(
        self, onec: OneC, sim: Simulator, net: Network, settings: Settings, mapping: Mapping
    ) -> None:
        self.onec, self.sim, self.net = onec, sim, net
        self.settings, self.mapping = settings, mapping

    def now(self) -> datetime:
        return self.onec.now.replace(tzinfo=UTC)

    def later(self, **duration: float) -> None:
        self.onec.now += timedelta(**duration)

    def write(self, code: str, ref: str = "", *, pushed: bool = True, **fields: str) -> str:
        """A person writes a counterparty; the module pushes it; OData serves it. Its Ref_Key."""
        self.later(seconds=1)
        known = self._open(ref) if ref else self.onec.new(Код=code)
        if not pushed:
            known.bsl_get("ОбменДанными").put("Загрузка", True)
        for name, value in fields.items():
            self._set(known, name, value)
        known.Записать()
        if ref:
            self.sim.base.update(ref, **fields)
        else:
            ref = self.sim.base.create(ref=str(known.guid), code=code, **fields)
        return ref

    def delete(self, ref: str) -> None:
        self.later(seconds=1)
        self._open(ref).Удалить()
        self.sim.base.delete(ref)

    def _open(self, ref: str) -> CatalogObject:
        [found] = [
            guid
            for name, guid in self.onec.base.committed.rows
            if name == "Контрагенты" and str(guid) == ref
        ]
        return CatalogObject(self.onec.base, ACCOUNTING, found)

    def _set(self, known: CatalogObject, name: str, value: str) -> None:
        attributes = {"name": "Наименование", "tax_id": "КодПоЕДРПОУ"}
        if name in attributes:
            known.bsl_set(attributes[name], value)
            return
        types = {"phone": "Телефон", "email": "АдресЭлектроннойПочты"}
        section: Array = known.bsl_get("КонтактнаяИнформация")
        kept = [row for row in section if row.bsl_get("Тип").name != types[name]]
        known.bsl_set("КонтактнаяИнформация", Array([*kept, contact(None, types[name], value)]))

    def night(self) -> tuple[Summary, list[Difference]]:
        """One reconciliation, as the timer starts it."""
        self.later(hours=1)
        with open_environment(self.settings, self.mapping) as environment:
            summary = perform(
                dataclasses.replace(environment, now=self.now),
                Request(trigger=Trigger.TIMER, who="zvirka"),
            )
            return summary, [
                difference
                for page in environment.journal.differences(summary.run)
                for difference in page
            ]

    def erp(self) -> dict[str, dict[str, str]]:
        """Active clients by code, NULL as ''."""
        store = open_store(self.settings.erp, self.mapping)
        try:
            rows = scanned_rows(store)
            clients = [client for client in store.read_rows(rows) if client.active]
        finally:
            store.close()
        return {c.key: {n: v or "" for n, v in c.values.items()} for c in clients}

    def in_1c(self) -> dict[str, dict[str, str]]:
        """What 1C holds by code."""
        held = [self.sim.base.get(ref).values for ref in self.sim.base.refs()]
        return {
            str(values["code"]): {name: values[name] or "" for name in self.mapping.names}
            for values in held
        }


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    log = tmp_path / "zvirka-push.log"
    with (
        network() as net,
        Simulator(SimulatorOptions(profile="accounting", counterparties=5)) as sim,
    ):
        settings = Settings.model_validate(
            {
                "state_dir": str(tmp_path / "state"),
                "onec": {"url": sim.url, "user": sim.user, "password": sim.password},
                "erp": {"url": f"sqlite:///{tmp_path}/clients.db"},
                "receiver": {"tokens": [TOKEN]},
                "report": {"dir": str(tmp_path / "reports"), "push_log": str(log)},
                "guard": {"max_change_share": 1, "max_delete_share": 1, "shrink_share": 1},
                "bsl": {"address": net.url, "log_file": str(log)},
            }
        )
        mapping = mapping_of(settings)
        render(settings, mapping, tmp_path / "bsl")
        onec = OneC(
            tmp_path,
            ACCOUNTING,
            KINDS,
            modules={"Zvirka": read(tmp_path / "bsl" / "dropin" / "Zvirka.bsl")},
            object_module=read(tmp_path / "bsl" / "dropin" / "ObjectModule.bsl"),
        )
        made = Loop(onec, sim, net, settings, mapping)
        with receiver_app(settings, mapping, clock=made.now) as app, running(app) as address:
            net.receiver = address
            yield made


@pytest.mark.long
def test_every_lost_webhook_is_healed_and_named_with_the_error_behind_it(loop: Loop) -> None:
    summary, _ = loop.night()
    assert summary.exit_code == 0, summary.error
    assert loop.erp() == loop.in_1c()

    taken = loop.write("A1", name="Дійшло", tax_id="11111111", phone="+380441234567")
    gone = loop.write("A2", name="Вилучать")
    lost_update = loop.write("A3", name="Давня назва", email="old@example.com")
    assert {code: loop.erp()[code] for code in ("A1", "A2", "A3")} == {
        code: loop.in_1c()[code] for code in ("A1", "A2", "A3")
    }
    assert loop.night()[1] == []

    loop.net.lost = {"A2": 503, "A3": 0, "A4": 502}
    loop.write("A1", taken, name="Дійшло знову")
    loop.delete(gone)
    loop.write("A3", lost_update, name="Нова назва", email="new@example.com")
    lost_create = loop.write("A4", name="Загублене")
    never_sent = loop.write("A5", pushed=False, name="Завантажене обміном")
    behind = {"A2", "A3", "A4", "A5"}
    assert {
        code
        for code in {*loop.erp(), *loop.in_1c()}
        if loop.erp().get(code) != loop.in_1c().get(code)
    } == behind

    summary, differences = loop.night()
    assert summary.exit_code == 0, summary.error
    assert loop.erp() == loop.in_1c()
    told = {difference.key: difference for difference in differences}
    assert set(told) == behind
    assert told["A2"].cause is Cause.MISSED_DELETE
    assert "503: HTTP 503" in told["A2"].evidence
    assert told["A3"].cause is Cause.MISSED_UPDATE
    assert "Ошибка работы с Интернет" in told["A3"].evidence
    assert told["A4"].cause is Cause.MISSED_CREATE
    assert "502: HTTP 502" in told["A4"].evidence
    assert told["A5"].evidence.startswith("no webhook came")
    assert {told["A4"].ref, told["A5"].ref} == {lost_create, never_sent}
    whole = "".join(path.read_text(encoding="utf-8") for path in summary.reports)
    for code in behind:
        assert code in whole
    assert "HTTP 503" in whole


def test_a_late_copy_of_an_old_message_does_not_undo_the_night(loop: Loop) -> None:
    loop.night()
    ref = loop.write("B1", name="Перша")
    old = loop.net.messages[-1]
    loop.write("B1", ref, name="Друга")
    answer = httpx.post(
        loop.net.receiver + PATH, json=old, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert (answer.status_code, answer.json()["outcome"]) == (200, "stale")
    assert loop.erp()["B1"]["name"] == "Друга"
    assert loop.night()[1] == []
