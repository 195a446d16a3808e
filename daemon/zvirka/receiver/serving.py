"""Runs the receiver: opens store and journal, and serves until told to stop."""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from loguru import logger
from sqlalchemy import URL, Engine

from zvirka.erp.engines import store_url
from zvirka.erp.opening import open_layout
from zvirka.errors import LockHeldError, SettingsError, ZvirkaError
from zvirka.journal.opening import journal_url, open_engine
from zvirka.mapping import Mapping
from zvirka.receiver.access import address_of, tokens_of
from zvirka.receiver.app import create_app
from zvirka.receiver.desk import Desk, Policy
from zvirka.receiver.message import Reader
from zvirka.receiver.signature import signatures_of
from zvirka.settings import Settings

STOP_SECONDS = 20
"""How long requests under way may take once the receiver is told to stop."""

T = TypeVar("T")
Clock = Callable[[], datetime]


def now() -> datetime:
    """The present moment, aware UTC."""
    return datetime.now(UTC)


def serve(
    settings: Settings,
    mapping: Mapping,
    *,
    web_app: Any = None,
    clock: Clock = now,
    on_ready: Callable[[], None] | None = None,
    on_taken: Callable[[int], None] | None = None,
) -> None:
    """Serve webhooks, and the web page where its application is given, until SIGTERM or SIGINT.

    What waits is taken in and answered before this returns. ``on_ready`` is called once every
    port is open, ``on_taken`` with the size of each batch taken in.

    Raises:
        SettingsError: no token on an open address, or a store the receiver must not write.
        JournalError, StoreError: a database cannot be used.
        LockHeldError: another receiver runs on this state directory.
        ZvirkaError: a port cannot be opened.
    """
    with receiver_app(settings, mapping, clock=clock, on_taken=on_taken) as app:
        applications = [(app, address_of(settings.receiver.listen, "receiver.listen"))]
        if web_app is not None:
            applications.append((web_app, address_of(settings.web.listen, "web.listen")))
        serve_applications(applications, on_ready)


def serve_applications(
    applications: list[tuple[Any, tuple[str, int]]], on_ready: Callable[[], None] | None = None
) -> None:
    """Serve ASGI applications, each on its host and port, until SIGTERM or SIGINT.

    Raises:
        ZvirkaError: a port cannot be opened.
    """
    asyncio.run(_serve(applications, on_ready))


@contextmanager
def receiver_app(
    settings: Settings,
    mapping: Mapping,
    *,
    clock: Clock = now,
    on_taken: Callable[[int], None] | None = None,
) -> Iterator[FastAPI]:
    """The receiver's application over the settings' store and journal, closed on leaving.

    What an interrupted receiver left open is settled before the application is given.

    Raises:
        SettingsError, JournalError, StoreError, LockHeldError: as :func:`serve`.
    """
    tokens = tokens_of(settings.receiver)
    if settings.erp.writer == "webhook":
        raise SettingsError(
            "the receiver writes the store itself, and erp.writer says that only the ERP may",
            place="erp.writer",
            remedy='let 1C post to the ERP, or set erp.writer = "sql"',
        )
    with (
        _alone(settings.state_dir / "receiver.lock"),
        # The store first: where both are one SQLite file, an embedded store creates it.
        _disposed(open_layout(settings.erp, mapping)) as (store, layout),
        _disposed(open_engine(settings)) as (journal, _),
    ):
        policy = Policy(settings.policy.deletion_mark, settings.policy.rekey)
        shared = same_database(journal_url(settings), store_url(settings.erp))
        desk = Desk(journal, store, layout, policy, clock, shared=shared)
        desk.recover()
        yield create_app(
            desk,
            Reader(mapping),
            tokens,
            signatures=signatures_of(settings.receiver),
            path=settings.receiver.path,
            max_body=settings.receiver.max_body,
            clock=clock,
            on_taken=on_taken,
        )


@contextmanager
def _disposed(opened: tuple[Engine, T]) -> Iterator[tuple[Engine, T]]:
    try:
        yield opened
    finally:
        opened[0].dispose()


def same_database(one: URL, other: URL) -> bool:
    """Whether two addresses lead to one database, so that one transaction can span both."""
    if one.get_backend_name() != other.get_backend_name():
        return False
    if one.get_backend_name() == "sqlite":
        return _path(one) is not None and _path(one) == _path(other)
    return (one.host, one.port, one.database) == (other.host, other.port, other.database)


def _path(url: URL) -> Path | None:
    return Path(url.database).resolve() if url.database and url.database != ":memory:" else None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock file: two receivers on one journal would break each other's receipts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LockHeldError(
                "another receiver runs on this state directory",
                place=str(path),
                remedy="stop it first: systemctl stop the unit that runs `zvirka serve`",
            ) from None
        yield


class _Server(uvicorn.Server):
    """A server that leaves signals to us: several run in one loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing; see :func:`_serve`."""
        yield


async def _serve(
    applications: list[tuple[Any, tuple[str, int]]], on_ready: Callable[[], None] | None
) -> None:
    servers = [_server(app, host, port) for app, (host, port) in applications]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    tasks = [asyncio.create_task(_run(server)) for server in servers]
    ready = asyncio.create_task(_announce(servers, on_ready))
    try:
        await asyncio.gather(*tasks)
    finally:
        stop()
        ready.cancel()
        await asyncio.gather(*tasks, ready, return_exceptions=True)


def _server(app: Any, host: str, port: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )


async def _run(server: _Server) -> None:
    with suppress(SystemExit):  # uvicorn's way to say that the port is taken
        await server.serve()
    if not server.started:
        place = f"{server.config.host}:{server.config.port}"
        raise ZvirkaError(
            "the server could not start",
            place=place,
            remedy="see whether another program holds the port; the log tells more",
        )


async def _announce(servers: list[_Server], on_ready: Callable[[], None] | None) -> None:
    while not all(server.started for server in servers):
        await asyncio.sleep(0.02)
    addresses = [f"{server.config.host}:{server.config.port}" for server in servers]
    logger.info("serving", addresses=addresses)
    if on_ready is not None:
        on_ready()
