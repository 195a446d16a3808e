"""The booted machine, once for all system tests, with zvirka installed in it.

Where it cannot be booted the tests are skipped and say why; with ZVIRKA_SYSTEM_TESTS=required in
the environment they fail instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.system.machine import CannotBootError, Machine, missing
from tests.system.site import Site


@pytest.fixture(scope="session")
def site_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A booted container in which ``zvirka systemd install`` has been run."""
    why = missing()
    if why and os.environ.get("ZVIRKA_SYSTEM_TESTS") != "required":
        pytest.skip(f"no system to boot: {why}")
    machine = Machine(tmp_path_factory.mktemp("machine"))
    try:
        machine.boot()
    except CannotBootError as error:
        if os.environ.get("ZVIRKA_SYSTEM_TESTS") == "required":
            raise
        pytest.skip(f"no system to boot: {error}")
    try:
        machine.run("/opt/zvirka/bin/zvirka", "systemd", "install")
        yield Site(machine)
    finally:
        machine.power_off()


@pytest.fixture
def site(site_of_session: Site) -> Site:
    """The installation as new, with a fresh 1C beside it."""
    site_of_session.begin()
    return site_of_session
