"""A journal in a file, whose chain holds at the end of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.journal.world import (
    settings,
)
from zvirka.journal.chain import verify_chain
from zvirka.journal.journal import Journal, open_journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(settings(tmp_path))
    yield opened
    assert list(verify_chain(opened)) == []
    opened.close()
