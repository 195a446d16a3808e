"""Many updates of one shape at once: PostgreSQL takes them as one statement, the others singly.

Whatever the way, each correction is judged by its own row and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.store_shapes import Shape
from tests.integration.test_writer_faults import ODD
from zvirka.domain import Action, OutcomeState
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings

APPLIED, SUPERSEDED = OutcomeState.APPLIED, OutcomeState.SUPERSEDED


@pytest.mark.long
def test_one_touched_row_among_many_is_superseded_alone(shape: Shape) -> None:
    clients = shape.create(*range(1, 41))
    column = "title" if shape.name == "hard" else "name"
    pk = shape.erp.primary_key
    touch = f"UPDATE {shape.table} SET {column} = 'Правка' WHERE {pk} = ?"
    shape.sql(touch, (clients[16].row,))
    outcomes = shape.apply(
        *(shape.change(Action.UPDATE, client, email="new@example.ua") for client in clients)
    )
    assert [n for n, outcome in outcomes.items() if outcome.state is SUPERSEDED] == [17]
    assert sum(outcome.state is APPLIED for outcome in outcomes.values()) == 39
    assert all(outcome.row == clients[n - 1].row for n, outcome in outcomes.items())
    assert shape.read(17).values == shape.values(17, name="Правка")
    assert shape.read(18).values == shape.values(18, email="new@example.ua")


@pytest.mark.long
def test_one_bad_row_among_many_fails_alone(shape: Shape) -> None:
    clients = shape.create(*range(1, 41))
    too_long = "y" * 600 + "@example.ua"
    outcomes = shape.apply(
        *(
            shape.change(Action.UPDATE, client, email=too_long if n == 9 else "new@example.ua")
            for n, client in enumerate(clients, 1)
        )
    )
    expected = {"embedded": APPLIED}.get(shape.name, OutcomeState.REFUSED)
    assert outcomes.pop(9).state is expected
    assert {outcome.state for outcome in outcomes.values()} == {APPLIED}
    assert shape.read(8).values == shape.values(8, email="new@example.ua")


@pytest.mark.shapes("production", "hard")
def test_a_unique_value_of_a_stranger_fails_its_own_correction_alone(shape: Shape) -> None:
    clients = shape.create(*range(1, 6))
    column = "inn" if shape.name == "hard" else "tax_code"
    taken = shape.insert_unowned()
    shape.sql(
        f"UPDATE {shape.table} SET {column} = '777' WHERE {shape.erp.primary_key} = ?", (taken,)
    )
    outcomes = shape.apply(
        *(
            shape.change(Action.UPDATE, client, tax_id="777" if n == 3 else f"{n}")
            for n, client in enumerate(clients, 1)
        )
    )
    assert outcomes.pop(3).state is OutcomeState.FAILED
    assert {outcome.state for outcome in outcomes.values()} == {APPLIED}
    assert shape.read(3).values == shape.values(3)


@pytest.mark.long
@pytest.mark.shapes("embedded", "hard")
def test_odd_values_side_by_side_stay_as_they_are(shape: Shape) -> None:
    odd = [
        value for value in [*ODD.values(), None, "", "null", "\x1e", "{}"] if value != ODD["long"]
    ]
    clients = shape.create(*range(1, len(odd) + 1))
    pairs = list(enumerate(odd, 1))
    there = shape.apply(
        *(shape.change(Action.UPDATE, clients[n - 1], address=value) for n, value in pairs)
    )
    assert {outcome.state for outcome in there.values()} == {APPLIED}
    written = [shape.read(n) for n, _ in pairs]
    assert [client.values["address"] for client in written] == odd
    back = shape.apply(*(shape.change(Action.UPDATE, c, address="вул. Лесі") for c in written))
    assert {outcome.state for outcome in back.values()} == {APPLIED}


TYPED = {
    "rank": ("INTEGER", ["7", None, "-1"]),
    "credit": ("NUMERIC(12, 2)", ["10.5", "0.01", None]),
    "since": ("DATE", ["2026-11-25T00:00:00", None, "1999-01-01T00:00:00"]),
    "note": ("TEXT", ["раз", None, "три"]),
}


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_that_are_not_text_take_what_reads_back_the_same(
    backend: str, tmp_path: Path
) -> None:
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in TYPED.items())
    erp = ErpSettings.model_validate(
        {"url": fresh(backend, tmp_path), "table": "clients", "delete": {"mode": "hard"}}
    )
    fields = tuple(Field(name, Attribute(name)) for name in ("code", *TYPED))
    shape = Shape("typed", backend, erp, Mapping(catalog="Контрагенты", fields=fields), {})
    shape.sql(
        f"CREATE TABLE clients (id INTEGER PRIMARY KEY, code VARCHAR(9) NOT NULL UNIQUE, {columns})"
    )
    for number in (1, 2, 3):
        shape.sql("INSERT INTO clients (id, code) VALUES (?, ?)", (number, shape.key(number)))
    clients = [shape.read(number) for number in (1, 2, 3)]
    wanted = [{name: values[n] for name, (_, values) in TYPED.items()} for n in range(3)]
    outcomes = shape.apply(
        *(
            shape.change(Action.UPDATE, client, **values)
            for client, values in zip(clients, wanted, strict=True)
        )
    )
    assert {outcome.state for outcome in outcomes.values()} == {APPLIED}
    for number, values in enumerate(wanted, 1):
        assert shape.read(number).values == {"code": shape.key(number), **values}
