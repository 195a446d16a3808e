"""Endless, slow and compressed answers of 1C: the reader ends with the cause in flat memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

pytestmark = pytest.mark.long

MEMORY = 600_000_000
BOMB_BYTES = 2 * 2**30

READER = """
import json, resource, sys, tempfile
from pathlib import Path
from zvirka.errors import ZvirkaError
from zvirka.onec.open_source import open_source
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
settings = Settings.model_validate({
    "onec": {"url": sys.argv[1], "retries": 0, "total_timeout": "3s", "session": False},
    "erp": {"url": "sqlite:////nowhere"},
})
with tempfile.TemporaryDirectory() as state:
    try:
        with open_source(settings.onec, mapping_of(settings), Path(state)) as source:
            source.preflight()
    except ZvirkaError as error:
        print(json.dumps([type(error).__name__, error.cause]))
"""


class Tormentor(BaseHTTPRequestHandler):
    kind: ClassVar[str]
    bomb: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        if self.kind == "bomb":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        with suppress(OSError):
            self._torment()

    def _torment(self) -> None:
        match self.kind:
            case "bomb":
                self.wfile.write(self.bomb)
            case "endless":
                while True:
                    self.wfile.write(b" " * 65536)
            case _:
                while True:
                    self.wfile.write(b" ")
                    time.sleep(0.1)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(params=["endless", "slow", "bomb"])
def publication(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The kind of answer, and the address of a publication that gives no other."""
    Tormentor.kind = request.param
    if request.param == "bomb" and not Tormentor.bomb:
        block = gzip.compress(b" " * 2**24)  # gzip members may follow one another
        Tormentor.bomb = block * (BOMB_BYTES // 2**24)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tormentor)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield request.param, f"http://127.0.0.1:{server.server_address[1]}/base"
    server.shutdown()
    server.server_close()
    thread.join()


def test_no_answer_takes_more_memory_or_time_than_it_may(publication: tuple[str, str]) -> None:
    kind, url = publication
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", READER, url, str(MEMORY)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    error, cause = json.loads(done.stdout)
    assert time.monotonic() - began < 60
    if kind == "slow":
        assert (error, cause) == ("TimedOutError", "1C did not finish its answer within 3 s")
    else:
        assert error in {"TooLargeError", "TimedOutError"}
    assert "MemoryError" not in done.stderr
