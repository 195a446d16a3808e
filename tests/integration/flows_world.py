"""Counterparties and contracts of one simulated 1C, kept in two tables of one ERP database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import create_engine

from tests.integration.databases import fresh
from tests.integration.engine_world import Clock
from tests.integration.store_shapes import SERIAL
from zvirka.domain import Command, Correction, Difference, Outcome
from zvirka.reconcile.environment import Environment, open_environment
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run import perform
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions

FIRMS = """
CREATE TABLE firms(
    id {serial}, ref CHAR(36) NOT NULL UNIQUE, name VARCHAR(200),
    head_id INTEGER REFERENCES firms(id), is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
CONTRACTS = """
CREATE TABLE contracts(
    id {serial}, ref CHAR(36) NOT NULL UNIQUE, name VARCHAR(200),
    firm_id INTEGER {null} REFERENCES firms(id), kind VARCHAR(20), signed DATE,
    is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
KINDS = {"СПокупателем": "sale", "СПоставщиком": "purchase"}
DROPPED = ("organisation", "number", "date", "currency", "valid_until")


@dataclasses.dataclass
class Flows:
    """Two flows, ``main`` and ``contracts``, of one base into one database."""

    simulator: Simulator
    backend: str
    settings: dict[str, Settings]
    clock: Clock = dataclasses.field(default_factory=Clock)

    @property
    def base(self) -> Any:
        return self.simulator.base

    @contextmanager
    def environment(self, flow: str) -> Iterator[Environment]:
        settings = self.settings[flow]
        with open_environment(settings, mapping_of(settings), now=self.clock) as environment:
            yield environment

    def run(self, flow: str, command: str = Command.RECONCILE, **asked: Any) -> Summary:
        """One run of one flow, a minute after the last."""
        self.clock.forward(minutes=1)
        with self.environment(flow) as environment:
            return perform(environment, Request(command=Command(command), who="test", **asked))

    def differences(self, flow: str, run: int) -> list[Difference]:
        with self.environment(flow) as environment:
            return [one for batch in environment.journal.differences(run) for one in batch]

    def corrections(self, flow: str, run: int) -> list[tuple[Correction, Outcome]]:
        with self.environment(flow) as environment:
            return [
                (correction, outcome)
                for batch in environment.journal.corrections(run)
                for _, correction, outcome in batch
            ]

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement past zvirka, with ? for parameters."""
        engine = create_engine(self.settings["main"].erp.url)
        text = statement if self.backend == "sqlite" else statement.replace("?", "%s")
        try:
            with engine.begin() as connection:
                result = connection.exec_driver_sql(text, parameters)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def stored(self) -> dict[str, tuple[Any, ...]]:
        """Living contracts by Ref_Key: name, Ref_Key of the counterparty's row, kind, date."""
        rows = self.sql(
            """
            SELECT c.ref, c.name, c.firm_id, f.ref, c.kind, c.signed
            FROM contracts c LEFT JOIN firms f ON f.id = c.firm_id
            WHERE c.is_active
            """
        )
        found = {}
        for ref, name, firm, firm_ref, kind, signed in rows:
            owner = None if firm is None else firm_ref or f"#{firm}"
            found[ref] = (name, owner, kind, "" if signed is None else str(signed))
        return found

    def wanted(self) -> dict[str, tuple[Any, ...]]:
        """The same as 1C has it."""
        found = {}
        for ref in self.base.contracts.refs():
            held = self.base.contracts.get(ref)
            date = held["Дата"][:10]
            kind = KINDS.get(held["ВидДоговора"], held["ВидДоговора"]) or None
            owner = held["Owner_Key"]
            found[ref] = (
                held["Description"],
                None if owner.startswith("00000000-0000") else owner,
                kind,
                "" if date == "0001-01-01" else date,
            )
        return found


@contextmanager
def flows(
    directory: Path,
    backend: str = "sqlite",
    *,
    counterparties: int = 4,
    contracts: int = 6,
    required: bool = False,
    mode: str = "soft",
    marks: str = "keep",
    onec: Mapping[str, str] = MappingProxyType({}),
    several_owners: bool = False,
) -> Iterator[Flows]:
    """Two flows over empty tables. ``required``: a contract must have its counterparty."""
    url = fresh(backend, directory)
    options = SimulatorOptions(
        profile="accounting",
        counterparties=counterparties,
        contracts=contracts,
        several_owners=several_owners,
        seed=7,
    )
    with Simulator(options) as simulator:
        base = simulator.base
        for ref in base.contracts.refs():
            base.contracts.update(ref, ВидДоговора="СПокупателем", DeletionMark=False)
        for ref in base.refs():
            base.update(ref, DeletionMark=False, ГоловнойКонтрагент_Key=_EMPTY)
        access = {
            "url": simulator.url,
            "user": simulator.user,
            "password": simulator.password,
            "retries": 1,
            **onec,
        }
        common = {
            "guard": {
                "max_changes": 10_000,
                "max_change_share": 1.0,
                "max_delete_share": 1.0,
                "shrink_share": 1.0,
            },
            "policy": {"deletion_mark": marks},
        }
        delete = {"mode": mode}
        main = {
            **common,
            "state_dir": directory / "main",
            "onec": {**access, "key": "ref", "fields": MAIN_FIELDS},
            "erp": {
                "url": url,
                "table": "firms",
                "key": "ref",
                "columns": {"head": "head_id"},
                "delete": delete,
            },
        }
        owner = {"counterparty": {"attribute": "Owner"}} if several_owners else {}
        fields = {**CONTRACT_FIELDS, **owner}
        contract_flow = {
            **common,
            "state_dir": directory / "contracts",
            "onec": {**access, "profile": "contracts", "fields": fields},
            "erp": {
                "url": url,
                "table": "contracts",
                "key": "ref",
                "columns": {"counterparty": "firm_id"},
                "delete": delete,
            },
        }
        plain = {
            "main": Settings.model_validate(main),
            "contracts": Settings.model_validate({**contract_flow, "name": "contracts"}),
        }
        settings = {name: one.among(plain) for name, one in plain.items()}
        made = Flows(simulator, backend, settings)
        made.sql(FIRMS.format(serial=SERIAL[backend]))
        null = "NOT NULL" if required else ""
        made.sql(CONTRACTS.format(serial=SERIAL[backend], null=null))
        yield made


_EMPTY = "00000000-0000-0000-0000-000000000000"
MAIN_FIELDS: dict[str, Any] = {
    "head": {"attribute": "ГоловнойКонтрагент_Key", "reference": "main"},
    **dict.fromkeys(["code", "tax_id", "phone", "email", "address"], False),
}
CONTRACT_FIELDS: dict[str, Any] = {
    "kind": {"values": KINDS},
    "signed": {"attribute": "Дата"},
    **dict.fromkeys(DROPPED, False),
}
