"""PostgreSQL behind PgBouncer as it is installed: it refuses start-up options it does not know."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError

from tests.integration.databases import fresh
from zvirka.erp.sql.engines import store_engine
from zvirka.journal.engine import journal_engine
from zvirka.settings.model import ErpSettings

KNOWN = {
    *("user", "database", "client_encoding", "DateStyle", "TimeZone"),
    *("standard_conforming_strings", "application_name"),
}
"""What PgBouncer takes without ``ignore_startup_parameters`` (its manual)."""
SSL_REQUEST = 80877103

ENGINES: dict[str, Callable[[str], Engine]] = {
    "store": lambda url: store_engine(ErpSettings(url=url)),
    "journal": lambda url: journal_engine(make_url(url)),
}


@contextmanager
def bouncer() -> Iterator[tuple[int, list[str]]]:
    """A port that reads start-up messages as PgBouncer does; the parameters it would refuse."""
    refused: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client:
                    refused.extend(sorted(_parameters(client) - KNOWN))
                    told = b"SFATAL\0VFATAL\0C08P01\0Mno more\0\0"
                    client.sendall(b"E" + struct.pack("!i", len(told) + 4) + told)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], refused
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def _parameters(client: socket.socket) -> set[str]:
    while True:
        length, code = struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))
        rest = client.recv(length - 8, socket.MSG_WAITALL) if length > 8 else b""
        if code == SSL_REQUEST:
            client.sendall(b"N")
            continue
        return {name.decode() for name in rest.rstrip(b"\0").split(b"\0")[::2]}


@pytest.mark.parametrize("name", ENGINES)
def test_no_start_up_option_is_sent_that_pgbouncer_refuses(name: str) -> None:
    with bouncer() as (port, refused):
        engine = ENGINES[name](f"postgresql+psycopg://u:p@127.0.0.1:{port}/erp")
        with pytest.raises(OperationalError, match="no more"):
            engine.connect()
        engine.dispose()
    assert refused == []


@pytest.mark.parametrize(("name", "seconds"), [("store", 15), ("journal", 30)])
def test_locks_are_waited_for_all_the_same_only_so_long(
    name: str, seconds: int, tmp_path: Path
) -> None:
    engine = ENGINES[name](fresh("postgresql", tmp_path))
    for _ in range(2):  # a pooler gives another session to every transaction
        with engine.begin() as connection:
            assert connection.execute(text("SHOW lock_timeout")).scalar() == f"{seconds}s"
            commits = connection.execute(text("SHOW synchronous_commit")).scalar()
            assert commits == "on" or name == "store"
        with engine.connect() as connection:
            connection.execute(text("SET lock_timeout = 0"))
            connection.commit()
    engine.dispose()
