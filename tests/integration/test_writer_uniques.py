"""Unique values that move between clients, and those that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases import fresh
from tests.integration.store_shapes import Shape, ref
from zvirka.domain import Action, Correction, Outcome, OutcomeState
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings


def states(outcomes: dict[int, Outcome]) -> list[OutcomeState]:
    return [outcomes[number].state for number in sorted(outcomes)]


APPLIED = OutcomeState.APPLIED


@pytest.mark.shapes("production", "hard")
def test_a_create_with_a_taken_tax_code_fails_alone_and_names_no_value(shape: Shape) -> None:
    shape.create(1)
    taken = str(shape.values(1)["tax_id"])
    outcomes = shape.apply(
        shape.creation(2), shape.creation(3, tax_id=taken), shape.creation(4), shape.creation(5)
    )
    assert states(outcomes) == [APPLIED, OutcomeState.FAILED, APPLIED, APPLIED]
    assert taken not in outcomes[3].detail
    assert "Клієнт" not in outcomes[3].detail
    assert "refused the row" in outcomes[3].detail
    column = "inn" if shape.name == "hard" else "tax_code"
    assert column in outcomes[3].detail
    assert shape.find(shape.key(3)) == []


@pytest.mark.shapes("production")
def test_a_tax_code_of_an_unowned_row_is_taken_too(shape: Shape) -> None:
    row = shape.insert_unowned()
    correction = shape.creation(1, tax_id="99999999")
    assert shape.apply(correction)[1].state is OutcomeState.FAILED
    store = shape.store()
    assert store.conflicts(correction) == [row]
    store.close()


def test_empty_tax_codes_do_not_collide(shape: Shape) -> None:
    outcomes = shape.apply(
        shape.creation(1, tax_id=""), shape.creation(2, tax_id=None), shape.creation(3, tax_id=" ")
    )
    assert states(outcomes) == [APPLIED, APPLIED, APPLIED]


@pytest.mark.long
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_value_moves_from_one_client_to_another(shape: Shape, order: tuple[int, int]) -> None:
    first, second = shape.create(1, 2)
    code = shape.values(1)["tax_id"]
    corrections = [
        shape.change(Action.UPDATE, first, tax_id="40000000"),
        shape.change(Action.UPDATE, second, tax_id=code),
    ]
    outcomes = shape.apply(*(corrections[number] for number in order))
    assert states(outcomes) == [APPLIED, APPLIED]
    assert (shape.read(1).values["tax_id"], shape.read(2).values["tax_id"]) == ("40000000", code)


def test_a_value_moves_to_a_client_that_is_created(shape: Shape) -> None:
    (first,) = shape.create(1)
    code = shape.values(1)["tax_id"]
    outcomes = shape.apply(
        shape.creation(2, tax_id=code), shape.change(Action.UPDATE, first, tax_id=None)
    )
    assert states(outcomes) == [APPLIED, APPLIED]
    assert shape.read(2).values["tax_id"] == code


@pytest.mark.shapes("hard")
def test_a_value_of_a_client_deleted_for_good_is_free(shape: Shape) -> None:
    (first,) = shape.create(1)
    code = shape.values(1)["tax_id"]
    outcomes = shape.apply(shape.creation(2, tax_id=code), shape.change(Action.DELETE, first))
    assert states(outcomes) == [APPLIED, APPLIED]


@pytest.mark.long
@pytest.mark.parametrize("size", [2, 3])
def test_values_that_go_round_in_a_circle_go_through(shape: Shape, size: int) -> None:
    clients = shape.create(*range(1, size + 1))
    wanted = [clients[(n + 1) % size].values["tax_id"] for n in range(size)]
    outcomes = shape.apply(
        *(
            shape.change(Action.UPDATE, client, tax_id=value, name=f"Обмін {value}")
            for client, value in zip(clients, wanted, strict=True)
        )
    )
    assert states(outcomes) == [APPLIED] * size
    after = [shape.read(number) for number in range(1, size + 1)]
    assert [client.values["tax_id"] for client in after] == wanted
    assert [client.values["name"] for client in after] == [f"Обмін {value}" for value in wanted]
    assert [client.row for client in after] == [client.row for client in clients]


@pytest.mark.long
@pytest.mark.shapes("embedded", "production")
@pytest.mark.parametrize("size", [2, 3])
def test_keys_that_go_round_in_a_circle_go_through(shape: Shape, size: int) -> None:
    clients = shape.create(*range(1, size + 1))
    wanted = [clients[(n + 1) % size].key for n in range(size)]
    outcomes = shape.apply(
        *(
            shape.change(Action.UPDATE, client, code=key)
            for client, key in zip(clients, wanted, strict=True)
        )
    )
    assert states(outcomes) == [APPLIED] * size
    for client, key in zip(clients, wanted, strict=True):
        (moved,) = shape.find(key)
        assert moved.row == client.row


@pytest.mark.shapes("production")
def test_unique_keys_swap_although_an_empty_key_would_not_be_owned(shape: Shape) -> None:
    shape.sql("CREATE UNIQUE INDEX uq_external ON clients (external_id)")
    first, second = shape.create(1, 2)
    outcomes = shape.apply(
        shape.change(Action.UPDATE, first, code=second.key),
        shape.change(Action.UPDATE, second, code=first.key),
    )
    assert states(outcomes) == [APPLIED, APPLIED]
    assert shape.find(first.key)[0].row == second.row


@pytest.mark.long
def test_a_circle_with_a_client_touched_since_leaves_all_of_it(shape: Shape) -> None:
    first, second = shape.create(1, 2)
    shape.apply(shape.change(Action.UPDATE, second, address="Змінена"))
    before = shape.tables()
    outcomes = shape.apply(
        shape.change(Action.UPDATE, first, tax_id=second.values["tax_id"]),
        shape.change(Action.UPDATE, second, tax_id=first.values["tax_id"]),
    )
    assert outcomes[2].state is OutcomeState.SUPERSEDED
    if shape.name == "embedded":
        assert outcomes[1].state is APPLIED
    else:
        assert outcomes[1].state is OutcomeState.FAILED
        assert shape.tables() == before


@pytest.mark.shapes("hard")
def test_a_circle_over_a_not_null_column_fails_whole_and_says_why(shape: Shape) -> None:
    shape.sql("CREATE UNIQUE INDEX uq_title ON partners (title)")
    first, second = shape.create(1, 2)
    before = shape.tables()
    outcomes = shape.apply(
        shape.change(Action.UPDATE, first, name=second.values["name"]),
        shape.change(Action.UPDATE, second, name=first.values["name"]),
    )
    assert states(outcomes) == [OutcomeState.FAILED] * 2
    assert "in a circle" in outcomes[1].detail
    assert shape.tables() == before


@pytest.mark.parametrize("answer", ["REPLACE", "IGNORE", "ROLLBACK", "FAIL"])
def test_a_constraint_that_would_delete_the_other_row_fails_the_correction(
    answer: str, tmp_path: Path
) -> None:
    """SQLite's ON CONFLICT REPLACE removed one client for another, by turns every night."""
    url = fresh("sqlite", tmp_path)
    erp = ErpSettings.model_validate({"url": url, "table": "clients"})
    mapping = Mapping(
        catalog="Контрагенти", fields=tuple(Field(n, Attribute(n)) for n in ("code", "name"))
    )
    shape = Shape("answering", "sqlite", erp, mapping, {})
    shape.sql(
        "CREATE TABLE clients(id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT"
        f" UNIQUE ON CONFLICT {answer}, is_active BOOLEAN NOT NULL DEFAULT TRUE)"
    )
    shape.sql("INSERT INTO clients(code, name) VALUES ('C-00001', 'Same'), ('C-00002', 'Other')")
    outcomes = shape.apply(
        Correction(
            id=3,
            action=Action.CREATE,
            key="C-00003",
            ref=ref(3),
            after={"code": "C-00003", "name": "Same"},
        ),
        shape.change(Action.UPDATE, shape.read(2), 2, name="Same"),
    )
    assert {one.state for one in outcomes.values()} == {OutcomeState.FAILED}
    assert shape.sql("SELECT code, name FROM clients ORDER BY code") == [
        ("C-00001", "Same"),
        ("C-00002", "Other"),
    ]
