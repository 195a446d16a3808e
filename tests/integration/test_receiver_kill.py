"""`kill -9` in the middle of a load: what got 200 is in the store, every one, each once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import create_engine, text

from tests.integration.receiver_world import MAPPING, PATH, body, receiver
from tests.integration.receiver_world import settings as made
from zvirka.journal.engine import open_engine
from zvirka.journal.receipt_checks import verify_receipts
from zvirka.settings.model import Settings

pytestmark = pytest.mark.long

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
CLIENTS = 16


class Load:
    """Threads that post creates of ever new clients until the server is gone."""

    def __init__(self, port: int, generation: int) -> None:
        self.url = f"http://127.0.0.1:{port}{PATH}"
        self.generation = generation
        self.taken: list[str] = []
        self.threads = [
            threading.Thread(target=self._post, args=(number,)) for number in range(CLIENTS)
        ]

    def _post(self, number: int) -> None:
        with httpx.Client(timeout=10) as client:
            for count in range(1_000_000):
                code = f"{self.generation}-{number}-{count}"
                try:
                    answer = client.post(self.url, json=body("create", code=code))
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    self.taken.append(code)


def command(settings: Settings) -> list[str]:
    mapping = msgspec.json.encode(MAPPING).decode()
    return [sys.executable, "-c", SERVER, settings.model_dump_json(by_alias=True), mapping]


def started(settings: Settings) -> subprocess.Popen[str]:
    process = subprocess.Popen(command(settings), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.timeout(120)
def test_a_killed_receiver_loses_no_client_it_said_200_for_and_doubles_none(
    tmp_path: Path,
) -> None:
    port = free_port()
    settings = made(tmp_path, receiver={"listen": f"127.0.0.1:{port}"})
    taken: list[str] = []
    for generation in range(3):
        process = started(settings)
        load = Load(port, generation)
        for thread in load.threads:
            thread.start()
        while len(load.taken) < 100:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for thread in load.threads:
            thread.join()
        taken += load.taken
    with receiver(tmp_path):
        pass  # starting settles what the last kill left open
    engine = create_engine(settings.erp.url)
    with engine.connect() as connection:
        stored = Counter(connection.execute(text("SELECT code FROM clients")).scalars())
    engine.dispose()
    assert len(taken) >= 300
    assert set(taken) - set(stored) == set()
    assert set(stored.values()) == {1}
    journal, _ = open_engine(settings)
    assert list(verify_receipts(journal)) == []
    with journal.connect() as connection:
        opened = "SELECT key FROM receipt WHERE outcome IN ('created', 'unchanged')"
        assert set(connection.execute(text(opened)).scalars()) == set(stored)
        unsettled = connection.execute(text("SELECT COUNT(*) FROM receipt WHERE outcome = ''"))
        assert unsettled.scalar() == 0
    journal.dispose()


def test_sigterm_answers_what_is_waiting_and_ends_with_0(tmp_path: Path) -> None:
    port = free_port()
    settings = made(tmp_path, receiver={"listen": f"127.0.0.1:{port}"})
    process = started(settings)
    answer = httpx.post(f"http://127.0.0.1:{port}{PATH}", json=body("create"))
    process.terminate()
    assert answer.status_code == 200
    assert process.wait(timeout=30) == 0


def test_a_port_that_is_taken_is_told_with_its_address(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = made(tmp_path, receiver={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        ended = subprocess.run(command(settings), capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert "the server could not start" in ended.stderr
