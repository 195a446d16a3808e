"""From a fresh Debian to nights that nothing breaks: the .deb, and the wheel by `uv tool`.

The table of clients is the ERP's own, in PostgreSQL; 1C is the simulator. Everything a person types
is a step, and the steps are counted.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.system.erp import ROLE_PASSWORD, Erp
from tests.system.packages import PACKAGES
from tests.system.site import FAKETIME, ONEC_PORT, PASSWORD, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

CLIENTS, STALE = 480, 30
INSTALL = {
    "deb": [f"dpkg -i {PACKAGES}/zvirka_*.deb"],
    "wheel": [
        f"UV_TOOL_DIR=/opt UV_TOOL_BIN_DIR=/usr/bin {PACKAGES}/uv tool install --quiet --offline "
        f"--no-index --find-links {PACKAGES} --python /usr/bin/python3.11 zvirka",
        "zvirka systemd install",
    ],
}
REMOVE = {
    "deb": ["ZVIRKA_PURGE_JOURNAL=yes dpkg --purge zvirka"],
    "wheel": [
        "zvirka systemd uninstall",
        f"UV_TOOL_DIR=/opt UV_TOOL_BIN_DIR=/usr/bin {PACKAGES}/uv tool uninstall --offline zvirka",
        "rm -rf /var/lib/zvirka /etc/zvirka /etc/credstore/zvirka.*",
    ],
}


@dataclass
class Administrator:
    """Types commands as root, at a time of day that the test sets, and counts them."""

    site: Site
    clock: datetime | None = None
    typed: list[str] = field(default_factory=list)

    def type(self, line: str, expected: int = 0, stdin: str = "") -> str:
        """Run a line in a shell, which must end with that code; what it printed."""
        self.typed.append(line)
        clock = []
        if self.clock is not None:
            moment = f"{self.clock:%Y-%m-%d %H:%M:%S}"
            clock = [f"LD_PRELOAD={FAKETIME}", f"FAKETIME=@{moment}", "TZ=UTC"]
        ending = f"{{ {line}; }} 2>&1; code=$?; echo; echo $code"
        said = self.site.machine.run("env", *clock, "bash", "-c", ending, stdin=stdin)
        text, _, code = said.rpartition("\n")
        assert int(code) == expected, f"{line} ended with {code}:\n{text}"
        return text


def nights() -> tuple[datetime, datetime]:
    """The next two nights: 02:30 of Kyiv, in UTC."""
    local = datetime.now(ZoneInfo("Europe/Kyiv"))
    first = local.replace(hour=2, minute=30, second=0, microsecond=0) + timedelta(days=1)
    second = first + timedelta(days=1)  # the same hour on the wall, also when clocks change
    return first.astimezone(UTC), second.astimezone(UTC)


def sleep_until(night: datetime, site: Site, admin: Administrator) -> None:
    """Move the daemon's clock to three seconds before its time; the administrator's, after it."""
    site.at_time(f"{night - timedelta(seconds=3):%Y-%m-%d %H:%M:%S}")
    admin.clock = night + timedelta(hours=6)


@pytest.mark.parametrize("package", ["deb", "wheel"])
def test_from_nothing_to_nights_that_nothing_breaks(package: str, bare: Site) -> None:
    first, second = nights()
    admin, erp, run = Administrator(bare), Erp(bare.machine), bare.machine.run
    erp.start()
    began = time.monotonic()

    for line in INSTALL[package]:
        admin.type(line)
    spent = time.monotonic() - began

    # What is there before zvirka: a 1C, and an ERP with its clients.
    bare.forget(CLIENTS)
    run("systemctl", "start", "onec.service", "mailbox.service")
    bare.machine.wait_for(lambda: "http" in bare.machine.log("onec"), 30, "the simulator")
    erp.fill(CLIENTS, STALE)
    assert erp.sql("SELECT count(*) FROM clients WHERE code_1c IS NOT NULL") == str(CLIENTS)

    # One round: init says which rights are missing, and with them everything is well.
    began = time.monotonic()
    bare.machine.write("/root/onec", PASSWORD, "0600")
    bare.machine.write("/root/erp", ROLE_PASSWORD, "0600")
    shown = admin.type(
        f"zvirka init --yes --lang en --onec-url http://127.0.0.1:{ONEC_PORT}/base "
        f"--onec-user zvirka --onec-password-file /root/onec --erp-url {erp.url} "
        "--erp-password-file /root/erp",
        expected=2,
    )
    grants = [line.strip() for line in shown.splitlines() if line.startswith("  GRANT ")]
    assert grants, shown
    admin.typed.append("psql")
    erp.sql(*grants)
    assert "All is well." in admin.type("zvirka check --lang en")
    assert f"{STALE}" in admin.type("zvirka plan --lang en", expected=1)
    sleep_until(first, bare, admin)
    admin.type("systemctl enable --now zvirka.service")
    spent += time.monotonic() - began
    print(f"{package}: {len(admin.typed)} steps, {spent:.0f} s: {shlex.join(admin.typed)}")
    assert len(admin.typed) <= 8

    # The first night.
    night = bare.wait_for_run("finished", number=2)
    assert night["trigger"] == "schedule"
    assert night["started_at"].startswith(f"{first:%Y-%m-%d %H:%M}")
    assert corrected(bare, night["id"]) == STALE
    assert erp.sql("SELECT count(*) FROM clients WHERE title LIKE 'Стара назва%'") == "0"
    assert erp.sql("SELECT count(*) FROM clients WHERE title LIKE 'Власний%'") == "5"

    # The day after: everything a person does, as root.
    admin.type("zvirka check")
    admin.type("zvirka plan")
    erp.sql("UPDATE clients SET title = 'зіпсовано' WHERE code_1c IS NOT NULL AND id <= 300")
    admin.type("zvirka reconcile", expected=3)
    held = bare.runs()[-1]["id"]
    admin.type(f"zvirka approve {held} --reason 'an import went wrong'")
    assert erp.sql("SELECT count(*) FROM clients WHERE title = 'зіпсовано'") == "0"
    code = erp.sql("SELECT min(code_1c) FROM clients")
    erp.sql(f"UPDATE clients SET phone = '000' WHERE code_1c = '{code}'")
    admin.type(f"zvirka resync --code {code} --reason 'the client called'")
    resync = bare.runs()[-1]["id"]
    assert erp.sql(f"SELECT phone FROM clients WHERE code_1c = '{code}'") != "000"
    admin.type(f"zvirka undo {resync} --reason 'it was right before'")
    assert erp.sql(f"SELECT phone FROM clients WHERE code_1c = '{code}'") == "000"
    admin.type("mkdir -m 0700 /backup; zvirka backup /backup/day.zvirka; rm -r /backup")
    admin.type("zvirka audit verify")

    # Nothing that root did stands in the way of the service.
    foreign = run("find", "/var/lib/zvirka", "!", "-user", "zvirka")
    assert foreign == ""
    assert bare.machine.show("zvirka.service", "ActiveState") == "active"

    # The next night still works, and leaves what was undone.
    erp.sql("UPDATE clients SET email = 'x@example.com' WHERE code_1c IS NOT NULL AND id > 470")
    expected = int(erp.sql("SELECT count(*) FROM clients WHERE email = 'x@example.com'"))
    sleep_until(second, bare, admin)
    before = len(bare.runs())
    run("systemctl", "restart", "zvirka.service")
    bare.machine.wait_for(lambda: len(bare.runs()) > before, 60, "the second night")
    bare.machine.wait_for(lambda: bare.runs()[-1]["status"] != "running", 60, "its end")
    night = bare.runs()[-1]
    assert (night["trigger"], night["status"]) == ("schedule", "finished")
    assert corrected(bare, night["id"]) == expected
    assert erp.sql("SELECT count(*) FROM clients WHERE email = 'x@example.com'") == "0"
    assert erp.sql(f"SELECT phone FROM clients WHERE code_1c = '{code}'") == "000"
    assert bare.query("select * from \"run\" where status = 'failed'") == []
    admin.type("zvirka audit verify")

    for line in REMOVE[package]:
        admin.type(line)
    assert run("sh", "-c", "ls -d /opt/zvirka /var/lib/zvirka 2>/dev/null || true") == ""


def corrected(site: Site, run: int) -> int:
    """How many corrections of a run are done, each read back."""
    rows = site.query(f"select state from correction where run_id = {run}")
    return sum(row["state"] == "applied" for row in rows)
