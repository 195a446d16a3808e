"""Files that are replaced as a whole: after a crash there is the old file or the new one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zvirka.private_files import make_directory

_DIRECTORY_MODE = 0o750


@contextmanager
def replaced(path: Path, mode: int) -> Iterator[BinaryIO]:
    """Write a file under a temporary name; on leaving the block it replaces ``path``.

    Missing directories are made with mode 0750 under any umask. File and directory are flushed to
    disk. When the block raises, the temporary file is removed and ``path`` stays as it was.

    Args:
        path: the file to replace.
        mode: its permission bits, such as ``0o640``.

    Raises:
        OSError: the directory or the file cannot be written.
    """
    make_directory(path.parent, _DIRECTORY_MODE)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)
