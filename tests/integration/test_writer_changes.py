"""Creates, updates, deletes and restores by SQL: what is written, and what is left alone."""

from __future__ import annotations

import msgspec
import pytest

from tests.integration.store_shapes import Shape, ref
from zvirka.domain import Action, OutcomeState


def test_a_create_reads_back_as_wanted_and_names_its_row(shape: Shape) -> None:
    outcomes = shape.apply(*(shape.creation(number) for number in (1, 2, 3)))
    for number in (1, 2, 3):
        client = shape.read(number)
        assert outcomes[number].state is OutcomeState.APPLIED
        assert outcomes[number].row == client.row
        assert client.values == shape.values(number)
        assert client.active
        assert client.ref == (None if shape.name == "production" else ref(number))


def test_a_create_fills_the_constants_and_the_child(shape: Shape) -> None:
    shape.create(1)
    if shape.name == "production":
        row = shape.sql("SELECT client_type_id, source, created_at FROM clients")[0]
        assert row[:2] == (1, "1c")
        assert row[2] is not None
        child = "SELECT client_id, full_name, is_primary, primary_phone, email, source, touched"
        assert shape.sql(f"{child} FROM client_contacts") == [
            (1, "Клієнт 1", 1, "+380500000001", "c1@example.ua", "1c", 0)
        ]
    elif shape.name == "embedded":
        assert shape.sql("SELECT source, is_active FROM clients") == [("1c", 1)]
    else:
        assert shape.sql("SELECT kind FROM partners") == [(1,)]


def test_a_create_whose_key_is_there_by_now_is_superseded(shape: Shape) -> None:
    shape.create(1)
    before = shape.tables()
    outcome = shape.apply(shape.creation(1, name="Інший"))[1]
    assert outcome.state is OutcomeState.SUPERSEDED
    assert shape.tables() == before


def test_two_creates_of_one_key_make_one_client(shape: Shape) -> None:
    first = shape.creation(1)
    second = shape.creation(2, tax_id=None, **_same_key(shape))
    if shape.mapping.key_is_ref:
        second = type(second)(
            id=2, action=Action.CREATE, key=first.key, ref=first.ref, after=second.after
        )
    outcomes = shape.apply(first, second)
    assert [outcomes[n].state for n in (1, 2)] in (
        [OutcomeState.APPLIED, OutcomeState.FAILED],
        [OutcomeState.APPLIED, OutcomeState.SUPERSEDED],
    )
    assert len(shape.find(shape.key(1))) == 1


def _same_key(shape: Shape) -> dict[str, str | None]:
    return {"code": shape.key(1)} if shape.mapping.key == ("code",) else {}


@pytest.mark.long
def test_an_update_writes_only_its_own_columns(shape: Shape) -> None:
    first, second = shape.create(1, 2)
    if shape.name == "production":
        shape.sql("UPDATE clients SET full_name = 'ЄРП', phone = '123', email = 'own@erp'")
        shape.sql("UPDATE client_contacts SET is_active = (1 = 0), full_name = 'Контакт'")
    other = shape.tables()
    outcome = shape.apply(shape.change(Action.UPDATE, first, name="Новий", address="Інша"))[1]
    assert (outcome.state, outcome.row) == (OutcomeState.APPLIED, first.row)
    assert shape.read(1).values == shape.values(1, name="Новий", address="Інша")
    assert shape.read(2) == second
    if shape.name == "production":
        assert shape.tables()["client_contacts"] == other["client_contacts"]
        columns = "full_name, phone, email, client_type_id, source"
        assert shape.sql(f"SELECT {columns} FROM clients WHERE id = {first.row}") == [
            ("ЄРП", "123", "own@erp", 1, "1c")
        ]


@pytest.mark.shapes("embedded", "production")
def test_an_update_touches_the_on_update_columns(shape: Shape) -> None:
    (client,) = shape.create(1)
    shape.sql(f"UPDATE {shape.table} SET updated_at = '2001-01-01 00:00:00'")
    shape.apply(shape.change(Action.UPDATE, client, phone="+380671112233"))
    (touched,) = shape.sql(f"SELECT updated_at FROM {shape.table}")[0]
    assert not str(touched).startswith("2001")
    if shape.name == "production":
        assert shape.sql("SELECT touched, primary_phone FROM client_contacts") == [
            (1, "+380671112233")
        ]


@pytest.mark.shapes("production")
def test_a_missing_child_is_created_when_there_is_something_to_put_in_it(shape: Shape) -> None:
    shape.apply(shape.creation(1, phone=None, email=""))
    assert shape.tables()["client_contacts"] == []
    client = shape.read(1)
    assert (client.values["phone"], client.values["email"]) == (None, None)
    outcome = shape.apply(shape.change(Action.UPDATE, client, email="a@b.ua"))[1]
    assert outcome.state is OutcomeState.APPLIED
    child = "SELECT client_id, full_name, primary_phone, email, source FROM client_contacts"
    assert shape.sql(child) == [(int(client.row), "Клієнт 1", None, "a@b.ua", "1c")]


@pytest.mark.shapes("production")
def test_only_the_first_primary_child_is_read_and_written(shape: Shape) -> None:
    (client,) = shape.create(1)
    insert = (
        "INSERT INTO client_contacts (client_id, full_name, is_primary, primary_phone)"
        " VALUES (?, ?, ?, ?)"
    )
    shape.sql(insert, (int(client.row), "Другий", True, "222"), (int(client.row), "Ні", False, "3"))
    assert shape.read(1) == client
    outcome = shape.apply(shape.change(Action.UPDATE, client, phone="111"))[1]
    assert outcome.state is OutcomeState.APPLIED
    assert [
        row[0] for row in shape.sql("SELECT primary_phone FROM client_contacts ORDER BY id")
    ] == ["111", "222", "3"]


@pytest.mark.shapes("production")
def test_a_long_name_does_not_stop_an_update_of_a_child_that_is_there(shape: Shape) -> None:
    outcome = shape.apply(shape.creation(1, name="Товариство з обмеженою відповідальністю"))[1]
    assert outcome.detail == "truncated: name"
    client = shape.read(1)
    outcome = shape.apply(shape.change(Action.UPDATE, client, phone="111"))[1]
    assert (outcome.state, outcome.detail) == (OutcomeState.APPLIED, "")


@pytest.mark.long
def test_a_delete_leaves_an_inactive_row_or_none(shape: Shape) -> None:
    first, second = shape.create(1, 2)
    outcome = shape.apply(shape.change(Action.DELETE, first))[1]
    assert outcome.state is OutcomeState.APPLIED
    assert shape.read(2) == second
    if shape.name == "hard":
        assert shape.find(shape.key(1)) == []
    else:
        gone = shape.read(1)
        assert not gone.active
        assert (gone.row, gone.values) == (first.row, first.values)


@pytest.mark.long
def test_a_restore_brings_the_row_back_with_1cs_values(shape: Shape) -> None:
    (client,) = shape.create(1)
    if shape.name == "hard":
        outcome = shape.apply(shape.change(Action.RESTORE, client, **shape.values(1)))[1]
        assert outcome.state is OutcomeState.REFUSED
        return
    shape.apply(shape.change(Action.DELETE, client))
    wanted = shape.values(1, name="Повернувся", phone=None)
    outcome = shape.apply(shape.change(Action.RESTORE, shape.read(1), **wanted))[1]
    assert outcome.state is OutcomeState.APPLIED
    back = shape.read(1)
    assert (back.row, back.active, back.values) == (client.row, True, wanted)


@pytest.mark.long
@pytest.mark.parametrize("action", [Action.UPDATE, Action.DELETE])
@pytest.mark.parametrize("field", ["name", "phone", "tax_id"])
def test_a_row_touched_since_the_scan_is_superseded(
    shape: Shape, action: Action, field: str
) -> None:
    (client,) = shape.create(1)
    shape.apply(shape.change(Action.UPDATE, client, **{field: "777"}))
    before = shape.tables()
    after = {"address": "Нова"} if action is Action.UPDATE else {}
    outcome = shape.apply(shape.change(action, client, **after))[1]
    assert (outcome.state, outcome.detail) == (
        OutcomeState.SUPERSEDED,
        "the row changed since it was scanned",
    )
    assert shape.tables() == before


@pytest.mark.long
@pytest.mark.parametrize("touched", ["клієнт 1", "Клієнт 1 ", "Кліент 1"])
def test_a_change_of_case_or_space_counts_as_touched(shape: Shape, touched: str) -> None:
    (client,) = shape.create(1)
    column = shape.erp.columns.get("name", "name")
    name = column if isinstance(column, str) else column.column
    shape.sql(f"UPDATE {shape.table} SET {name} = ?", (touched,))
    outcome = shape.apply(shape.change(Action.UPDATE, client, address="Нова"))[1]
    assert outcome.state is OutcomeState.SUPERSEDED


def test_a_row_deleted_since_the_scan_is_superseded(shape: Shape) -> None:
    (client,) = shape.create(1)
    shape.apply(shape.change(Action.DELETE, client))
    outcome = shape.apply(shape.change(Action.UPDATE, client, name="Новий"))[1]
    assert outcome.state is OutcomeState.SUPERSEDED


@pytest.mark.long
def test_an_unowned_row_cannot_be_touched_even_by_its_primary_key(shape: Shape) -> None:
    (client,) = shape.create(1)
    row = shape.insert_unowned()
    before = shape.tables()
    aimed = type(client)(row=row, key=client.key, ref=client.ref, active=True, values=client.values)
    outcomes = shape.apply(
        shape.change(Action.UPDATE, aimed, 1, name="Зачеплений", phone="0"),
        shape.change(Action.DELETE, aimed, 2),
        shape.change(Action.RESTORE, aimed, 3, **client.values),
    )
    assert OutcomeState.APPLIED not in {outcome.state for outcome in outcomes.values()}
    assert shape.tables() == before


def test_a_row_that_left_the_owned_ones_since_the_scan_cannot_be_touched(shape: Shape) -> None:
    (client,) = shape.create(1)
    leave = {
        "embedded": "UPDATE clients SET source = 'manual'",
        "production": "UPDATE clients SET source = 'man:ual%'",
        "hard": "UPDATE partners SET kind = 2",
    }
    shape.sql(
        leave[shape.name].replace("%", "%%") if shape.backend != "sqlite" else leave[shape.name]
    )
    before = shape.tables()
    outcome = shape.apply(shape.change(Action.UPDATE, client, name="Зачеплений"))[1]
    assert (outcome.state, outcome.detail) == (
        OutcomeState.SUPERSEDED,
        "the row is gone, or no longer owned",
    )
    assert shape.tables() == before


@pytest.mark.shapes("hard")
def test_a_create_that_would_not_be_owned_is_refused_and_leaves_nothing(shape: Shape) -> None:
    shape.erp = shape.erp.model_copy(update={"on_create": {"kind": 2}})
    outcome = shape.apply(shape.creation(1))[1]
    assert outcome.state is OutcomeState.REFUSED
    assert "erp.on_create" in outcome.detail
    assert shape.tables()["partners"] == []


@pytest.mark.long
def test_a_changed_key_moves_the_same_row(shape: Shape) -> None:
    (client,) = shape.create(1)
    new = shape.key(7)
    key = {"code": new} if shape.mapping.key == ("code",) else {}
    correction = shape.change(Action.UPDATE, client, name="Новий", **key)
    if shape.mapping.key_is_ref:
        correction = msgspec.structs.replace(correction, new_key=new, ref=new)
    outcome = shape.apply(correction)[1]
    assert outcome.state is OutcomeState.APPLIED
    assert shape.find(shape.key(1)) == []
    moved = shape.read(7)
    assert moved.values["name"] == "Новий"
    assert outcome.row == moved.row
    if shape.name != "hard":
        assert moved.row == client.row


@pytest.mark.shapes("embedded", "production")
def test_a_new_key_that_another_client_holds_fails_alone(shape: Shape) -> None:
    first, _ = shape.create(1, 2)
    outcome = shape.apply(shape.change(Action.UPDATE, first, code=shape.key(2)))[1]
    assert outcome.state is OutcomeState.FAILED
    assert shape.read(1) == first
