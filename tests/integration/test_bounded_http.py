"""Slow senders and floods against a server with limits: others are served all the while."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from zvirka.bounded_http import CONNECTIONS, BoundedProtocol


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


@contextmanager
def served(seconds: float, connections: int = CONNECTIONS) -> Iterator[tuple[str, int]]:
    app = Starlette(routes=[Route("/", _echo, methods=["GET", "POST"])])
    config = uvicorn.Config(
        app,
        port=0,
        lifespan="off",
        log_config=None,
        backlog=2048,
        http=type("Protocol", (BoundedProtocol,), {"seconds": seconds, "limit": connections}),
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield host, port
    finally:
        server.should_exit = True
        thread.join()


def closed_within(peer: socket.socket, seconds: float) -> bool:
    """Whether the server ends the connection in that time."""
    peer.settimeout(seconds)
    try:
        return peer.recv(1024) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


BEGINNINGS = {
    "silent": b"",
    "head": b"POST / HTTP/1.1\r\nHost: x\r\nX-a: ",
    "body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n12",
    "second request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.long
@pytest.mark.parametrize("kind", BEGINNINGS)
def test_a_request_that_does_not_become_whole_is_ended(kind: str) -> None:
    with served(0.5) as address, socket.create_connection(address) as peer:
        peer.sendall(BEGINNINGS[kind])
        if kind == "second request":
            peer.settimeout(5)
            assert peer.recv(1024).startswith(b"HTTP/1.1 200")
            peer.sendall(BEGINNINGS["head"])
        began = time.monotonic()
        dripped = 0
        while not closed_within(peer, 0.05) and time.monotonic() - began < 5:
            try:
                peer.sendall(b"x") if kind != "silent" else None
            except ConnectionError:
                break
            dripped += 1
        assert time.monotonic() - began < 3
        assert dripped > 2, "it was given its time"


def test_a_slow_answer_is_no_slow_request() -> None:
    with served(0.3) as (host, port), httpx.Client(base_url=f"http://{host}:{port}") as client:
        assert client.post("/", content=b"one").text == "one"
        time.sleep(0.6)
        assert client.post("/", content=b"two").text == "two"


def test_a_flood_of_slow_senders_keeps_nobody_out() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    peers: list[socket.socket] = []
    try:
        with served(30) as address, httpx.Client(timeout=10) as client:
            for _ in range(1100):
                peer = socket.create_connection(address)
                peer.sendall(BEGINNINGS["head"])
                peers.append(peer)
            for _ in range(20):
                answer = client.get(f"http://{address[0]}:{address[1]}/")
                assert answer.status_code == 200
    finally:
        for peer in peers:
            peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
