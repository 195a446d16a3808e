"""What a store gives to read: owned rows, whole, with images as the protocol tells."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from tests.integration.store_shapes import Shape, columns_of, ref
from zvirka.domain import Action, OutcomeState
from zvirka.erp.protocol import IMAGE_SEPARATOR, Scanned, Store
from zvirka.erp.sql.engines import store_name, store_url
from zvirka.erp.sql.streaming import BATCH
from zvirka.errors import SettingsError, StoreError
from zvirka.settings.model import ColumnSettings


def scanned(shape: Shape) -> dict[str, dict[str, str]]:
    """The whole scan by key."""
    store = shape.store()
    try:
        return {row["key"]: row for batch in store.scan() for row in _rows(batch)}
    finally:
        store.close()


def _rows(page: Scanned) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for row, key, image in zip(*columns_of(page), strict=True):
        active, ref, values = image.split(IMAGE_SEPARATOR, 2)
        found.append({"row": row, "key": key, "active": active, "ref": ref, "image": values})
    return found


def test_an_empty_store_scans_to_nothing(shape: Shape) -> None:
    assert scanned(shape) == {}


def test_the_scan_gives_each_owned_row_with_its_image(shape: Shape) -> None:
    first, second = shape.create(1, 2)
    found = scanned(shape)
    assert set(found) == {shape.key(1), shape.key(2)}
    row = found[shape.key(1)]
    assert (row["row"], row["active"]) == (first.row, "1")
    assert row["image"] == IMAGE_SEPARATOR.join(str(v) for v in shape.values(1).values())
    assert row["ref"] == ("" if shape.name == "production" else ref(1))
    assert found[shape.key(2)]["row"] == second.row


def test_an_image_has_values_as_they_stand_and_null_as_empty(shape: Shape) -> None:
    shape.apply(shape.creation(1, name="  ТОВ  «Ніч»  ", tax_id=None, address=" \tx "))
    image = str(scanned(shape)[shape.key(1)]["image"]).split(IMAGE_SEPARATOR)
    by_name = dict(zip(shape.mapping.names, image, strict=True))
    assert by_name["name"] == "  ТОВ  «Ніч»  "
    assert by_name["tax_id"] == ""
    assert by_name["address"] == " \tx "


@pytest.mark.long
def test_the_scan_goes_in_batches_and_misses_nothing(shape: Shape) -> None:
    many = BATCH + 1
    columns = "guid, title, kind" if shape.name == "hard" else "name, source"
    columns += ", client_type_id" if shape.name == "production" else ""
    columns += {"production": ", external_id", "embedded": ", code", "hard": ""}[shape.name]

    def row(number: int) -> tuple[object, ...]:
        if shape.name == "hard":
            return ref(number), f"Клієнт {number}", 1
        extra = (1,) if shape.name == "production" else ()
        return (f"Клієнт {number}", "1c", *extra, shape.key(number))

    marks = ", ".join("?" for _ in columns.split(","))
    shape.sql(
        f"INSERT INTO {shape.table} ({columns}) VALUES ({marks})",
        *(row(number) for number in range(1, many + 1)),
    )
    store = shape.store()
    try:
        batches = list(store.scan())
    finally:
        store.close()
    assert max(batch.size for batch in batches) < many
    assert sorted(str(row["key"]) for batch in batches for row in _rows(batch)) == sorted(
        shape.key(number) for number in range(1, many + 1)
    )


@pytest.mark.long
def test_rows_that_are_not_owned_are_invisible(shape: Shape) -> None:
    (client,) = shape.create(1)
    row = shape.insert_unowned()
    store = shape.store()
    try:
        assert [found.row for found in store.read_rows([client.row, row])] == [client.row]
        assert store.read_rows([row]) == []
        key = str(shape.unowned.get("code") or shape.unowned.get("guid") or "")
        assert [found.row for found in store.read_keys([key])] == []
    finally:
        store.close()
    assert set(scanned(shape)) == {shape.key(1)}


def test_read_rows_gives_the_rows_that_are_there_with_values_as_they_stand(shape: Shape) -> None:
    shape.apply(shape.creation(1, name="  ТОВ «А»  "))
    client = shape.read(1)
    store = shape.store()
    try:
        assert store.read_rows([client.row, "999999", "не число"]) == [client]
        assert store.read_rows([]) == []
    finally:
        store.close()
    assert client.values == shape.values(1, name="  ТОВ «А»  ")
    assert client.active


def test_read_keys_gives_inactive_rows_too(shape: Shape) -> None:
    (client,) = shape.create(1)
    outcome = shape.apply(shape.change(Action.DELETE, client))[1]
    assert outcome.state is OutcomeState.APPLIED
    found = shape.find(shape.key(1))
    if shape.name == "hard":
        assert found == []
    else:
        assert [(row.key, row.active) for row in found] == [(shape.key(1), False)]


@pytest.mark.shapes("production")
def test_doubled_and_padded_keys_are_all_found(shape: Shape) -> None:
    shape.create(1, 2)
    insert = "INSERT INTO clients (name, client_type_id, external_id, source) VALUES (?, 1, ?, ?)"
    shape.sql(insert, ("Двійник", f"  {shape.key(1)} ", "1c"))
    assert [row.values["name"] for row in shape.find(shape.key(1))] == ["Клієнт 1", "Двійник"]
    assert {row.key for row in shape.find(shape.key(1))} == {shape.key(1)}


@pytest.mark.shapes("production")
def test_keys_differing_in_case_are_different_keys(shape: Shape) -> None:
    shape.apply(shape.creation(1, code="Аб-1"), shape.creation(2, code="АБ-1"))
    assert [row.values["name"] for row in shape.find("Аб-1")] == ["Клієнт 1"]
    assert [row.values["name"] for row in shape.find("АБ-1")] == ["Клієнт 2"]


def test_the_name_of_the_store_holds_no_password(shape: Shape) -> None:
    erp = shape.erp.model_copy(update={"password": SecretStr("s3cret")})
    url = store_url(erp)
    assert url.password == "s3cret"
    name = store_name(url, shape.table)
    assert name.endswith(f"#{shape.table}")
    assert "s3cret" not in name


@pytest.mark.shapes("production", "hard")
def test_a_conflict_names_the_rows_that_hold_the_unique_value(shape: Shape) -> None:
    first, _ = shape.create(1, 2)
    store: Store = shape.store()
    try:
        wanted = shape.creation(3, tax_id=shape.values(1)["tax_id"])
        assert store.conflicts(wanted) == [first.row]
        assert store.conflicts(shape.creation(3)) == []
    finally:
        store.close()


@pytest.mark.shapes("embedded")
def test_a_conflict_is_looked_for_with_the_key_as_it_would_be_stored(shape: Shape) -> None:
    (first,) = shape.create(1)
    store: Store = shape.store()
    try:
        wanted = shape.creation(3, code=f" {shape.key(1)}\u00a0", tax_id="")
        assert store.conflicts(wanted) == [first.row]
    finally:
        store.close()


def test_a_mapping_that_does_not_fit_tells_all_at_once(shape: Shape) -> None:
    wrong = shape.erp.model_copy(
        update={
            "table": shape.table,
            "columns": {**shape.erp.columns, "name": ColumnSettings(column="nazva")},
            "on_update": {"changed_at": 1},
        }
    )
    broken = Shape(shape.name, shape.backend, wrong, shape.mapping, {})
    with pytest.raises(SettingsError) as caught:
        broken.store()
    assert "nazva" in str(caught.value)
    assert "changed_at" in str(caught.value)


def test_a_table_that_is_not_there_is_a_store_error(shape: Shape) -> None:
    wrong = shape.erp.model_copy(update={"table": "kliyenty"})
    with pytest.raises(StoreError, match="does not exist"):
        Shape(shape.name, shape.backend, wrong, shape.mapping, {}).store()
