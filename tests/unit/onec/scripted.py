"""A real HTTP server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from zvirka.onec.session import OnecSession
from zvirka.onec.transport import Limits


@dataclass
class Reply:
    """One answer. ``cut`` closes the connection after that many bytes of the body; ``drip`` and
    ``head_drip`` send body and head byte by byte, with so many seconds between.
    """

    body: bytes = b"{}"
    status: int = 200
    content_type: str = "application/json;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    dropped: bool = False
    drip: float = 0.0
    head_drip: float = 0.0


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The last segment of the path, without the query."""
        return self.target.partition("?")[0].rpartition("/")[2]


class Script:
    """The answers still to give; the last one is given for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[Asked] = []
        self.url = ""

    def next(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        _headers_buffer: list[bytes]  # of the library, which types it nowhere

        def _answer(self) -> None:
            reply = script.next(Asked(self.command, self.path, dict(self.headers.items())))
            if reply.dropped:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            head, self._headers_buffer = [*self._headers_buffer, b"\r\n"], []
            self._write(b"".join(head), reply.head_drip)
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            self._write(body, reply.drip)
            self.close_connection = reply.cut is not None

        do_GET = do_POST = _answer

        def _write(self, sent: bytes, pause: float) -> None:
            try:
                for part in [sent] if not pause else [bytes([one]) for one in sent]:
                    self.wfile.write(part)
                    time.sleep(pause)
            except OSError:  # the client gave up, as the test wants
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextmanager
def served(*replies: Reply, certificate: Path | None = None) -> Iterator[Script]:
    """Serve these answers on a free port, by TLS with a certificate; ``script.url`` is the base."""
    script = Script(*replies)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        scheme = "https"
    script.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/base/odata/standard.odata/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sleeper() -> tuple[list[float], Callable[[float], None]]:
    """A clock that only remembers how long it was told to sleep."""
    slept: list[float] = []
    return slept, slept.append


def session(url: str, **options: Any) -> OnecSession:
    """A session that does not sleep between its attempts."""
    options.setdefault("sleep", lambda _: None)
    limits = options.pop("limits", Limits(2, 2, 5))
    return OnecSession(url, "Обмін", "пароль", limits=limits, **options)
