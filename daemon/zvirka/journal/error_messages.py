"""What a database's error means for the journal, in words without any row's values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from zvirka.errors import JournalError
from zvirka.message import Message, coded

_CASES = (
    (
        ("disk is full", "53100"),
        coded("ZV4301", "the disk of the journal is full"),
        Message(
            "free some space; what was written before is safe, the next run settles what was open"
        ),
    ),
    (
        ("database is locked", "table is locked", "55P03", "database is busy"),
        coded("ZV5303", "the journal is locked by another program"),
        Message("close what holds the database open for writing, then run again"),
    ),
    (
        ("readonly database", "25006", "42501"),
        coded("ZV4103", "the journal may be read but not written"),
        Message("give zvirka's user write access to it (for SQLite to its directory too)"),
    ),
    (
        ("unable to open database",),
        coded("ZV4103", "the file of the journal cannot be opened"),
        Message("check state_dir and the rights of zvirka's user on it"),
    ),
    (
        # Also what SQLite says when it cannot enlarge the file beside the journal on a full disk.
        ("disk I/O error", "58030"),
        coded("ZV4301", "the disk of the journal is full, or does not work"),
        Message(
            "free some space; if there is enough, see the log of the system for faults of the disk"
        ),
    ),
    (
        ("malformed", "not a database", "XX001", "XX002"),
        coded("ZV5106", "the file of the journal is damaged, or is no database"),
        Message("restore it from a backup, or move it away to begin a new journal"),
    ),
    (
        ("28P01", "28000", "password authentication failed", "no password supplied"),
        coded("ZV5107", "the database of the journal refuses the user or the password"),
        Message("check journal.url and journal.password"),
    ),
    (
        ("3D000", "does not exist", "no such table", "no such column"),
        coded("ZV5108", "the journal lacks a database, table or column it should have"),
        Message("check journal.url; restore the database from a backup if tables are missing"),
    ),
)


def journal_error(error: SQLAlchemyError, place: str) -> JournalError:
    """The error with cause, place and remedy; the driver's own text is never passed on."""
    original = error.orig if isinstance(error, DBAPIError) else None
    state = str(getattr(original, "sqlstate", None) or "")
    text = f"{state} {original}"
    for signs, cause, remedy in _CASES:
        if any(sign in text for sign in signs):
            return JournalError(cause, place=place, remedy=remedy)
    if isinstance(error, IntegrityError):
        return JournalError(
            coded("ZV5102", "the journal refused a row that contradicts what it holds"),
            place=place,
            remedy=Message(
                "make sure only one zvirka writes to it, then run `zvirka audit verify`"
            ),
        )
    kind = f"{type(original or error).__name__} {state}".strip()
    return JournalError(
        coded("ZV5103", "the journal's database does not answer as it should ({kind})", kind=kind),
        place=place,
        remedy=Message("check that the server runs and journal.url is right"),
    )


@contextmanager
def guarded(place: str) -> Iterator[None]:
    """Turn errors of the database into :class:`JournalError`.

    Raises:
        JournalError: the database said no.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise journal_error(error, place) from None
