"""The store under test: every shape on every database that carries it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.store_shapes import CASES, SHAPES, Shape


@pytest.fixture(params=CASES, ids="-".join)
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> Shape:
    """An empty store of each shape on each database."""
    name, backend = request.param
    return SHAPES[name](backend, tmp_path)
