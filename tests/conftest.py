"""What all tests share: the servers of the session, and the examples that laws are tried on.

Laws are tried on the same examples every time, so that a build is fair.
``ZVIRKA_EXPLORE=1 pytest …`` looks for new ones.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

# Alembic keeps the sys.stdout of its first import. Inside a test that is a captured one, closed
# when that test ends.
import alembic.config  # noqa: F401
import pytest
from hypothesis import settings

from tests.integration import databases

settings.register_profile("steady", derandomize=True)
if not os.environ.get("ZVIRKA_EXPLORE"):
    settings.load_profile("steady")

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 2**30

_SERVERS = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose the place of temporary files, and name the directory of the database servers."""
    if not hasattr(config, "workerinput"):
        _keep_temporary_files_in_memory()
        config.stash[_SERVERS] = databases.name_directory()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers once all workers are done."""
    if _SERVERS in config.stash:
        databases.stop(config.stash[_SERVERS])


def _keep_temporary_files_in_memory() -> None:
    """Journals and DuckDB sync every commit: on a disk the tests wait most of their time."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK | os.X_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None
