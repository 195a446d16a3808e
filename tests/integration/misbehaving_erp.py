"""A real HTTP server in front of a production-shaped table, with the bad manners of a real ERP.

Out of the box it does what ERPs of that kind do: a create inserts blindly, an update looks the
client up by tax code, then by Код, then by name, keeps the old value where the new one is empty,
never touches the contact and never brings a client back, a delete deactivates and answers 500.
``trouble`` adds accidents of transport, used up one a request: by Код, or ``"*"`` for any.
Silence lasts ``silence`` seconds, a late commit comes ``late`` seconds after that.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError


class Trouble(StrEnum):
    """An accident that befalls one request."""

    TIMEOUT_AFTER_COMMIT = "the work is done, the answer never comes"
    TIMEOUT_BEFORE_COMMIT = "nothing is done, the answer never comes"
    LATE_COMMIT = "the answer does not come in time, the work is done later"
    CUT_BEFORE_COMMIT = "the connection is cut, nothing is done"
    CUT_AFTER_COMMIT = "the work is done, the connection is cut"
    FAILS_AFTER_COMMIT = "the work is done, the answer is 500"
    FAILS_BEFORE_COMMIT = "nothing is done, the answer is 500"
    GATEWAY = "nothing is done, a proxy answers 504"
    LOGIN_PAGE = "nothing is done, a page is answered with 200"
    TOO_MANY = "nothing is done, 429 with Retry-After"
    SAYS_NO = "nothing is done, 200 with JSON that says so"
    UNAUTHORISED = "nothing is done, 401"
    REDIRECT = "nothing is done, a redirect to the login page"


@dataclass
class Manners:
    """What the ERP's own code does; the defaults are those of a real one."""

    lookup: tuple[str, ...] = ("tax_code", "external_id", "name")
    clears: bool = False
    touches_contact: bool = False
    reactivates: bool = False
    delete_answers: int = 500


@dataclass
class MisbehavingErp:
    """The server; a context manager. ``url`` is the webhook's address, ``posts`` all it got."""

    database: str
    manners: Manners = field(default_factory=Manners)
    trouble: dict[str, list[Trouble]] = field(default_factory=lambda: defaultdict(list))
    posts: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    silence: float = 0.6
    late: float = 0.2

    def __enter__(self) -> Self:
        self._engine = create_engine(self.database)
        self._lock = threading.Lock()
        self.under_way = self.most_under_way = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/webhook/1c/clients"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._engine.dispose()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            self.posts.append(body)
            self.headers.append(dict(handler.headers))
            code = body["clientData"].get("Код", "")
            queue = self.trouble[code] or self.trouble["*"]
            trouble = queue.pop(0) if queue else None
        try:
            self._answer(handler, body, trouble)
        finally:
            with self._lock:
                self.under_way -= 1

    def _answer(
        self, handler: BaseHTTPRequestHandler, body: dict[str, Any], trouble: Trouble | None
    ) -> None:
        answers: dict[Trouble, tuple[int, str, dict[str, str]]] = {
            Trouble.GATEWAY: (504, "", {}),
            Trouble.FAILS_BEFORE_COMMIT: (500, '{"error": "internal"}', {}),
            Trouble.LOGIN_PAGE: (200, "<!DOCTYPE html><title>Вхід</title>", {}),
            Trouble.TOO_MANY: (429, "", {"Retry-After": "1"}),
            Trouble.SAYS_NO: (200, '{"success": false}', {}),
            Trouble.UNAUTHORISED: (401, "{}", {}),
            Trouble.REDIRECT: (302, "", {"Location": self.url + "/login"}),
        }
        if trouble in answers:
            _send(handler, *answers[trouble])
            return
        if trouble is Trouble.TIMEOUT_BEFORE_COMMIT:
            time.sleep(self.silence)
            return
        if trouble is Trouble.LATE_COMMIT:
            time.sleep(self.silence + self.late)
        if trouble is Trouble.CUT_BEFORE_COMMIT:
            return
        status = self._work(body)
        if trouble is Trouble.TIMEOUT_AFTER_COMMIT:
            time.sleep(self.silence)
        if trouble in {None, Trouble.FAILS_AFTER_COMMIT}:
            status = 500 if trouble else status
            _send(handler, status, json.dumps({"success": status == 200}), {})

    def _work(self, body: dict[str, Any]) -> int:
        data = body["clientData"]
        try:
            with self._engine.begin() as connection:
                if body["action"] == "create":
                    self._insert(connection, data)
                    return 200
                row = self._find(connection, data)
                if body["action"] == "delete":
                    if row is not None:
                        _run(
                            connection, "UPDATE clients SET is_active = ? WHERE id = ?", False, row
                        )
                    return self.manners.delete_answers
                if row is None:
                    self._insert(connection, data)
                else:
                    self._update(connection, row, data)
                return 200
        except SQLAlchemyError:
            return 500

    def _find(self, connection: Connection, data: dict[str, Any]) -> int | None:
        values = {
            "tax_code": data.get("ИНН"),
            "external_id": data.get("Код"),
            "name": data.get("Наименование"),
        }
        for column in self.manners.lookup:
            if values[column]:
                statement = f"SELECT id FROM clients WHERE {column} = ?"
                if found := _run(connection, statement, values[column]):
                    return int(found[0][0])
        return None

    def _insert(self, connection: Connection, data: dict[str, Any]) -> None:
        _run(
            connection,
            "INSERT INTO clients (name, tax_code, legal_address, external_id, client_type_id,"
            " source) VALUES (?, ?, ?, ?, 1, '1c')",
            data["Наименование"],
            data.get("ИНН") or None,
            data.get("Адрес"),
            data.get("Код"),
        )
        row = _run(connection, "SELECT MAX(id) FROM clients")[0][0]
        _run(
            connection,
            "INSERT INTO client_contacts (client_id, full_name, is_primary, primary_phone, email)"
            " VALUES (?, ?, ?, ?, ?)",
            row,
            data["Наименование"][:20],
            True,
            data.get("Телефон"),
            data.get("Email"),
        )

    def _update(self, connection: Connection, row: int, data: dict[str, Any]) -> None:
        columns = {
            "name": "Наименование",
            "tax_code": "ИНН",
            "legal_address": "Адрес",
            "external_id": "Код",
        }
        contact = {"primary_phone": "Телефон", "email": "Email"}
        self._set(connection, "clients", "id", row, columns, data)
        if self.manners.touches_contact:
            self._set(connection, "client_contacts", "client_id", row, contact, data)
        if self.manners.reactivates:
            _run(connection, "UPDATE clients SET is_active = ? WHERE id = ?", True, row)

    def _set(
        self,
        connection: Connection,
        table: str,
        pk: str,
        row: int,
        columns: dict[str, str],
        data: dict[str, Any],
    ) -> None:
        for column, key in columns.items():
            if data.get(key) or self.manners.clears:
                value = data.get(key) or None
                _run(connection, f"UPDATE {table} SET {column} = ? WHERE {pk} = ?", value, row)


def _run(connection: Connection, statement: str, *values: Any) -> list[Any]:
    if connection.dialect.name != "sqlite":
        statement = statement.replace("?", "%s")
    result = connection.exec_driver_sql(statement, values)
    return list(result) if result.returns_rows else []


def _send(handler: BaseHTTPRequestHandler, status: int, body: str, headers: dict[str, str]) -> None:
    content = body.encode()
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(content))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def _handler(erp: MisbehavingErp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            # A behaviour that returns without an answer has cut the connection.
            self.close_connection = True
            erp.handle(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler
