"""How many webhooks a second receivers take in durably, asked by 32 clients at a time.

Each server runs in a process of its own: one over SQLite files, store and journal, as shipped; or
one and two over PostgreSQL, store and journal in two databases. The load comes from raw sockets: an
HTTP client library would cost more than the server does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import create_engine, text

from tests.integration.databases import fresh
from tests.integration.store_shapes import SHAPES
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import Settings

CONCURRENCY = 32
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
SERVER = """
import sys, msgspec
from zvirka.mapping import Mapping
from zvirka.receiver.run_receiver import serve
from zvirka.settings.model import Settings
settings, mapping = sys.argv[1:]
serve(
    Settings.model_validate_json(settings),
    msgspec.json.decode(mapping, type=Mapping),
    on_ready=lambda: print("ready", flush=True),
)
"""


def measure(
    seconds: float = 10.0,
    directory: Path | None = None,
    *,
    receivers: int = 1,
    postgresql: bool = False,
) -> dict[str, Any]:
    """Load receivers for so long; return what was taken in and how long an answer took.

    ``per_second`` counts answers 200; ``stored`` and ``receipts`` are counted in the databases
    afterwards and must both equal ``taken`` (``true`` says they do). Times in milliseconds.
    """
    with tempfile.TemporaryDirectory(dir=directory) as made, ExitStack() as running:
        folder = Path(made)
        tables, mapping = _on_postgresql(folder) if postgresql else _on_sqlite(folder)
        all_settings = [_settings(folder / str(number), tables) for number in range(receivers)]
        addresses = [running.enter_context(_server(settings, mapping)) for settings in all_settings]
        started = time.perf_counter()
        waits = asyncio.run(_load(addresses, seconds, all_settings[0].receiver.path))
        took = time.perf_counter() - started
        running.close()
        stored = _count(
            all_settings[0].erp.url,
            f"SELECT COUNT(DISTINCT {all_settings[0].erp.key or 'code'}) FROM clients",
        )
        receipts = _count(
            tables["journal"]["url"], "SELECT COUNT(*) FROM receipt WHERE outcome = 'created'"
        )
    waits.sort()
    return {
        "receivers": receivers,
        "concurrency": CONCURRENCY,
        "cores": os.cpu_count(),
        "seconds": round(took, 2),
        "taken": len(waits),
        "per_second": round(len(waits) / took, 1),
        "median_ms": round(waits[len(waits) // 2] * 1000, 1),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "stored": stored,
        "receipts": receipts,
        "true": stored == receipts == len(waits),
    }


def _on_sqlite(folder: Path) -> tuple[dict[str, Any], Mapping]:
    journal = {"url": f"sqlite:///{folder}/journal.db"}
    return {"erp": {"url": f"sqlite:///{folder}/clients.db"}, "journal": journal}, MAPPING


def _on_postgresql(folder: Path) -> tuple[dict[str, Any], Mapping]:
    shape = SHAPES["production"]("postgresql", folder)
    return {"erp": shape.erp, "journal": {"url": fresh("postgresql", folder)}}, shape.mapping


def _settings(directory: Path, tables: dict[str, Any]) -> Settings:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = {
        "state_dir": str(directory),
        "onec": {"url": "http://1c.example/base"},
        "receiver": {"listen": f"127.0.0.1:{port}"},
    }
    return Settings.model_validate(base | tables)


@contextmanager
def _server(settings: Settings, mapping: Mapping) -> Iterator[tuple[str, int]]:
    """A receiver that serves; its host and port."""
    command = [sys.executable, "-c", SERVER]
    command += [settings.model_dump_json(by_alias=True), msgspec.json.encode(mapping).decode()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        host, _, port = settings.receiver.listen.partition(":")
        yield host, int(port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def _load(addresses: Sequence[tuple[str, int]], seconds: float, path: str) -> list[float]:
    until = time.perf_counter() + seconds
    clients = [
        _client(*addresses[number % len(addresses)], path, number, until)
        for number in range(CONCURRENCY)
    ]
    return [wait for waits in await asyncio.gather(*clients) for wait in waits]


async def _client(host: str, port: int, path: str, number: int, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    waits: list[float] = []
    count = 0
    while time.perf_counter() < until:
        count += 1
        begun = time.perf_counter()
        writer.write(_request(path, f"{number:02d}-{count:06d}"))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"not taken in: {answer.decode()}")
        waits.append(time.perf_counter() - begun)
    writer.close()
    return waits


def _request(path: str, code: str) -> bytes:
    data = {
        "Код": code,
        "Наименование": "ТОВ «Пшениця та компанія»",
        "ИНН": f"3{code.replace('-', '')}",
        "Телефон": "+380 44 123-45-67",
        "Email": "office@example.com",
        "Адрес": "01001, м. Київ, вул. Хрещатик, буд. 1",
        "Ссылка": f"6f9619ff-8b86-d011-{code[:2]}00-000000{code[3:]}",
        "ПометкаУдаления": False,
        "ВерсияДанных": "AAAAAQAAAAA=",
    }
    message = {
        "action": "create",
        "clientData": data,
        "messageId": code,
        "stamp": int(time.time() * 1000),
    }
    body = json.dumps(message, ensure_ascii=False).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: receiver\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _count(url: str, statement: str) -> int:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(text(statement)).scalar_one())
    finally:
        engine.dispose()


if __name__ == "__main__":
    for_seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    for number in (1, 2):
        print(json.dumps(measure(for_seconds, receivers=number, postgresql=True), indent=2))
