"""Files and directories have their modes under any umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from zvirka.atomic_files import replaced
from zvirka.private_files import create_private_file, make_private_directory


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_replaced_file_and_the_directories_made_for_it(umask: int, tmp_path: Path) -> None:
    path = tmp_path / "var" / "reports" / "a.html"
    with replaced(path, 0o640) as stream:
        stream.write(b"x")
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o640, 0o750, 0o750)


def test_private_files_and_directories(umask: int, tmp_path: Path) -> None:
    directory = tmp_path / "state" / "journal"
    make_private_directory(directory)
    create_private_file(directory / "journal.db")
    assert mode(directory) == mode(directory.parent) == 0o700
    assert mode(directory / "journal.db") in {0o600, 0o600 & ~umask}


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with replaced(tmp_path / "a", 0o640) as stream:
        stream.write(b"x")
    assert mode(tmp_path) == 0o755
