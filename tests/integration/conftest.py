"""The store under test: every shape on every database that carries it.

A test that concerns only some shapes or databases says so by a marker, and only those cases are
collected: ``@pytest.mark.shapes("production")``, ``@pytest.mark.backends("mariadb")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.integration.databases import BACKENDS
from tests.integration.engine_world import World, world
from tests.integration.simulator_client import Client, simulated
from tests.integration.store_shapes import CASES, SHAPES, Shape, params
from tests.unit.cli.lines import settled
from zvirka.simulator import Simulator

__all__ = ["settled"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Collect the cases of ``shape`` and of ``shop`` that the markers of the test leave."""
    names, backends = _chosen(metafunc, "shapes", SHAPES), _chosen(metafunc, "backends", BACKENDS)
    if any("shape" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")):
        return
    if "shape" in metafunc.fixturenames:
        cases = [case for case in CASES if case[0] in names and case[1] in backends]
        metafunc.parametrize("shape", params(cases), indirect=True)
    elif "shop" in metafunc.fixturenames:
        metafunc.parametrize("shop", backends, indirect=True)


def _chosen(metafunc: pytest.Metafunc, marker: str, known: Iterable[str]) -> list[str]:
    mark = metafunc.definition.get_closest_marker(marker)
    chosen = list(known) if mark is None else list(mark.args)
    unknown = set(chosen) - set(known)
    if unknown:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: no such {marker}: {unknown}")
    return chosen


@pytest.fixture
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> Shape:
    """An empty store of each shape on each database."""
    name, backend = request.param
    return SHAPES[name](backend, tmp_path)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    """Both sides in sync after a first run; files with another beginning have their own."""
    with world(tmp_path, counterparties=60) as made:
        assert made.run().exit_code == 0
        yield made


@pytest.fixture
def careful(night: World) -> World:
    """The same with limits that a handful of deletions passes."""
    return night.with_settings(guard={"max_deletes": 2, "max_changes": 8})


@pytest.fixture
def served() -> Iterator[tuple[Simulator, Client]]:
    """A simulated publication and a plain reader of it."""
    with simulated() as pair:
        yield pair
