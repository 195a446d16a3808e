"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zvirka.atomic_files import replaced
from zvirka.errors import ZvirkaError, os_reason
from zvirka.message import Message, coded

_MODE = 0o640
"""The owner writes and the group (the auditors) reads: a report holds personal data."""


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file being written, which takes its name only when it is whole and on disk.

    Raises:
        ZvirkaError: the directory or the file cannot be written.
    """
    try:
        with replaced(path, _MODE) as stream:
            yield stream
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> ZvirkaError:
    """The error for a report file that the system does not let be written."""
    return ZvirkaError(
        coded("ZV4101", "a report cannot be written ({why})", why=os_reason(error)),
        place=str(path),
        remedy=Message("see to the space and the rights of the directory, or change report.dir"),
    )
