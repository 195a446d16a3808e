"""The .deb on a Debian without network: installed, checked, a night, removed, purged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import booted
from tests.system.machine import CHECKOUT, INSIDE, missing
from tests.system.site import PASSWORD, STATE, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def with_package(folder: Path) -> dict[Path, str]:
    """Build the package, uncompressed for speed, and bind its directory."""
    packages = folder / "packages"
    built = subprocess.run(
        [sys.executable, CHECKOUT / "packaging/build_deb.py", packages],
        env=os.environ | {"ZVIRKA_DEB_COMPRESSION": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "error sending request" in built.stderr:
        pytest.skip(f"no package index to take the wheels from: {built.stderr[-300:]}")
    assert built.returncode == 0, built.stderr
    return {packages: "/opt/packages", INSIDE: "/opt/inside"}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A machine without zvirka, with the package in /opt/packages."""
    if missing():
        pytest.skip(f"no system to boot: {missing()}")
    if not Path("/usr/bin/python3.11").exists() or sys.version_info[:2] != (3, 11):
        pytest.skip("the package is built by the Python of Debian 12, 3.11")
    if shutil.which("dpkg-deb") is None:
        pytest.skip("not installed: dpkg-deb")
    with booted(tmp_path_factory.mktemp("machine"), with_package) as machine:
        yield Site(machine)


def test_the_package_works_from_installing_to_purging(fresh: Site) -> None:
    run = fresh.machine.run

    # Installed without network: command, pages, user, directories, units.
    run("sh", "-c", "dpkg -i /opt/packages/zvirka_*.deb")
    assert run("zvirka", "--version").startswith("zvirka ")
    assert run("dpkg", "--verify", "zvirka") == ""
    assert run("stat", "-c", "%U %a", STATE, "/etc/zvirka") == "zvirka 750\nroot 750"
    assert run("sh", "-c", "zcat /usr/share/man/man1/zvirka.1.gz").startswith(".TH ZVIRKA 1")
    run("bash", "-n", "/usr/share/bash-completion/completions/zvirka")
    assert "/lib/systemd/system/zvirka.service" in run("systemctl", "cat", "zvirka.service")
    assert run("systemctl", "is-enabled", "zvirka.service", check=False) == "disabled"

    # Set up by root, then a night of the daemon.
    fresh.begin()
    run("zvirka", "check")
    planned = run("sh", "-c", "zvirka plan >/dev/null; echo $?")
    assert planned == "1", "an empty store differs from 1C"
    run("systemctl", "enable", "--quiet", "zvirka.service")
    fresh.run_now()
    fresh.wait_for_run("finished", number=2)  # the plan was the first
    assert len(fresh.clients()) == 300
    assert fresh.agrees()

    # The same version again, as an upgrade: the daemon runs again afterwards.
    run("sh", "-c", "dpkg -i /opt/packages/zvirka_*.deb")
    assert fresh.machine.show("zvirka.service", "ActiveState") == "active"
    assert len(fresh.clients()) == 300

    # Removed, then purged: the journal stays until it is asked for.
    run("dpkg", "--remove", "zvirka")
    assert run("sh", "-c", "ls -d /opt/zvirka /usr/bin/zvirka 2>/dev/null || true") == ""
    assert run("systemctl", "show", "--value", "--property=LoadState", "zvirka.service") in {
        "not-found", "",
    }  # fmt: skip
    run("dpkg", "--purge", "zvirka")
    left = run("sh", "-c", f"grep -rl {PASSWORD} /etc 2>/dev/null || true")
    assert left == ""
    assert run("sh", "-c", "ls /etc/zvirka/zvirka.toml 2>/dev/null || true") == ""
    assert "journal.db" in run("ls", STATE)
    run("sh", "-c", "dpkg -i /opt/packages/zvirka_*.deb")
    run("env", "ZVIRKA_PURGE_JOURNAL=yes", "dpkg", "--purge", "zvirka")
    assert run("sh", "-c", f"ls {STATE} 2>/dev/null || true") == ""
