"""zvirka installed on the machine, with a 1C, a store and a mailbox beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.system.machine import Machine

PASSWORD = "TAJEMNYCJA-1C-4711"
ONEC_PORT, DRIP_PORT = 18080, 18081
PYTHON = "/opt/zvirka/bin/python"
STATE = "/var/lib/zvirka"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
BESIDE = ("onec.service", "drip.service", "mailbox.service")

_QUERY = """
import json, sqlite3, sys
from pathlib import Path
if not Path(sys.argv[1]).exists():
    print("[]"); sys.exit()
base = sqlite3.connect(f"file:{sys.argv[1]}?mode=" + sys.argv[3], uri=True, timeout=30)
base.row_factory = sqlite3.Row
try:
    rows = base.execute(sys.argv[2]).fetchall()
    base.commit()
except sqlite3.OperationalError as error:
    if "no such table" not in str(error):
        raise
    rows = []
print(json.dumps([dict(row) for row in rows]))
"""


@dataclass
class Site:
    """What the tests do to the installation, and see of it."""

    machine: Machine

    def begin(self, *, counterparties: int = 300) -> None:
        """Forget everything of the test before, and serve a fresh 1C."""
        self.forget(counterparties)
        self.configure()
        self.machine.run("systemctl", "start", *BESIDE)
        self.machine.wait_for(lambda: "http" in self.machine.log("onec"), 30, "the simulator")

    def forget(self, counterparties: int = 300) -> None:
        """Stop everything, remove what the test before left, and describe the services beside."""
        run = self.machine.run
        self._write_unit("onec", f"onec.py --port {ONEC_PORT} --counterparties {counterparties}")
        self._write_unit("drip", f"onec.py --drip --port {DRIP_PORT}")
        self._write_unit("mailbox", "mailbox.py")
        run("sh", "-c", "rm -rf /etc/systemd/system/*.d")
        run("systemctl", "daemon-reload")
        run("systemctl", "stop", "zvirka*", *(unit.replace(".", "*.") for unit in BESIDE))
        run("systemctl", "reset-failed")
        run("sh", "-c", f"rm -rf {STATE}/* /run/mailbox /run/onec")
        self.machine.forget_log()
        self.faults()

    def remove(self) -> None:
        """Remove zvirka, however it was installed."""
        run = self.machine.run
        run("env", "ZVIRKA_PURGE_JOURNAL=yes", "dpkg", "--purge", "zvirka", check=False)
        everything = f"/opt/zvirka /usr/bin/zvirka /etc/zvirka {STATE} /etc/credstore/zvirka.*"
        run("sh", "-c", f"rm -rf {everything} /etc/systemd/system/zvirka* /backup")
        run("systemctl", "daemon-reload")

    def _write_unit(self, name: str, command: str) -> None:
        unit = f"""[Service]
Environment=ZVIRKA_SIMULATOR_PASSWORD={PASSWORD}
ExecStart={PYTHON} /opt/inside/{command}
"""
        self.machine.write(f"/run/systemd/system/{name}.service", unit)

    def faults(self, **faults: object) -> None:
        """Set the faults of 1C."""
        self.machine.write("/run/onec/faults.json", json.dumps(faults))

    def configure(self, extra: str = "", *, port: int = ONEC_PORT, timeouts: str = "") -> None:
        """Write zvirka.toml; the password of 1C is a credential and not in it."""
        text = f"""
[onec]
url = "http://127.0.0.1:{port}/base/odata/standard.odata/"
user = "zvirka"
{timeouts}
[erp]
url = "sqlite:///{STATE}/erp.db"
batch = 20
[guard]
max_change_share = 1.0
[alerts]
urls = ["json://127.0.0.1:18025/"]
report_base = "https://erp.example/zvirka"
{extra}
"""
        self.machine.write("/etc/zvirka/zvirka.toml", text, "0640")
        self.machine.run("chgrp", "zvirka", "/etc/zvirka/zvirka.toml")
        self.machine.write("/etc/credstore/zvirka.onec.password", PASSWORD, "0600")

    def drop_in(self, unit: str, text: str, name: str = "test") -> None:
        """Change a unit as an administrator would."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def at_time(self, moment: str) -> None:
        """Move the daemon's clock to that moment (UTC); it goes on from there, restarts included.

        An offset: a fixed beginning would send every restarted daemon back to it.
        """
        wanted = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        ahead = round((wanted - datetime.now(UTC)).total_seconds())
        self.drop_in(
            "zvirka.service",
            f"[Service]\nEnvironment=LD_PRELOAD={FAKETIME} FAKETIME={ahead:+d} TZ=UTC\n"
            "Environment=FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1\n",
            name="clock",
        )

    def run_now(self) -> None:
        """Start the daemon just before its time, so that the nightly run begins at once."""
        self.at_time("2026-11-25 00:29:58")
        self.machine.run("systemctl", "start", "zvirka.service")

    def query(self, sql: str, base: str = "journal.db", mode: str = "ro") -> list[dict[str, Any]]:
        """Rows of a database in the state directory."""
        answer = self.machine.run(PYTHON, "-c", _QUERY, f"{STATE}/{base}", sql, mode)
        found: list[dict[str, Any]] = json.loads(answer)
        return found

    def runs(self) -> list[dict[str, Any]]:
        """The runs of the journal, oldest first."""
        return self.query('select * from "run" order by id')

    def wait_for_run(self, status: str, seconds: float = 60, number: int = 1) -> dict[str, Any]:
        """Wait until so many runs have that status; the newest of them."""

        def found() -> list[dict[str, Any]]:
            runs = [run for run in self.runs() if run["status"] == status]
            return runs if len(runs) >= number else []

        self.machine.wait_for(found, seconds, f"{number} {status} runs among {self.runs()}")
        return found()[-1]

    def clients(self) -> list[dict[str, Any]]:
        """The rows of the store."""
        return self.query("select * from clients", "erp.db")

    def mail(self) -> list[dict[str, Any]]:
        """The alerts that arrived."""
        text = self.machine.run("sh", "-c", "cat /run/mailbox 2>/dev/null || true")
        return [json.loads(line) for line in text.splitlines()]

    def agrees(self) -> bool:
        """Whether a plan finds no difference any more."""
        self.faults()
        code = self.machine.run(
            "sh",
            "-c",
            "systemd-run --quiet --wait --pipe --uid=zvirka --setenv=ZVIRKA_ONEC__PASSWORD="
            f"{PASSWORD} /opt/zvirka/bin/zvirka plan --wait 60 --config /etc/zvirka/zvirka.toml "
            ">/dev/null 2>&1; echo $?",
        )
        return code == "0"
