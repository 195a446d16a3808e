"""Fixtures of the tests that run modules of 1C."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bsl.world import Erp, World, running_erp, world_for


@pytest.fixture
def erp() -> Iterator[Erp]:
    with running_erp() as running:
        yield running


@pytest.fixture
def world(erp: Erp, tmp_path: Path) -> World:
    return world_for(erp, tmp_path)
