"""The web server in front of the publication: HTTP, Basic authentication, limits, broken wires."""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import hmac
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from zvirka.simulator.faults import Faults
from zvirka.simulator.ib_sessions import IbSessions
from zvirka.simulator.odata_answers import TEXT, OdataAnswer, html
from zvirka.simulator.publication import Publication
from zvirka.simulator.query_options import decoded

MAX_QUERY = 2048
"""Characters of a query a default IIS accepts."""
MAX_SEGMENT = 260
"""Characters of a path segment a default IIS accepts."""


class Logged(msgspec.Struct):
    """One request as it came: ``path`` relative to the interface, ``query`` decoded.

    Header names are in lower case; credentials are left out.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int = 0
    bytes: int = 0


class RequestTraffic(msgspec.Struct):
    """Sums over the requests so far; ``bytes`` are of answer bodies as sent."""

    requests: int = 0
    bytes: int = 0


@dataclass
class Gate:
    """Checks and logs requests before the publication answers; shared by all connections."""

    publication: Publication
    sessions: IbSessions
    faults: Faults
    user: str
    password: str = field(repr=False)
    base_path: str
    gzip: bool
    before: Callable[[], None] = lambda: None
    requests: list[Logged] = field(default_factory=list)
    traffic: RequestTraffic = field(default_factory=RequestTraffic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(
        self, method: str, target: str, headers: dict[str, str]
    ) -> tuple[OdataAnswer, Logged]:
        """The answer to a request, before the wire may spoil it."""
        raw_path, _, raw_query = target.partition("?")
        path, query = unquote(raw_path), decoded(raw_query)
        shown = {name: value for name, value in headers.items() if name != "authorization"}
        logged = Logged(method, path.removeprefix(self.base_path), query, shown)
        with self.lock:
            self.before()
            self.requests.append(logged)
            self.traffic.requests += 1
            number = self.traffic.requests
        answer = self._web_server(raw_path, raw_query) or self._infobase(logged, headers, number)
        logged.status = answer.status
        return answer, logged

    def _web_server(self, raw_path: str, raw_query: str) -> OdataAnswer | None:
        """What the web server refuses by itself."""
        too_long = len(raw_query) > MAX_QUERY or any(
            len(each) > MAX_SEGMENT for each in unquote(raw_path).split("/")
        )
        if too_long or "+" in raw_path or not unquote(raw_path).startswith(self.base_path):
            return html("404 - File or directory not found.", "The resource was removed.", 404)
        return None

    def _infobase(self, logged: Logged, headers: dict[str, str], number: int) -> OdataAnswer:
        faults = self.faults
        address = f"{logged.path}?{'&'.join(f'{k}={v}' for k, v in logged.query.items())}"
        meant = faults.applies(address)
        if meant and faults.latency:
            time.sleep(faults.latency)
        if faults.maintenance:
            text = "Начало сеанса с информационной базой запрещено. Ведутся регламентные работы."
            return OdataAnswer(text.encode(), TEXT, 503)
        if not self._authorised(headers) or faults.expire("unauthorized_after"):
            text = "Идентификация пользователя не выполнена"
            challenge = {"WWW-Authenticate": 'Basic realm="1C:Enterprise"'}
            return OdataAnswer(text.encode(), TEXT, 401, challenge)
        entered = self.sessions.enter(headers)
        if isinstance(entered, OdataAnswer):
            return entered
        if number in faults.fail_500_at or (meant and faults.take("fail_500")):
            text = "Внутренняя ошибка сервера: превышено время ожидания блокировки"
            return OdataAnswer(text.encode(), TEXT, faults.fail_status)
        if meant and faults.take("html_200"):
            return html("1С:Предприятие", "Не удалось подключиться к серверу 1С", 200)
        accept = headers.get("accept", "")
        answer = self.publication.answer(logged.method, logged.path, logged.query, accept)
        answer.headers = answer.headers | entered
        if meant and faults.take("truncate_json"):
            answer.body = answer.body[: len(answer.body) // 2]
        return answer

    def _authorised(self, headers: dict[str, str]) -> bool:
        scheme, _, coded = headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(coded, validate=True)
        except binascii.Error:
            return False
        wanted = f"{self.user}:{self.password}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    server: WebServer
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a request of any method."""
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(int(length) if length.isdecimal() else 0)
        gate = self.server.gate
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer, logged = gate.answer(self.command, self.path, headers)
        body = answer.body
        extra = answer.headers
        if gate.gzip and len(body) > 1000 and "gzip" in headers.get("accept-encoding", ""):
            body = gzip.compress(body, compresslevel=1)
            extra = extra | {"Content-Encoding": "gzip"}
        logged.bytes = len(body)
        with gate.lock:
            gate.traffic.bytes += len(body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        self._send(body, gate.faults)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def _send(self, body: bytes, faults: Faults) -> None:
        limit = faults.drop_after_bytes
        if limit is not None and len(body) > limit and faults.take("drop_times"):
            self.wfile.write(body[:limit])
            self.wfile.flush()
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        elif faults.stall and body:
            half = len(body) // 2
            self.wfile.write(body[:half])
            time.sleep(faults.stall)
            self.wfile.write(body[half:])
        elif self.command != "HEAD":
            self.wfile.write(body)

    def handle(self) -> None:
        """Serve requests until the client goes away; its going away is no error."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Say nothing: the log of requests is kept as data."""


class WebServer(socketserver.ThreadingTCPServer):
    """A thread a connection. Closing it closes the open connections as well."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], gate: Gate, certificate: Path | None = None
    ) -> None:
        self.gate = gate
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the handshake waits for the connection's own thread."""
        plain, address = super().get_request()
        if self._tls is None:
            return plain, address
        wrapped = self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection while its thread serves it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the port and cut the connections that are kept alive."""
        super().server_close()
        for each in self._open.copy():
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
