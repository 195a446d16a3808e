"""The law of references: two passes bring every reference to 1C's, or tell what it waits for.

Whatever comes before what, a column never gets the primary key of another row than 1C says, and a
value is never emptied because its row is missing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine

from tests.integration.databases import BACKENDS, fresh
from tests.integration.store_shapes import SERIAL, scanned_rows
from zvirka.domain import Action, Counterparty, Difference, Outcome
from zvirka.erp import open_store, open_writer
from zvirka.erp.references import references_of
from zvirka.policy import Policy
from zvirka.reconcile.applying import corrections_for
from zvirka.reconcile.decide import Pair, decide
from zvirka.reconcile.snapshot import Absence
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

pytestmark = pytest.mark.long

TABLES = (
    """
    CREATE TABLE firms(
        id {serial}, ref CHAR(36) UNIQUE, name VARCHAR(50),
        head_id INTEGER REFERENCES firms(id), is_active BOOLEAN NOT NULL DEFAULT TRUE
    )
    """,
    """
    CREATE TABLE contracts(
        id {serial}, ref CHAR(36) UNIQUE, name VARCHAR(50),
        firm_id INTEGER REFERENCES firms(id), is_active BOOLEAN NOT NULL DEFAULT TRUE
    )
    """,
    "INSERT INTO firms(name) VALUES ('a stranger of the ERP')",
)
COLUMN = {"firms": "head_id", "contracts": "firm_id"}
ORDER = (Action.DELETE, Action.UPDATE, Action.RESTORE, Action.CREATE)


def ref(number: int) -> str:
    return f"{number:08x}-2c4e-11ee-8f57-0050568b35ac" if number else ""


@dataclass
class TwoFlows:
    """1C's firms and contracts as Ref_Key → what it refers to, and the ERP's two tables."""

    url: str
    mode: Literal["soft", "hard"]
    in_1c: dict[str, dict[str, str]] = field(default_factory=lambda: {"firms": {}, "contracts": {}})

    @property
    def flows(self) -> dict[str, Settings]:
        made = {}
        for flow, target in (("firms", "firms"), ("contracts", "firms")):
            fields = {
                "parent": {"attribute": "Owner_Key", "reference": target},
                **dict.fromkeys(["code", "tax_id", "phone", "email", "address"], False),
            }
            erp = {
                "url": self.url,
                "table": flow,
                "key": "ref",
                "columns": {"parent": COLUMN[flow]},
                "delete": {"mode": self.mode},
            }
            onec = {"url": "http://1c.example", "key": "ref", "fields": fields}
            made[flow] = Settings.model_validate({"name": flow, "onec": onec, "erp": erp})
        return made

    @contextmanager
    def database(self) -> Iterator[Engine]:
        engine = create_engine(self.url)
        try:
            yield engine
        finally:
            engine.dispose()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database() as engine, engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def rows(self, flow: str) -> dict[str, tuple[int | None, bool]]:
        """Primary key of the row referred to, and whether the row is active, by Ref_Key."""
        found = self.sql(f"SELECT ref, {COLUMN[flow]}, is_active FROM {flow} WHERE ref <> ''")
        return {ref: (parent, bool(active)) for ref, parent, active in found}

    def firm(self, ref: str) -> int | None:
        found = self.sql(f"SELECT id FROM firms WHERE ref = '{ref}'")
        number: int | None = next(iter(found), (None,))[0]
        return number

    def reconcile(self, flow: str) -> set[str]:
        """One pass as a run makes it; the Ref_Keys of the records that wait."""
        before, waiting = self.rows(flow), self._pass(flow)
        for ref, (parent, _) in self.rows(flow).items():
            wanted = self.in_1c[flow].get(ref, "")
            was = before.get(ref, (None, True))[0]
            right = self.firm(wanted) if wanted else None
            if ref in self.in_1c[flow]:
                assert parent == right or (ref in waiting and parent == was)
            else:
                assert parent == was
        return waiting

    def _pass(self, flow: str) -> set[str]:
        made = self.flows
        mapping = mapping_of(made[flow])
        references, referring = references_of(flow, made)
        tables: dict[str, Any] = {"references": references, "referring": referring}
        with (
            closing(open_store(made[flow].erp, mapping, **tables)) as store,
            closing(open_writer(made[flow].erp, mapping, **tables)) as writer,
        ):
            clients = {one.ref or one.row: one for one in store.read_rows(scanned_rows(store))}
            found: list[Difference] = []
            for ident in sorted(clients.keys() | self.in_1c[flow].keys()):
                parent, record = self.in_1c[flow].get(ident), None
                if parent is not None:
                    values: dict[str, str | None] = {"name": ident, "parent": parent or None}
                    record = Counterparty(
                        ref=ident, key=ident, version="", deletion_mark=False, values=values
                    )
                pair = Pair(
                    mapping=mapping,
                    key=ident,
                    ref=ident,
                    record=record,
                    client=clients.get(ident),
                    fitted=store.fitting(record.values) if record else {},
                    absence=None if record else Absence("its Ref_Key"),
                )
                if pair.client is not None and not pair.client.ref:
                    continue  # the ERP's own
                difference = decide(pair, Policy(deletes_marked=False, rekey="propose"))
                if difference is not None:
                    found.append(msgspec.structs.replace(difference, number=len(found) + 1))
            found.sort(key=lambda one: ORDER.index(one.action or Action.CREATE))
            last: dict[int, Outcome] = {}
            again = found
            for partly in (False, True):
                corrections = [
                    msgspec.structs.replace(one, id=number)
                    for number, one in corrections_for(store, again)
                ]
                for action in ORDER:
                    todo = [one for one in corrections if one.action is action]
                    last |= {one.correction: one for one in writer.apply(todo, partly=partly)}
                again = [one for one in found if last[one.number].state != "applied"]
            assert {one.state for one in last.values()} <= {"applied", "refused", "failed"}
            return {one.ref for one in found if last[one.number].waits}

    def assert_true(self, waiting: dict[str, set[str]]) -> None:
        """Everything is as in 1C, or waits for what 1C does not have."""
        for flow, wanted in self.in_1c.items():
            rows = self.rows(flow)
            assert {ref for ref in wanted if not rows.get(ref, (None, False))[1]} == set()
            for ref, parent in wanted.items():
                if parent and self.firm(parent) is None:
                    assert ref in waiting[flow]
                else:
                    assert rows[ref][0] == (self.firm(parent) if parent else None)
        contracts = {ref for ref, (_, active) in self.rows("contracts").items() if active}
        assert contracts == set(self.in_1c["contracts"])
        firms = self.rows("firms")
        for gone in {ref for ref, (_, active) in firms.items() if active} - set(
            self.in_1c["firms"]
        ):
            held = [
                (flow, ref)
                for flow in self.in_1c
                for ref, (parent, active) in self.rows(flow).items()
                if active and parent == self.firm(gone) and ref != gone
            ]
            assert held, "a deleted firm stays only while somebody refers to it"


def play(flows: TwoFlows, history: list[tuple[str, int, int]]) -> None:
    """Make the history happen, then two passes over both flows, and judge."""
    for what, one, other in history:
        flow = "firms" if "firm" in what else "contracts"
        match what.split():
            case ["reconcile", _]:
                flows.reconcile(flow)
            case ["delete", _]:
                flows.in_1c[flow].pop(ref(one), None)
            case ["edit", _]:
                target = ref(other)
                pk = flows.firm(target) if target else None
                stranger = "SELECT MIN(id) FROM firms WHERE ref IS NULL"
                value = pk or flows.sql(stranger)[0][0]
                flows.sql(f"UPDATE contracts SET firm_id = {value} WHERE ref = '{ref(one)}'")
            case _:
                flows.in_1c[flow][ref(one)] = ref(other)
    for _ in range(2):
        waiting = {flow: flows.reconcile(flow) for flow in ("firms", "contracts")}
    flows.assert_true(waiting)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["write firm"] * 3,
                *["write contract"] * 3,
                "delete firm",
                "delete contract",
                "edit contract",
                "reconcile firms",
                "reconcile contracts",
            ]
        ),
        st.integers(1, 4),
        st.integers(0, 5),
    ),
    max_size=14,
)
CYCLE = [("write firm", 1, 2), ("write firm", 2, 1), ("write firm", 3, 3)]
TOLD = [
    *[("write contract", 1, 1), ("reconcile contracts", 1, 0), *CYCLE, ("write contract", 2, 3)],
    *[("reconcile firms", 1, 0), ("reconcile contracts", 1, 0)],
    *[("write contract", 2, 1), ("delete firm", 3, 0), ("edit contract", 1, 3)],
    *[("reconcile firms", 1, 0), ("delete firm", 1, 0), ("write contract", 3, 5)],
]
"""Contracts before their firms, cycles, a moved owner, deleted firms, an edit in the ERP."""


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(mode=st.sampled_from(["soft", "hard"]), history=OPERATIONS)
@example(mode="soft", history=TOLD)
@example(mode="hard", history=TOLD)
def test_two_passes_end_in_the_truth(
    mode: Literal["soft", "hard"], history: list[tuple[str, int, int]]
) -> None:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "erp.db"
        with closing(sqlite3.connect(file)) as made:
            for statement in TABLES:
                made.execute(statement.format(serial=SERIAL["sqlite"]))
            made.commit()
        play(TwoFlows(f"sqlite:///{file}", mode), history)


@pytest.mark.parametrize("mode", ["soft", "hard"])
@pytest.mark.parametrize("backend", [one for one in BACKENDS if one != "sqlite"])
def test_the_told_history_ends_in_the_truth_on_a_server(
    tmp_path: Path, backend: str, mode: Literal["soft", "hard"]
) -> None:
    flows = TwoFlows(fresh(backend, tmp_path), mode)
    for statement in TABLES:
        flows.sql(statement.format(serial=SERIAL[backend]))
    play(flows, TOLD)
