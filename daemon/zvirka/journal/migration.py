"""The journal's schema: which revision it has, and bringing it up to date."""

from __future__ import annotations

from typing import Any

from loguru import logger
from sqlalchemy import Connection, Engine, inspect, text

from zvirka.errors import JournalError
from zvirka.message import Message, coded

WRITES = "zvirka_journal_writes"
"""Execution option of connections that write: SQLite then takes its lock at the beginning."""

SCHEMA = "0005"
"""The revision of the newest migration, so that a journal in step is opened without Alembic."""

_MIGRATION_LOCK = 0x7A76_6972_6D67


def is_in_step(engine: Engine) -> bool:
    """Whether the journal has the schema of this version."""
    with engine.connect() as connection:
        return revision(connection) == SCHEMA


def migrate(engine: Engine, place: str) -> None:
    """Bring the schema up to date.

    Raises:
        JournalError: a newer zvirka made it.
    """
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if revision(connection) != SCHEMA:
            _upgrade(connection, place)


def revision(connection: Connection) -> str | None:
    """Return the revision of the schema; ``None`` for a database without a journal."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def pending(connection: Connection, place: str) -> list[tuple[str, str]]:
    """Return the migrations that opening the journal would run: revision and title, in order.

    Raises:
        JournalError: a newer zvirka made it.
    """
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError

    found = revision(connection)
    scripts = ScriptDirectory.from_config(migration_config(connection))
    try:
        steps = list(scripts.iterate_revisions("head", found or "base"))
    except RevisionError:
        raise newer_journal(place, found) from None
    return [(step.revision, step.doc.splitlines()[0].rstrip(".")) for step in reversed(steps)]


def newer_journal(place: str, found: str | None) -> JournalError:
    """Return the error for a journal that a newer zvirka has migrated."""
    return JournalError(
        coded(
            "ZV5101",
            "the journal was written by a newer zvirka (schema {found}, this version has {schema})",
            found=found,
            schema=SCHEMA,
        ),
        place=place,
        remedy=Message(
            "install that version or a later one again; to stay with this version, restore"
            " a backup made before the upgrade: a journal is never taken back a step"
        ),
    )


def _upgrade(connection: Connection, place: str) -> None:
    # Alembic takes longer to import than a journal in step takes to open.
    from alembic import command
    from alembic.util import CommandError

    if (found := revision(connection)) is not None:
        logger.warning("the journal is migrated", place=place, before=found, after=SCHEMA)
    try:
        command.upgrade(migration_config(connection), "head")
    except CommandError:
        raise newer_journal(place, revision(connection)) from None


def migration_config(connection: Connection) -> Any:
    """Alembic's configuration for the migrations of this package, on an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "zvirka.journal:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
