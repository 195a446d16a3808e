"""A receiver over a real store and a real journal, asked over its own doors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import uvicorn
from sqlalchemy import Engine, create_engine, text

from zvirka.erp import open_store
from zvirka.erp.protocol import Store
from zvirka.journal.engine import open_engine
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.receiver.run_receiver import receiver_app
from zvirka.settings.model import Settings

PATH = "/api/webhook/1c/clients"
KEYS = {
    "code": "Код",
    "name": "Наименование",
    "tax_id": "ИНН",
    "phone": "Телефон",
    "email": "Email",
    "address": "Адрес",
}
MAPPING = Mapping(
    catalog="Контрагенты",
    fields=tuple(Field(name, Attribute(key), payload=key) for name, key in KEYS.items()),
)
MAPPING_BY_REF = Mapping(catalog="Контрагенты", key=("ref",), fields=MAPPING.fields[1:])
NOW = datetime(2026, 1, 31, 22, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp() * 1000)
REF = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
OTHER_REF = "7f9619ff-8b86-d011-b42d-00c04fc964ff"


def settings(directory: Path, **tables: Any) -> Settings:
    base: dict[str, Any] = {
        "state_dir": str(directory / "state"),
        "onec": {"url": "http://1c.example/base"},
        "erp": {"url": f"sqlite:///{directory}/clients.db"},
    }
    return Settings.model_validate(base | tables)


def body(action: str, **changes: Any) -> dict[str, Any]:
    """A message of the old module: six fields; ``changes`` by our field names."""
    data = {
        "code": "000000001",
        "name": "Альфа",
        "tax_id": "12345678",
        "phone": "+380441234567",
        "email": "alpha@example.com",
        "address": "Київ",
    } | changes
    return {
        "action": action,
        "clientData": {KEYS.get(name, name): value for name, value in data.items()},
    }


def new_body(
    action: str, stamp: int = STAMP, ref: str = REF, mark: bool = False, **changes: Any
) -> dict[str, Any]:
    """A message of our module."""
    message = body(action, **changes)
    message["clientData"] |= {"Ссылка": ref, "ПометкаУдаления": mark, "ВерсияДанных": "AAAAAQ=="}
    content = hashlib.sha256(json.dumps([message, stamp]).encode()).hexdigest()
    return message | {"messageId": f"m-{content[:16]}", "stamp": stamp}


class World:
    """The receiver's client and the means to look behind it."""

    def __init__(self, client: httpx.Client, settings: Settings, mapping: Mapping) -> None:
        self.client = client
        self.settings = settings
        self.mapping = mapping

    def post(self, message: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.client.post(PATH, json=message, headers=headers)

    def post_raw(self, content: bytes, **headers: str) -> httpx.Response:
        given = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.client.post(PATH, content=content, headers=given)

    def outcome(self, message: Any) -> str:
        answer = self.post(message)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["outcome"])

    def store(self) -> Store:
        return open_store(self.settings.erp, self.mapping)

    def clients(self) -> list[dict[str, Any]]:
        """The embedded table, row by row, without its own times."""
        return self.sql("SELECT * FROM clients ORDER BY id")

    def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        engine = create_engine(self.settings.erp.url)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement), values)
                return [dict(row) for row in result.mappings()] if result.returns_rows else []
        finally:
            engine.dispose()

    def journal(self) -> Engine:
        return open_engine(self.settings)[0]

    def receipts(self) -> list[dict[str, Any]]:
        engine = self.journal()
        try:
            with engine.connect() as connection:
                result = connection.execute(text("SELECT * FROM receipt ORDER BY id"))
                return [dict(row) for row in result.mappings()]
        finally:
            engine.dispose()


@contextmanager
def receiver(
    directory: Path,
    mapping: Mapping = MAPPING,
    now: datetime = NOW,
    who: str = "zvirka",
    **tables: Any,
) -> Iterator[World]:
    made = settings(directory, **tables)
    with (
        receiver_app(made, mapping, clock=lambda: now, who=who) as app,
        running(app) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield World(client, made, mapping)


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve the application on a free port of this machine; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_config=None))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
