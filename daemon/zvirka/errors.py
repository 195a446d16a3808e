"""The one exception tree. Every message has a cause, a place and a remedy.

Personal data never goes into a message: Код, Ref_Key and field names identify what is meant.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from zvirka.message import Message


class ExitCode(IntEnum):
    """The exit codes, a contract with systemd units and scripts (design: exit codes)."""

    IN_SYNC = 0
    DIFFERENCES = 1
    FAILED = 2
    HELD = 3
    USAGE = 64


class ZvirkaError(Exception):
    """Root of everything zvirka raises on purpose.

    Args:
        cause: what went wrong, one sentence with a code of the register
            (:func:`zvirka.message.coded`).
        place: where: a settings key, a URL, a table, a file, a run number.
        remedy: what the reader can do about it.
    """

    exit_code: ExitCode = ExitCode.FAILED
    passing: ClassVar[bool] = False
    """Whether trying again the same night can help; else it waits for a person."""

    def __init__(self, cause: str, *, place: str = "", remedy: str = "") -> None:
        self.cause = cause
        self.place = place
        self.remedy = remedy
        super().__init__(cause)

    def __str__(self) -> str:
        """Return cause, place, remedy and code in English."""
        return str(self.sentence)

    @property
    def sentence(self) -> Message:
        """Cause, place, remedy and code in one line, for every language."""
        return sentence_of(self.cause, self.place, self.remedy)

    @property
    def code(self) -> str:
        """The code of the cause, such as ZV1203; `zvirka explain` tells what to do."""
        return self.cause.code if isinstance(self.cause, Message) else ""


def sentence_of(cause: str, place: str = "", remedy: str = "") -> Message:
    """What went wrong, where, and what to do about it, in one line with the code at its end."""
    code = cause.code if isinstance(cause, Message) else ""
    parts = (
        ("{cause}", cause),
        (" [{place}]", place),
        (" → {remedy}", remedy),
        (" ({code})", code),
    )
    return Message(
        "".join(part for part, value in parts if value),
        cause=cause,
        place=place,
        remedy=remedy,
        code=code,
    )


class SettingsError(ZvirkaError):
    """The settings cannot be used: unknown key, wrong type, missing file or secret."""

    exit_code = ExitCode.USAGE


class UsageError(ZvirkaError):
    """The command line asks for something that does not exist or does not fit."""

    exit_code = ExitCode.USAGE


class NoSuchRunError(UsageError):
    """The journal has no run of that number."""


class SourceError(ZvirkaError):
    """1C could not be read. Subclasses in :mod:`zvirka.onec.failures` say why."""


class StoreError(ZvirkaError):
    """The ERP's store could not be read or written."""

    passing = True


class JournalError(ZvirkaError):
    """The journal could not be opened, read or written."""

    passing = True


class AlteredJournalError(JournalError):
    """The journal does not hold what was sealed; nothing is written until a person looks."""

    passing = False


class StagingError(ZvirkaError):
    """The staging database could not be used, for want of disk space among other things."""

    passing = True


class LockHeldError(ZvirkaError):
    """Another run, or another receiver, holds the lock; ``place`` says who."""

    passing = True


class HeldError(ZvirkaError):
    """The run waits for a person's approval."""

    exit_code = ExitCode.HELD


class RunInterrupted(ZvirkaError):  # noqa: N818 - not an error of anybody's: somebody asked
    """The run was asked to stop and left at a safe place; the next run takes it up."""
