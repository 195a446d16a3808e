"""Connections to the ERP's database: one place for time-outs, strictness and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import NoSuchModuleError

from zvirka.database_address import Identity, database_identity, database_url
from zvirka.erp.sql.missing_rights import name_user_in_errors
from zvirka.errors import SettingsError, StoreError
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings

LOCK_WAIT_SECONDS = 15
"""How long a lock of somebody else is waited for. A time-out in the URL's query comes first."""

BRIEF_WAIT_SECONDS = 1
"""How long it is waited for while a row that is locked is told apart from its neighbours."""

CONNECT_SECONDS = 10
"""How long a server may take to accept a connection. ``connect_timeout`` in the URL comes first."""

WRITES = "zvirka_writes"
"""Execution option of connections that write: SQLite then takes its lock at the beginning."""


def store_url(erp: ErpSettings) -> URL:
    """The address of the store with its password.

    Raises:
        SettingsError: ``erp.url`` is not an SQLAlchemy URL.
    """
    url = _address(erp.url)
    return url if erp.password is None else url.set(password=erp.password.get_secret_value())


def _address(text: str) -> URL:
    url = database_url(text)
    if url is None:
        raise SettingsError(
            coded("ZV3303", "the address of the store is not a database URL"),
            place="erp.url",
            remedy=Message(
                "write it as postgresql+psycopg://user@host/database or sqlite:////path/file.db"
            ),
        )
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in {"mysql", "mariadb"}:
        return url.set(drivername=f"{url.drivername}+pymysql")
    return url


def store_name(url: URL, table: str) -> str:
    """Where a table is, without user and password, for messages and reports."""
    where = f"{url.host or ''}/{url.database or ''}" if url.host else (url.database or "")
    return f"{url.get_backend_name()}:{where}#{table}"


def database_of(erp: ErpSettings) -> Identity:
    """The identity of the store's database.

    Raises:
        SettingsError: the URL cannot be used.
    """
    return _identity(erp.url)


@lru_cache(maxsize=10_000)
def _identity(url: str) -> Identity:
    """Remembered, because every order of a night asks it of all flows."""
    return database_identity(_address(url))


def store_engine(erp: ErpSettings) -> Engine:
    """An engine for the store. Nothing is connected yet.

    Parameters never reach an exception text (``hide_parameters``): they are personal data.

    Raises:
        SettingsError: the URL cannot be used, or its driver is not installed.
        StoreError: an SQLite file that is not there; opening it would create an empty one.
    """
    url = store_url(erp)
    backend = url.get_backend_name()
    options: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": backend != "sqlite"}
    if backend in {"postgresql", "mysql", "mariadb"}:
        # A row locked by this transaction must be read as it is now, not as in an older snapshot.
        options["isolation_level"] = "READ COMMITTED"
    if backend == "sqlite":
        _require_file(url)
        if "timeout" not in url.query:
            options["connect_args"] = {"timeout": LOCK_WAIT_SECONDS}
    elif backend == "postgresql":
        options["connect_args"] = _postgresql_arguments(url)
    elif backend in {"mysql", "mariadb"}:
        options["connect_args"] = _mysql_arguments(url)
    try:
        with _driver_arguments():
            engine = create_engine(url, **options)
    except (NoSuchModuleError, ImportError):
        raise SettingsError(
            coded("ZV3303", "there is no driver for {drivername}", drivername=url.drivername),
            place="erp.url",
            remedy=Message("use postgresql+psycopg, mariadb+pymysql, mysql+pymysql or sqlite"),
        ) from None
    event.listen(engine, "do_connect", _connect)
    if backend == "sqlite":
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    name_user_in_errors(engine)
    if backend == "postgresql" and "options" not in url.query:
        event.listen(engine, "begin", _postgresql_begin)
    return engine


def wait_briefly(connection: Connection) -> None:
    """Wait only briefly for locks of others in the transaction that has begun."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BRIEF_WAIT_SECONDS}s'")
    elif dialect in {"mysql", "mariadb"}:
        connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout = {BRIEF_WAIT_SECONDS}")


def end_failed(connection: Connection) -> None:
    """Roll back what SQLite leaves open when a COMMIT fails; SQLAlchemy takes it for ended."""
    raw: Any = connection.connection.dbapi_connection
    if getattr(raw, "in_transaction", False):
        raw.rollback()


@contextmanager
def _driver_arguments() -> Iterator[None]:
    """Blame the query of the address for what a driver does not understand."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise SettingsError(
            coded(
                "ZV3303",
                "the database's driver does not take the address ({kind})",
                kind=type(error).__name__,
            ),
            place="erp.url",
            remedy=Message("correct what follows the question mark of the address"),
        ) from None


def _connect(dialect: Dialect, _record: object, arguments: Any, options: Any) -> Any:
    with _driver_arguments():
        return dialect.connect(*arguments, **options)


def _require_file(url: URL) -> None:
    name = url.database or ":memory:"
    if name == ":memory:" or name.startswith("file:") or Path(name).is_file():
        return
    raise StoreError(
        coded("ZV2101", "the SQLite file of the store does not exist"),
        place=name,
        remedy=Message("check erp.url; zvirka does not create somebody else's database"),
    )


def _postgresql_arguments(url: URL) -> dict[str, Any]:
    # Else the driver speaks the database's own encoding, and fails before the server is asked.
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8"}
    return {name: value for name, value in arguments.items() if name not in url.query}


def _mysql_arguments(url: URL) -> dict[str, Any]:
    # Without strict mode the server cuts long values and says nothing.
    strict = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
    arguments: dict[str, Any] = {
        "init_command": f"{strict}, SESSION innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}",
        "connect_timeout": CONNECT_SECONDS,
        "charset": "utf8mb4",
    }
    return {name: value for name, value in arguments.items() if name not in url.query}


def _postgresql_begin(connection: Connection) -> None:
    # In the transaction and not at its start: PgBouncer refuses start-up options, and gives
    # another session to every transaction.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'")


def _sqlite_connect(connection: Any, _record: object) -> None:
    # The driver's own implicit BEGIN knows neither IMMEDIATE nor savepoints.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
