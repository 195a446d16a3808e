"""Records in the journal that the settings, or the schema of a side, are not as they were."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Literal

from loguru import logger
from sqlalchemy import Connection

from zvirka.errors import ZvirkaError
from zvirka.journal.digests import digest_of
from zvirka.journal.events import EventKind, add_event, last_event
from zvirka.journal.journal import Journal, open_journal
from zvirka.reconcile.environment import Environment
from zvirka.settings.effective import plain_values
from zvirka.settings.model import Settings

Side = Literal["1c", "erp"]


def note_settings(journal: Journal, settings: Settings, who: str, now: datetime) -> None:
    """Record the settings in effect when they are not those recorded last; without secrets.

    Raises:
        JournalError: the journal cannot be written.
    """
    with journal.writing() as connection:
        _note(connection, EventKind.SETTINGS, {}, plain_values(settings), who, now)


def note_settings_of_service(settings: Settings, who: str, now: datetime) -> None:
    """The same for a service that begins; trouble with the journal is left to its own work."""
    try:
        with closing(open_journal(settings)) as journal:
            note_settings(journal, settings, who, now)
    except ZvirkaError as error:
        logger.warning("the settings could not be recorded", cause=error.cause)


def note_schema(environment: Environment, side: Side, shape: Mapping[str, str], who: str) -> None:
    """Record the schema of a side when it is not the one recorded last.

    Args:
        environment: its journal and clock.
        side: 1C, or the store of the ERP.
        shape: name → type of what was read; empty when nothing was.
        who: runs.

    Raises:
        JournalError: the journal cannot be written.
    """
    if shape:
        with environment.journal.writing() as connection:
            _note(connection, EventKind.SCHEMA, {"side": side}, shape, who, environment.now())


def _note(
    connection: Connection,
    kind: EventKind,
    about: Mapping[str, str],
    values: Mapping[str, str],
    who: str,
    now: datetime,
) -> None:
    last = last_event(connection, kind, about)
    before = last.detail["values"] if last is not None else dict(values)
    changed = [
        [name, before.get(name), values.get(name)]
        for name in sorted({*before, *values})
        if before.get(name) != values.get(name)
    ]
    if last is None or changed:
        detail = {**about, "digest": digest_of(values), "changed": changed, "values": values}
        add_event(connection, kind, now, who, detail)
