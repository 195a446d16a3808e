"""Files and directories that only zvirka's user may read, whatever the umask."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make_directory(directory: Path, mode: int) -> None:
    """Create the directory, and every missing one above it, with that mode under any umask.

    ``Path.mkdir(mode=…, parents=True)`` gives the mode to the last one only, less the umask. A
    directory that is there keeps its mode.

    Raises:
        OSError: it cannot be created.
    """
    for missing in reversed([directory, *directory.parents]):
        if not missing.is_dir():
            missing.mkdir(mode=mode, exist_ok=True)
            missing.chmod(mode)


def make_private_directory(directory: Path) -> None:
    """Create the directory, and every missing one above it, with mode 0700; see above.

    Raises:
        OSError: it cannot be created.
    """
    make_directory(directory, 0o700)


def create_private_file(path: Path) -> None:
    """Create an empty file with mode 0600, before a database creates one with the umask.

    A file that is there is never opened: closing it would drop the locks of every SQLite
    connection this process has to it (sqlite.org/howtocorrupt.html, 2.2), another process would
    then take itself for the last one and delete the log that is still written to.

    Raises:
        OSError: it cannot be created.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
