"""Opening the journal: the engine, its durability, and the schema brought up to date."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from zvirka.database_address import database_url
from zvirka.errors import JournalError, SettingsError, os_reason
from zvirka.journal.error_messages import guarded
from zvirka.journal.migration import WRITES, is_in_step, migrate
from zvirka.message import Message, coded
from zvirka.private_files import create_private_file, make_private_directory
from zvirka.settings.model import Settings

LOCK_WAIT_SECONDS = 30
"""How long another writer (the receiver, a backup) is waited for."""

SILENCE: dict[str, int] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""When a connection to PostgreSQL counts as broken: after some 25 seconds without an answer.

Otherwise a network that swallows packets is noticed after a quarter of an hour. Ignored where the
connection is a Unix socket.
"""

_IN_SCHEMA = "-c search_path="
"""How an address says so; it is taken out of it before the driver sees it."""


def journal_url(settings: Settings) -> URL:
    """The journal's address with its password: ``state_dir/journal.db`` unless set.

    A schema of PostgreSQL travels in the address, so that every connection works in it.

    Raises:
        SettingsError: ``journal.url`` is not a database URL, or not SQLite or PostgreSQL.
    """
    if settings.journal.url is None:
        return URL.create("sqlite", database=str(settings.state_dir / "journal.db"))
    url = database_url(settings.journal.url)
    if url is None:
        raise _wrong_url()
    if settings.journal.password is not None:
        url = url.set(password=settings.journal.password.get_secret_value())
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"postgresql+psycopg", "sqlite", "sqlite+pysqlite"}:
        raise _wrong_url()
    if settings.journal.db_schema is not None and url.get_backend_name() == "postgresql":
        url = url.update_query_dict({"options": _IN_SCHEMA + settings.journal.db_schema})
    return url


def schema_of(url: URL) -> str:
    """The schema of a journal on PostgreSQL; empty for that of the database user."""
    options = str(url.query.get("options", ""))
    return options.removeprefix(_IN_SCHEMA) if options.startswith(_IN_SCHEMA) else ""


def _wrong_url() -> SettingsError:
    return SettingsError(
        coded("ZV3307", "the journal lives on SQLite or PostgreSQL"),
        place="journal.url",
        remedy=Message("write postgresql+psycopg://user@host/database, or leave it out for SQLite"),
    )


def journal_name(url: URL) -> str:
    """Where the journal is, without user and password, for messages."""
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    schema = f"#{schema_of(url)}" if schema_of(url) else ""
    return f"{url.get_backend_name()}:{url.host or ''}/{url.database or ''}{schema}"


def open_engine(settings: Settings) -> tuple[Engine, str]:
    """An engine for the journal, with its schema up to date, and the journal's name.

    Raises:
        SettingsError: ``journal.url`` cannot be used.
        JournalError: it cannot be reached or written, or a newer zvirka made it.
    """
    url = journal_url(settings)
    name = journal_name(url)
    if url.get_backend_name() == "sqlite":
        _ensure_file(Path(name))
    engine = journal_engine(url)
    try:
        with guarded(name):
            if not is_in_step(engine):
                if _made_schema(url):
                    engine.dispose()  # it has learnt that there is no such schema
                    engine = journal_engine(url)
                migrate(engine, name)
    except BaseException:
        engine.dispose()
        raise
    return engine, name


def reading_engine(url: URL) -> Engine:
    """An engine that leaves the journal as it is, and leaves no file beside it."""
    if url.get_backend_name() != "sqlite":
        return journal_engine(url)
    query = {"mode": "ro", "uri": "true"}
    if not Path(f"{url.database}-wal").exists():
        query["immutable"] = "1"  # nobody writes; otherwise SQLite would make -wal and -shm
    return create_engine(
        url.set(database=f"file:{url.database}", query=query), hide_parameters=True
    )


def journal_engine(url: URL, **options: Any) -> Engine:
    """An engine whose commits are durable. Parameters never reach an exception text.

    Args:
        url: as :func:`journal_url` makes it.
        options: further ones for SQLAlchemy's ``create_engine``.

    Raises:
        SettingsError: the driver is not installed.
    """
    options["hide_parameters"] = True
    sqlite, schema = url.get_backend_name() == "sqlite", schema_of(url)
    if schema:
        url = url.difference_update_query(["options"])
    if sqlite:
        options["connect_args"] = {"timeout": LOCK_WAIT_SECONDS}
    else:
        options.setdefault("pool_pre_ping", "poolclass" not in options)
        options["connect_args"] = {"application_name": "zvirka", **SILENCE}
    try:
        engine = create_engine(url, **options)
    except (NoSuchModuleError, ImportError):
        raise _wrong_url() from None
    if sqlite:
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    elif options.get("isolation_level") != "AUTOCOMMIT":
        event.listen(engine, "begin", _postgresql_begin)
    if schema:
        # Before SQLAlchemy asks for the schema that names without one are in.
        event.listen(engine, "connect", partial(_enter, schema), insert=True)
    return engine


def _made_schema(url: URL) -> bool:
    """Make the schema of the journal, if it has one of its own that is not there."""
    if not (schema := schema_of(url)):
        return False
    engine = journal_engine(url.difference_update_query(["options"]), poolclass=NullPool)
    with engine.begin() as connection:
        if inspect(connection).has_schema(schema):
            return False
        connection.execute(CreateSchema(schema, if_not_exists=True))
    return True


def _ensure_file(path: Path) -> None:
    """Make sure that the file is there, readable by its owner only, and can be written."""
    try:
        make_private_directory(path.parent)
        create_private_file(path)
        if not os.access(path, os.R_OK | os.W_OK) or not path.is_file():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise JournalError(
            coded(
                "ZV4103",
                "the file of the journal cannot be opened for writing ({why})",
                why=os_reason(error),
            ),
            place=str(path),
            remedy=Message("check state_dir and the rights of zvirka's user on it"),
        ) from None


def _sqlite_connect(connection: Any, _record: object) -> None:
    # The driver's own implicit BEGIN would come too late to keep two writers apart.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What prune empties must not stay readable in free pages.
    connection.execute("PRAGMA secure_delete = ON")


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _enter(schema: str, connection: Any, _record: object) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT set_config('search_path', %s, false)", (schema,))
    connection.commit()


def _postgresql_begin(connection: Connection) -> None:
    # In the transaction and not at the start of the session: PgBouncer refuses start-up options.
    # Past SQLAlchemy, which would make a server-side cursor of it where rows are to be streamed.
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(
            f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'; SET LOCAL synchronous_commit = on"
        )
