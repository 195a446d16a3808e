"""Two receivers behind HAProxy, configured as docs/howto/fleet.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.test_receiver_kill import free_port
from tests.integration.test_receiver_turns import Load, Machines, proven

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy here"),
]

PAGE = Path("docs/howto/fleet.md")

AROUND = """
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout check 5s
frontend erp
    bind {listen}
    default_backend receivers
"""


@contextmanager
def balancer(folder: Path, receivers: list[str]) -> Iterator[str]:
    """HAProxy with the backend of the page before these receivers; its address."""
    found = re.search(r"^backend receivers\n(?: .*\n)+", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found is not None, "the page has no backend"
    backend = found[0]
    for name, address in zip(("one", "two"), receivers, strict=True):
        place = urlsplit(address).netloc
        backend, times = re.subn(rf"(server {name}) \S+", rf"\1 {place}", backend)
        assert times == 1
    listen = f"127.0.0.1:{free_port()}"
    file = folder / "haproxy.cfg"
    file.write_text(AROUND.format(listen=listen) + backend)
    checked = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    running = subprocess.Popen(["haproxy", "-f", file])
    try:
        yield urlsplit(receivers[0])._replace(netloc=listen).geturl()
    finally:
        running.terminate()
        running.wait(30)


def test_a_receiver_dies_behind_haproxy_and_no_message_is_lost(tmp_path: Path) -> None:
    for machine in ("one", "two"):
        (tmp_path / machine).mkdir()
    machines = Machines(tmp_path, together=False)
    try:
        with balancer(tmp_path, [machines.start("one"), machines.start("two")]) as address:
            load = Load([address, address], clients=5, refusals=frozenset({502, 503, 504}))
            with load.at_work():
                load.wait(150)
                machines.children[0].kill()
                load.wait(load.taken + 150)
            deadline = time.monotonic() + 30
            while httpx.get(address.replace(urlsplit(address).path, "/healthz")).status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        machines.stop()
    proven(machines, load)
