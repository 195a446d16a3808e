"""1,100 senders that never finish, at the receiver and at the page, with 1,024 open files."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.test_cli_services import free_port
from tests.unit.cli.lines import settled as settled
from tests.unit.web.page_client import HASH

pytestmark = pytest.mark.long

FLOOD = 1100
OPEN_FILES = 1024
"""The soft limit of many systems."""
BEGINNINGS = {
    "silent": b"",
    "head": b"POST /api/webhook/1c/clients HTTP/1.1\r\nHost: x\r\nX-a: ",
    "body": b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n12",
}


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def start(directory: Path, receiver: int, page: int) -> subprocess.Popen[str]:
    settings = directory / "zvirka.toml"
    settings.write_text(
        settings.read_text(encoding="utf-8")
        + f'[receiver]\nlisten = "127.0.0.1:{receiver}"\n'
        + f'[web]\nenabled = true\nlisten = "127.0.0.1:{page}"\nsecret = "{"s" * 40}"\n'
        + f'users = [{{ name = "admin", role = "admin", password_hash = "{HASH}" }}]\n',
        encoding="utf-8",
    )
    limit = f"ulimit -n {OPEN_FILES}; exec {sys.executable} -m zvirka.cli serve"
    return subprocess.Popen(["sh", "-c", limit], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_a_flood_at_both_ports_keeps_nobody_out(settled: Path, many_files: None, kind: str) -> None:
    receiver, page = free_port(), free_port()
    process = start(settled, receiver, page)
    peers: list[socket.socket] = []
    try:
        with httpx.Client(timeout=60) as client:
            deadline = time.monotonic() + 120
            while True:
                try:
                    client.get(f"http://127.0.0.1:{page}/")
                    break
                except httpx.TransportError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            for port in (receiver, page):
                for _ in range(FLOOD):
                    peer = socket.create_connection(("127.0.0.1", port), timeout=20)
                    peer.sendall(BEGINNINGS[kind])
                    peers.append(peer)
            body = {"action": "create", "clientData": {"Код": "1", "Наименование": "А"}}
            for _ in range(5):
                address = f"http://127.0.0.1:{receiver}/api/webhook/1c/clients"
                assert client.post(address, content=json.dumps(body)).status_code in {200, 415}
                headers = {"Content-Type": "application/json"}
                answer = client.post(address, content=json.dumps(body), headers=headers)
                assert answer.status_code == 200
                assert client.get(f"http://127.0.0.1:{page}/").status_code == 303
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=40)[1]
    finally:
        for peer in peers:
            peer.close()
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert "Too many open files" not in log
    assert len(log) < 20_000, "the log does not grow with the flood"
