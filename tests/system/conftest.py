"""The booted machine, once for all system tests, with zvirka installed in it.

Where it cannot be booted the tests are skipped and say why; with ZVIRKA_SYSTEM_TESTS=required in
the environment they fail instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.machine import CannotBootError, Machine, installed, missing
from tests.system.packages import packaged
from tests.system.site import Site


@pytest.fixture(scope="session")
def site_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A booted container in which ``zvirka systemd install`` has been run."""
    folder = tmp_path_factory.mktemp("machine")
    with booted(folder, installed) as machine:
        machine.run("/opt/zvirka/bin/zvirka", "systemd", "install")
        yield Site(machine)


@contextmanager
def booted(folder: Path, binds: Callable[[Path], Mapping[Path, str]]) -> Iterator[Machine]:
    """Boot a machine, or skip the test with the reason why it cannot be."""
    required = os.environ.get("ZVIRKA_SYSTEM_TESTS") == "required"
    why = missing()
    if why and not required:
        pytest.skip(f"no system to boot: {why}")
    machine = Machine(folder)
    try:
        machine.boot(binds(folder))
    except CannotBootError as error:
        if required:
            raise
        pytest.skip(f"no system to boot: {error}")
    try:
        yield machine
    finally:
        machine.power_off()


@pytest.fixture(scope="session")
def bare_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A booted container without zvirka; what it is installed from is in /opt/packages."""
    with booted(tmp_path_factory.mktemp("bare"), packaged) as machine:
        yield Site(machine)


@pytest.fixture
def bare(bare_of_session: Site) -> Iterator[Site]:
    """The container in which the test itself installs zvirka; a failed one may leave it."""
    bare_of_session.forget()
    yield bare_of_session
    bare_of_session.forget()
    bare_of_session.remove()


@pytest.fixture
def site(site_of_session: Site) -> Site:
    """The installation as new, with a fresh 1C beside it."""
    site_of_session.begin()
    return site_of_session
