"""``zvirka check`` for the journal: whether it can be opened, without making or migrating it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from zvirka.findings import Finding
from zvirka.journal.copy_check import copy_problems
from zvirka.journal.engine import journal_name, journal_url, reading_engine
from zvirka.journal.error_messages import guarded
from zvirka.journal.migration import SCHEMA, pending, revision
from zvirka.journal.signing import read_signer
from zvirka.message import Message, coded
from zvirka.settings.model import Settings


def check_journal(settings: Settings) -> list[Finding]:
    """Return where the journal is and whether a run could begin in it.

    Raises:
        SettingsError: ``journal.url`` or ``report.signing_key_file`` cannot be used.
        JournalError: it cannot be reached or read, or a newer zvirka made it.
    """
    if settings.report.signing_key_file is not None:
        read_signer(settings.report.signing_key_file)
    url = journal_url(settings)
    name = journal_name(url)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and not Path(name).exists():
        return [Finding("ok", "journal", Message("{name}: the first run creates it", name=name))]
    engine = reading_engine(url)
    try:
        with guarded(name), engine.connect() as connection:
            found = revision(connection)
            steps = [] if found == SCHEMA else pending(connection, name)
            may_create = sqlite or not steps or _may_create(connection)
            problems = list(copy_problems(connection, settings)) if not steps else []
    finally:
        engine.dispose()
    if not may_create:
        return [
            Finding(
                "failure",
                "journal",
                coded("ZV5109", "{name}: the database user may not create tables", name=name),
                Message("grant CREATE on the schema public to the user of journal.url"),
            )
        ]
    if problems:
        remedy = Message(
            "restore it with `zvirka restore`; back it up with `zvirka backup`, not by copying"
        )
        return [
            Finding(
                "failure",
                "journal",
                coded("ZV5110", "{name}: {what}", name=name, what=problem),
                remedy,
            )
            for problem in problems
        ]
    if found is None:
        return [
            Finding("ok", "journal", Message("{name}: the first run creates its tables", name=name))
        ]
    ready = Message("{name}", name=name)
    if steps:
        ready = Message(
            "{name}: its schema is migrated from {found} to {schema} when it is next opened",
            name=name,
            found=found,
            schema=SCHEMA,
        )
    return [Finding("ok", "journal", ready)]


def pending_migrations(settings: Settings) -> list[tuple[str, str]]:
    """Return what opening the journal would migrate: revision and title, in order.

    Nothing where there is no journal yet.

    Raises:
        SettingsError: ``journal.url`` cannot be used.
        JournalError: it cannot be reached or read, or a newer zvirka made it.
    """
    url = journal_url(settings)
    name = journal_name(url)
    if url.get_backend_name() == "sqlite" and not Path(name).exists():
        return []
    engine = reading_engine(url)
    try:
        with guarded(name), engine.connect() as connection:
            found = revision(connection)
            return [] if found in {None, SCHEMA} else pending(connection, name)
    finally:
        engine.dispose()


def _may_create(connection: Connection) -> bool:
    statement = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
    return bool(connection.execute(statement).scalar())
