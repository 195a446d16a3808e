"""Running the command line in this process, with its own environment and working directory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from zvirka.cli import main

SETTINGS = """
state_dir = "state"

[onec]
url = "http://127.0.0.1:9/base"
user = "Обмін"
password_file = "password"
retries = 0

[erp]
url = "sqlite:///{directory}/erp.db"
"""
PASSWORD = "marked-password"


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with settings to work in; logging is put back afterwards."""
    (tmp_path / "zvirka.toml").write_text(SETTINGS.format(directory=tmp_path), encoding="utf-8")
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "state").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("ZVIRKA_CONFIG", "ZVIRKA_LANG", "LC_ALL", "LC_MESSAGES", "JOURNAL_STREAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield tmp_path
    logger.remove()
    logger.configure(extra={})
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def run(*arguments: str) -> int:
    return main(list(arguments))
