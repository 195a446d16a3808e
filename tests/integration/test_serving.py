"""The server before receiver and page: whom it believes, whom it cuts off, what it logs."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from zvirka.bounded_http import BoundedProtocol
from zvirka.logs import configure_logs
from zvirka.net import serve_applications
from zvirka.settings.service_tables import LogSettings


async def _peer(request: Request) -> JSONResponse:
    assert request.client is not None
    return JSONResponse([request.client.host, request.url.scheme])


def while_served(ask: Callable[[int], Any], **options: Any) -> Any:
    """What ``ask`` returns for the port, asked while the server runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    answers: list[Any] = []

    def work() -> None:
        try:
            answers.append(ask(port))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    app = Starlette(routes=[Route("/", _peer)])
    client = Thread(target=work)
    serve_applications([(app, ("127.0.0.1", port))], client.start, **options)
    client.join()
    [answer] = answers
    return answer


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        ([], ["127.0.0.1", "http"]),
        (["10.1.2.3"], ["127.0.0.1", "http"]),
        (["127.0.0.1"], ["203.0.113.9", "https"]),
        (["127.0.0.0/8"], ["203.0.113.9", "https"]),
    ],
)
def test_forwarding_headers_are_believed_from_named_proxies_only(
    proxies: list[str], seen: list[str]
) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}

    def ask(port: int) -> Any:
        return httpx.get(f"http://127.0.0.1:{port}/", headers=headers).json()

    assert while_served(ask, trusted_proxies=proxies) == seen


def test_a_request_that_does_not_become_whole_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "seconds", 0.3)

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-a: ")
            try:
                return peer.recv(1024)
            except ConnectionResetError:
                return b""

    assert while_served(ask) == b""


@pytest.fixture
def logged() -> Any:
    """What is logged, as text; logging is put back afterwards."""
    import io

    from loguru import logger

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(LogSettings(), stream=stream, environ={}, secrets=frozenset())
    yield stream
    logger.remove()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def test_a_malformed_request_and_a_websocket_are_refused_without_a_log_entry(logged: Any) -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    def ask(port: int) -> list[bytes]:
        answers = []
        for request in (b"nonsense\r\n\r\n", upgrade):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
                peer.sendall(request)
                answers.append(peer.recv(4096).split(b"\r\n")[0])
        return answers

    malformed, websocket = while_served(ask)
    assert malformed == b"HTTP/1.1 400 Bad Request"
    assert websocket == b"HTTP/1.1 200 OK", "an ordinary request, its upgrade ignored"
    assert "WARNING" not in logged.getvalue()
