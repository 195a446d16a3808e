"""Opening the journal: the engine, its durability, and the schema brought up to date."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from zvirka.errors import JournalError, SettingsError, os_reason
from zvirka.journal.error_messages import guarded
from zvirka.journal.tables import SCHEMA
from zvirka.message import Message, coded
from zvirka.private_files import create_private_file, make_private_directory
from zvirka.settings.model import Settings

LOCK_WAIT_SECONDS = 30
"""How long another writer (the receiver, a backup) is waited for."""

WRITES = "zvirka_journal_writes"
"""Execution option of connections that write: SQLite then takes its lock at the beginning."""

_MIGRATION_LOCK = 0x7A76_6972_6D67


def journal_url(settings: Settings) -> URL:
    """The journal's address with its password: ``state_dir/journal.db`` unless set.

    Raises:
        SettingsError: ``journal.url`` is not a database URL, or not SQLite or PostgreSQL.
    """
    if settings.journal.url is None:
        return URL.create("sqlite", database=str(settings.state_dir / "journal.db"))
    try:
        url = make_url(settings.journal.url)
    except ArgumentError:
        raise _wrong_url() from None
    if settings.journal.password is not None:
        url = url.set(password=settings.journal.password.get_secret_value())
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"postgresql+psycopg", "sqlite", "sqlite+pysqlite"}:
        raise _wrong_url()
    return url


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
    return f"{url.get_backend_name()}:{url.host or ''}/{url.database or ''}"


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
            _migrate(engine, name)
    except BaseException:
        engine.dispose()
        raise
    return engine, name


def journal_engine(url: URL, **options: Any) -> Engine:
    """An engine whose commits are durable. Parameters never reach an exception text.

    Args:
        url: as :func:`journal_url` makes it.
        options: further ones for SQLAlchemy's ``create_engine``.

    Raises:
        SettingsError: the driver is not installed.
    """
    options["hide_parameters"] = True
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        options["connect_args"] = {"timeout": LOCK_WAIT_SECONDS}
    else:
        options.setdefault("pool_pre_ping", "poolclass" not in options)
        options["connect_args"] = {
            "options": f"-c lock_timeout={LOCK_WAIT_SECONDS}s -c synchronous_commit=on",
            "application_name": "zvirka",
        }
    try:
        engine = create_engine(url, **options)
    except (NoSuchModuleError, ImportError):
        raise _wrong_url() from None
    if sqlite:
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    return engine


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


def _migrate(engine: Engine, place: str) -> None:
    with engine.connect() as connection:
        if _revision(connection) == SCHEMA:
            return
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if _revision(connection) != SCHEMA:
            _upgrade(connection, place)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, place: str) -> None:
    # Alembic takes longer to import than a journal in step takes to open.
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(migration_config(connection), "head")
    except CommandError:
        raise JournalError(
            coded("ZV5101", "the journal was written by a newer zvirka"),
            place=place,
            remedy=Message("use that version or a later one; a journal is never taken back a step"),
        ) from None


def migration_config(connection: Connection) -> Any:
    """Alembic's configuration for the migrations of this package, on an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "zvirka.journal:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
