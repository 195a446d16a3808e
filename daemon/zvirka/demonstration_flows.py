"""The second part of the demo: three flows, two simulated bases and two catalogues, into one ERP.

The counterparties of the first base are in the ERP already. Here come its contracts, which refer to
them, and the counterparties of a branch, whose base is another one. Nothing is pushed: every change
of that day is one that a reconciliation has to find.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from zvirka.domain import Command, RunStatus
from zvirka.init.settings_file import settings_text
from zvirka.reconcile.environment import open_environment
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run import perform
from zvirka.settings.flow_order import by_references
from zvirka.settings.loading import load_flows
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions
from zvirka.simulator.edits import EditLog
from zvirka.simulator.kept import PASSWORD

CONTRACTS = 300
BRANCH = 200
_SEED = 2027
_TABLES = """
CREATE TABLE contracts (
    id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, name TEXT, number TEXT, date TEXT,
    kind TEXT, client_id INTEGER REFERENCES clients (id), is_active BOOLEAN NOT NULL DEFAULT 1
);
CREATE TABLE branch_clients (
    id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, code TEXT NOT NULL, name TEXT, tax_id TEXT,
    phone TEXT, email TEXT, address TEXT, is_active BOOLEAN NOT NULL DEFAULT 1
);
"""
_DROPPED = dict.fromkeys(("organisation", "currency", "valid_until"), False)


class FlowShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a flow's night went; ``rows`` is what its catalogue holds."""

    flow: str
    catalogue: str
    rows: int
    found: int
    corrected: int
    left: int


def demonstrate_flows(directory: Path, simulator: Simulator, log: EditLog) -> list[FlowShown]:
    """Add two flows to the demo's installation, let a day pass unseen, reconcile all three.

    The branch's base ends with the demo, and so does its flow; that of the contracts stays.
    """
    with closing(sqlite3.connect(directory / "erp.db")) as erp, erp:
        erp.executescript(_TABLES)
    with Simulator(SimulatorOptions(counterparties=BRANCH, seed=_SEED)) as branch:
        _add_flow(directory, "contracts", simulator, "contracts", client="client_id")
        _add_flow(directory, "branch", branch, "branch_clients")
        flows = {
            name: loaded.settings
            for name, loaded in load_flows(directory / "zvirka.toml", {}).loaded.items()
        }
        for name in by_references(flows, flows):
            if name != "main":
                _load_first(flows[name])
        _a_day(simulator, log, branch)
        shown = [_night(flows[name]) for name in by_references(flows, flows)]
    (directory / "flows/branch.toml").unlink()
    return shown


def _add_flow(directory: Path, name: str, base: Simulator, table: str, client: str = "") -> None:
    secret = directory / "flows" / PASSWORD if name == "branch" else directory / PASSWORD
    secret.parent.mkdir(exist_ok=True)
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(base.password)
    onec = {"url": base.url, "user": base.user, "password_file": str(secret)}
    columns = {"counterparty": client} if client else {}
    tables = {
        "onec": onec | ({"profile": "contracts", "fields": _DROPPED} if client else {}),
        "erp": {
            "url": f"sqlite:///{directory / 'erp.db'}",
            "table": table,
            "key": "ref" if client else "code",
            **({} if client else {"ref": "ref"}),
            **({"columns": columns} if columns else {}),
        },
    }
    head = "A flow of the demo, beside that of zvirka.toml."
    file = directory / "flows" / f"{name}.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(settings_text(tables, {}, head), encoding="utf-8")


def _load_first(settings: Settings) -> None:
    """Load an empty table: so many creates at once wait for a person, who approves."""
    held = _run(settings, Request(command=Command.RECONCILE, who="demo", reason="demo"))
    if held.status is RunStatus.HELD:
        request = Request(
            command=Command.APPROVE, who="demo", reason="the first load", parent=held.run
        )
        _run(settings, request)


def _a_day(simulator: Simulator, log: EditLog, branch: Simulator) -> None:
    """Change contracts and clients of the branch without sending any webhook."""
    clients = list(simulator.base.refs())
    contracts = list(simulator.base.contracts.refs())
    for number, ref in enumerate(contracts[:6]):
        log.update_contract(ref, Description=f"Договір № {number + 1} (новий)")
    for ref in contracts[6:9]:
        log.update_contract(ref, Owner_Key=clients[-1])
    for number, ref in enumerate(list(branch.base.refs())[:5]):
        branch.base.update(ref, phone=f"+380 44 200 00 0{number}")


def _night(settings: Settings) -> FlowShown:
    summary = _run(settings, Request(command=Command.RECONCILE, who="demo", reason="demo"))
    with open_environment(settings, mapping_of(settings)) as environment:
        facts = environment.journal.get(summary.run).facts
    return FlowShown(
        flow=settings.name,
        catalogue=mapping_of(settings).catalog,
        rows=facts.source_rows or 0,
        found=sum((summary.causes or {}).values()),
        corrected=(summary.outcomes or {}).get("applied", 0),
        left=summary.remaining or 0,
    )


def _run(settings: Settings, request: Request) -> Summary:
    with open_environment(settings, mapping_of(settings)) as environment:
        return perform(environment, request)
