"""The .deb on a Debian without network: installed, checked, a night, removed, purged."""

from __future__ import annotations

import pytest

from tests.system.site import PASSWORD, STATE, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def test_the_package_works_from_installing_to_purging(bare: Site) -> None:
    run = bare.machine.run

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
    bare.begin()
    run("zvirka", "check")
    planned = run("sh", "-c", "zvirka plan >/dev/null; echo $?")
    assert planned == "1", "an empty store differs from 1C"
    run("systemctl", "enable", "--quiet", "zvirka.service")
    bare.run_now()
    bare.wait_for_run("finished", number=2)  # the plan was the first
    assert len(bare.clients()) == 300
    assert bare.agrees()

    # The same version again, as an upgrade: the daemon runs again afterwards.
    run("sh", "-c", "dpkg -i /opt/packages/zvirka_*.deb")
    assert bare.machine.show("zvirka.service", "ActiveState") == "active"
    assert len(bare.clients()) == 300

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
