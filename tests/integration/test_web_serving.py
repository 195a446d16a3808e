"""``zvirka serve`` with the page: beside the receiver, alone, and refused."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.unit.web.page_client import HASH, PASSWORD, SECRET, token_of

pytestmark = pytest.mark.long

WAIT_SECONDS = 60
SETTINGS = """
state_dir = "state"
[onec]
url = "http://127.0.0.1:9/base/odata/standard.odata"
[erp]
url = "sqlite:///erp.db"
[receiver]
listen = "127.0.0.1:{receiver}"
[web]
enabled = {enabled}
listen = "127.0.0.1:{web}"
secret_file = "web.secret"
[[web.users]]
name = "olena"
role = "auditor"
password_hash = '{hash}'
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def written(directory: Path, *, enabled: bool) -> tuple[int, int]:
    """Write the settings, and give the ports of receiver and page."""
    receiver, web = free_port(), free_port()
    (directory / "web.secret").write_text(SECRET + "\n")
    (directory / "web.secret").chmod(0o600)
    (directory / "zvirka.toml").write_text(
        SETTINGS.format(receiver=receiver, web=web, enabled=str(enabled).lower(), hash=HASH)
    )
    return receiver, web


@contextmanager
def served(directory: Path, *line: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "zvirka.cli", "serve", "--config", "zvirka.toml", *line],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def answers(process: subprocess.Popen[str], url: str) -> httpx.Response:
    """The answer of an address, once it is served."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)


def ended(process: subprocess.Popen[str]) -> str:
    """Tell it to end, and give its log."""
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, log
    return log


@pytest.mark.slow
def test_the_page_is_off_unless_it_is_switched_on(tmp_path: Path) -> None:
    receiver, web = written(tmp_path, enabled=False)
    with served(tmp_path) as process:
        assert answers(process, f"http://127.0.0.1:{receiver}/healthz").status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{web}/sign-in")
        ended(process)


@pytest.mark.slow
def test_the_page_is_served_beside_the_receiver(tmp_path: Path) -> None:
    receiver, web = written(tmp_path, enabled=True)
    with served(tmp_path) as process:
        assert answers(process, f"http://127.0.0.1:{web}/sign-in").status_code == 200
        assert answers(process, f"http://127.0.0.1:{receiver}/healthz").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{receiver}/sign-in").status_code == 404
        ended(process)


def test_the_page_is_served_alone_and_logs_nothing_of_who_types_what(tmp_path: Path) -> None:
    receiver, web = written(tmp_path, enabled=True)
    site = f"http://127.0.0.1:{web}"
    with served(tmp_path, "--only", "web") as process:
        token = token_of(answers(process, f"{site}/sign-in").text)
        assert token
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{receiver}/healthz")
        with httpx.Client(base_url=site) as client:
            fields = {"token": token_of(client.get("/sign-in").text), "name": "olena"}
            assert client.post("/sign-in", data={**fields, "password": "no-no"}).status_code == 401
            entered = client.post("/sign-in", data={**fields, "password": PASSWORD})
            assert entered.headers["location"] == "/"
            token = token_of(client.get("/runs").text)
            client.post("/counterparty", data={"token": token, "key": "ОсобистийКод"})
            client.get("/runs/1?text=ОсобистийКод")
        log = ended(process)
    for private in (PASSWORD, "no-no", "ОсобистийКод", SECRET, "argon2"):
        assert private not in log
    assert "вхід виконано" in log


@pytest.mark.slow
def test_only_the_receiver_is_served_where_the_page_has_a_service_of_its_own(
    tmp_path: Path,
) -> None:
    receiver, web = written(tmp_path, enabled=True)
    with served(tmp_path, "--only", "receiver") as process:
        assert answers(process, f"http://127.0.0.1:{receiver}/healthz").status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{web}/sign-in")
        ended(process)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("enabled = true", "enabled = false"), "web.enabled"),
        (('secret_file = "web.secret"', ""), "web.secret"),
        (("[[web.users]]", "[[web.nobody]]"), "web"),
        (('listen = "127.0.0.1:', 'listen = "0.0.0.0:'), "web.public_url"),
    ],
)
def test_what_the_page_cannot_do_without_stops_it_at_once(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    written(tmp_path, enabled=True)
    path = tmp_path / "zvirka.toml"
    path.write_text(path.read_text().replace(*change))
    with served(tmp_path, "--only", "web") as process:
        _, log = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 64, log
    assert said in log
