"""The database of the queue: Procrastinate's tables and two of our own, in the journal's database.

They have a schema of their own. Every connection enters it after it was made and not by a start-up
option, which PgBouncer refuses. A network that swallows packets must not leave a worker waiting
for hours: each connection is given up after some seconds without an answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, LiteralString, cast

import psycopg
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg.sql import SQL, Identifier
from sqlalchemy import URL

from zvirka.errors import JournalError, SettingsError
from zvirka.journal.engine import SILENCE, journal_name, journal_url
from zvirka.message import Message, coded
from zvirka.settings.model import Settings

SCHEMA = "zvirka__fleet"
"""No flow has this schema: the journal of the flow NAME is in zvirka_NAME, and a letter begins it.
"""

_QUEUE_BYTES = 40
"""PostgreSQL takes 63 bytes for the channel of a notification, and Procrastinate adds its own."""

_OWN_TABLES = """
CREATE TABLE IF NOT EXISTS fleet_workers(
    id bigint PRIMARY KEY REFERENCES procrastinate_workers(id) ON DELETE CASCADE,
    host text NOT NULL,
    pid integer NOT NULL,
    queues text[],
    concurrency integer NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS fleet_results(
    job bigint PRIMARY KEY REFERENCES procrastinate_jobs(id) ON DELETE CASCADE,
    place text NOT NULL,
    content jsonb NOT NULL,
    ended timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS fleet_migrations(name text PRIMARY KEY);
"""


def queue_of(server: str) -> str:
    """The queue of a server of 1C: its name, shortened where a notification could not carry it."""
    if len(server.encode()) <= _QUEUE_BYTES:
        return server
    digest = hashlib.sha256(server.encode()).hexdigest()[:8]
    return f"{server.encode()[: _QUEUE_BYTES - 9].decode(errors='ignore')}~{digest}"


def asynchronous_queue(settings: Settings, *, connections: int) -> App:
    """The queue for a worker; nothing is connected yet.

    Raises:
        SettingsError: the journal is not on PostgreSQL.
    """

    async def enter(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute("SELECT set_config('search_path', %s, false)", (SCHEMA,))
        await connection.commit()

    return App(connector=PsycopgConnector(**_pool(settings, connections), configure=enter))


@contextmanager
def opened_queue(settings: Settings, *, connections: int = 1) -> Iterator[App]:
    """The queue for those who order runs; its schema is up to date.

    Raises:
        SettingsError: the journal is not on PostgreSQL.
        JournalError: the queue cannot be reached; also of what the block does with it.
    """

    def enter(connection: psycopg.Connection[Any]) -> None:
        connection.execute("SELECT set_config('search_path', %s, false)", (SCHEMA,))
        connection.commit()

    with guarded(settings):
        _bring_up_to_date(settings)
        app = App(connector=SyncPsycopgConnector(**_pool(settings, connections), configure=enter))
        app.open()
        try:
            yield app
        finally:
            app.close()


@contextmanager
def guarded(settings: Settings) -> Iterator[None]:
    """Turn errors of the queue's database into :class:`JournalError`; their texts are left out.

    Raises:
        JournalError: the database said no, or nothing.
    """
    try:
        yield
    except (psycopg.Error, ConnectorException) as error:
        kind = type(error.__cause__ or error).__name__
        raise JournalError(
            coded("ZV5701", "the queue of the workers cannot be used ({kind})", kind=kind),
            place=journal_name(journal_url(settings)),
            remedy=Message("check that the server runs and journal.url is right"),
        ) from None


def prepare(settings: Settings) -> None:
    """Create the schema of the queue, or bring it up to date.

    Raises:
        JournalError: the database cannot be reached, or refuses.
    """
    with guarded(settings):
        _bring_up_to_date(settings)


def _pool(settings: Settings, connections: int) -> dict[str, Any]:
    return {
        "conninfo": _conninfo(settings),
        "kwargs": {"application_name": "zvirka fleet", **SILENCE},
        "min_size": 1,
        "max_size": connections,
        "timeout": 5.0,
        "reconnect_timeout": 5.0,
    }


def _conninfo(settings: Settings) -> str:
    url: URL = journal_url(settings)
    if url.get_backend_name() != "postgresql":
        raise SettingsError(
            coded("ZV3602", "workers need the journal on PostgreSQL"),
            place="journal.url",
            remedy=Message("write postgresql+psycopg://user@host/database"),
        )
    plain = url.set(drivername="postgresql").difference_update_query(["options"])
    return plain.render_as_string(hide_password=False)


def _bring_up_to_date(settings: Settings) -> None:
    """Apply Procrastinate's schema, or those of its migrations that are not applied yet."""
    silence: dict[str, Any] = {**SILENCE, "connect_timeout": 10}
    with psycopg.connect(_conninfo(settings), **silence) as connection:
        # Workers of many machines begin together; one of them does the work.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (SCHEMA,))
        if not _has(connection, "procrastinate_jobs"):
            connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(SCHEMA)))
            _enter(connection)
            connection.execute(_shipped("schema.sql"))
            connection.execute(_OWN_TABLES)
            applied = migrations()
        else:
            _enter(connection)
            known = {name for (name,) in connection.execute("SELECT name FROM fleet_migrations")}
            applied = [name for name in migrations() if name not in known]
            for name in applied:
                connection.execute(_shipped(f"migrations/{name}"))
        for name in applied:
            connection.execute("INSERT INTO fleet_migrations VALUES (%s)", (name,))


def migrations() -> list[str]:
    """The files of Procrastinate's migrations, in their order."""
    directory = resources.files("procrastinate.sql") / "migrations"
    return sorted(file.name for file in directory.iterdir() if file.name.endswith(".sql"))


def _shipped(name: str) -> LiteralString:
    file = resources.files("procrastinate.sql").joinpath(*name.split("/"))
    text: Any = file.read_text(encoding="utf-8")
    return cast(LiteralString, text)


def _has(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.{table}",)).fetchone()
    return row is not None and row[0] is not None


def _enter(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT set_config('search_path', %s, false)", (SCHEMA,))
