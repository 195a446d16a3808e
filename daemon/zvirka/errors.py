"""The one exception tree. Every message has a cause, a place and a remedy.

Personal data never goes into a message: Код, Ref_Key and field names identify what is meant.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from enum import IntEnum
from typing import ClassVar

import msgspec

from zvirka.message import Coded, Message, coded

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What ``msgspec.json.decode`` raises of bytes that are not JSON, or not of the type asked for."""


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

    def __init__(self, cause: Coded, *, place: str = "", remedy: Message | None = None) -> None:
        self.cause = cause
        self.place = place
        self.remedy: str = remedy or ""
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
        return self.sentence.code


_SYSTEM: dict[int, Message] = {
    errno.ENOENT: Message("it does not exist"),
    errno.EACCES: Message("permission denied"),
    errno.EPERM: Message("the operation is not permitted"),
    errno.EEXIST: Message("it exists already"),
    errno.ENOTDIR: Message("a part of the path is no directory"),
    errno.EISDIR: Message("it is a directory"),
    errno.ENAMETOOLONG: Message("the name is too long"),
    errno.ELOOP: Message("too many symbolic links"),
    errno.EADDRINUSE: Message("another program uses the address"),
    errno.EADDRNOTAVAIL: Message("it is not an address of this machine"),
    errno.EIO: Message("the disk reports an error"),
    errno.ENOSPC: coded("ZV4301", "no space is left on the disk"),
    errno.EDQUOT: coded("ZV4301", "the quota of the disk is used up"),
    errno.EROFS: coded("ZV4105", "it is read-only for this process"),
}
_HIDDEN_IN_UNITS = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108


def os_reason(error: OSError) -> Message:
    """Why the system refused, in words; the argument ``why`` of the message that says what.

    A unit of systemd does not see the home and temporary directories (ProtectHome=, PrivateTmp=):
    what is missing there for a process of a unit may well exist for everybody else.
    """
    hidden = str(error.filename or "").startswith(_HIDDEN_IN_UNITS)
    in_unit = "INVOCATION_ID" in os.environ
    if hidden and in_unit and error.errno in {errno.ENOENT, errno.EACCES}:
        return coded("ZV4105", "the sandbox of the unit hides this directory")
    known = _SYSTEM.get(error.errno or 0)
    return known or Message("{text}", text=error.strerror or type(error).__name__)


def wrapped_errors(error: BaseException) -> Iterator[BaseException]:
    """The error and all that is wrapped in it, by cause, by argument or by ``reason``."""
    seen, left = set[int](), [error]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        wrapped = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        left += [inner for inner in wrapped if isinstance(inner, BaseException)]


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


class OutputError(ZvirkaError):
    """Standard output cannot be written."""


class HeldError(ZvirkaError):
    """The run waits for a person's approval."""

    exit_code = ExitCode.HELD


class RunInterrupted(ZvirkaError):  # noqa: N818 - not an error of anybody's: somebody asked
    """The run was asked to stop and left at a safe place; the next run takes it up."""
