"""Counterparties and their contracts in one ERP, by the commands a person uses."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.lines import PASSWORD, run
from zvirka.simulator import Simulator, SimulatorOptions

pytestmark = pytest.mark.long

TABLES = """
CREATE TABLE firms(
    id INTEGER PRIMARY KEY, code TEXT UNIQUE, ref TEXT UNIQUE, name TEXT,
    is_active BOOLEAN NOT NULL DEFAULT TRUE
);
CREATE TABLE contracts(
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, title TEXT,
    firm_id INTEGER NOT NULL REFERENCES firms(id), our_firm TEXT, number TEXT, signed_on DATE,
    currency TEXT, kind TEXT CHECK (kind IN ('sale', 'purchase', 'other')), ends_on DATE,
    closed_at TIMESTAMP
);
"""
CONTRACTS = """
[onec]
base = "bas"
profile = "contracts"

[onec.fields.kind]
values = { "СПокупателем" = "sale", "СПоставщиком" = "purchase", "Прочее" = "other" }

[erp]
store = "erp"
table = "contracts"
key = "uid"

[erp.columns]
name = "title"
counterparty = "firm_id"
organisation = "our_firm"
date = "signed_on"
valid_until = "ends_on"

[erp.delete]
column = "closed_at"
"""
SETTINGS = """
state_dir = "state"

[bases.bas]
url = "{url}"
user = "Обмін"
password_file = "password"

[stores.erp]
url = "sqlite:///{directory}/erp.db"

[onec]
base = "bas"
fields = {{ tax_id = false, phone = false, email = false, address = false }}

[erp]
store = "erp"
table = "firms"
ref = "ref"

[guard]
max_change_share = 1.0
max_delete_share = 1.0

[report]
formats = ["json"]
"""


@pytest.fixture
def onec(settled: Path) -> Iterator[Simulator]:
    """1C with twelve counterparties and twenty contracts; both flows are set up."""
    options = SimulatorOptions(counterparties=12, contracts=20, password=PASSWORD)
    with Simulator(options) as simulator, closing(sqlite3.connect(settled / "erp.db")) as erp:
        erp.executescript(TABLES)
        text = SETTINGS.format(url=simulator.url, directory=settled)
        (settled / "zvirka.toml").write_text(text, encoding="utf-8")
        (settled / "flows").mkdir()
        (settled / "flows" / "contracts.toml").write_text(CONTRACTS, encoding="utf-8")
        yield simulator


def answer(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, Any]:
    code = run(*line, "--json")
    return code, json.loads(capsys.readouterr().out)


def erp(directory: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(directory / "erp.db")) as there:
        return there.execute(query).fetchall()


def stored(directory: Path) -> dict[str, tuple[Any, ...]]:
    rows = erp(
        directory,
        """
        SELECT uid, title, f.ref, our_firm, number, signed_on, currency, kind, ends_on
        FROM contracts JOIN firms f ON f.id = firm_id WHERE closed_at IS NULL
        """,
    )
    return {uid: tuple(values) for uid, *values in rows}


def in_1c(onec: Simulator) -> dict[str, tuple[Any, ...]]:
    kinds = {"СПокупателем": "sale", "СПоставщиком": "purchase", "Прочее": "other"}
    found = {}
    for ref in onec.base.contracts.refs():
        held = onec.base.contracts.get(ref)
        ends = held["СрокДействия"][:10]
        found[ref] = (
            held["Description"],
            held["Owner_Key"],
            held["Организация_Key"],
            held["Номер"],
            held["Дата"][:10],
            held["ВалютаВзаиморасчетов_Key"],
            kinds[held["ВидДоговора"]],
            None if ends == "0001-01-01" else ends,
        )
    return found


def test_contracts_are_kept_as_counterparties_are(
    onec: Simulator, settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, planned = answer(capsys, "plan", "--flow", "contracts")
    assert (code, planned["actions"], erp(settled, "SELECT * FROM contracts")) == (
        1,
        {"create": 20},
        [],
    )
    code, alone = answer(capsys, "reconcile", "--flow", "contracts")
    assert (code, alone["waiting"], alone["remaining"], stored(settled)) == (1, 20, 20, {})

    code, both = answer(capsys, "reconcile", "--all-flows")
    assert (code, both["main"]["remaining"], both["contracts"]["remaining"]) == (0, 0, 0)
    assert stored(settled) == in_1c(onec)
    assert answer(capsys, "reconcile", "--flow", "contracts")[1]["causes"] == {}

    before = stored(settled)
    one, two, three, *_ = onec.base.contracts.refs()
    firms = [ref for ref in onec.base.refs() if ref != before[one][1]]
    onec.base.contracts.update(one, Owner_Key=firms[0], СрокДействия="0001-01-01T00:00:00")
    onec.base.contracts.update(two, ВидДоговора="Прочее", Номер="")
    onec.base.contracts.delete(three)
    code, resynced = answer(
        capsys, "resync", "--flow", "contracts", "--ref", one, "--reason", "переїхав"
    )
    assert (code, resynced["outcomes"]) == (0, {"applied": 1})
    code, changed = answer(capsys, "reconcile", "--flow", "contracts")
    assert (code, changed["outcomes"]) == (0, {"applied": 2})
    assert stored(settled) == in_1c(onec)
    for done in (changed, resynced):
        run_number = str(done["run"])
        code, undone = answer(
            capsys, "undo", run_number, "--flow", "contracts", "--reason", "перевірка"
        )
        assert code == 0, undone
    assert stored(settled) == before
