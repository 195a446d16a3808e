"""The receiver over every shape of store on every database: the same answers, the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.databases import fresh
from tests.integration.receiver_world import REF, STAMP, World, new_body, receiver
from tests.integration.store_shapes import SHAPES, Shape
from zvirka.domain import Client
from zvirka.journal.receipt_checks import verify_receipts


def the_client(world: World, shape: Shape, code: str = "000000001") -> Client:
    store = world.store()
    try:
        [client] = store.read_keys([REF if shape.mapping.key_is_ref else code])
    finally:
        store.close()
    return client


@pytest.mark.long
def test_create_update_clear_delete_and_restore(shape: Shape, tmp_path: Path) -> None:
    with receiver(tmp_path, shape.mapping, erp=shape.erp) as world:
        assert world.outcome(new_body("create")) == "created"
        assert world.outcome(new_body("create")) == "stale"
        assert world.outcome(new_body("create") | {"messageId": "another"}) == "unchanged"
        message = new_body("update", STAMP + 1, name="Бета", email="")
        del message["clientData"]["Телефон"]
        assert world.outcome(message) == "updated"
        client = the_client(world, shape)
        assert (client.active, client.values["name"]) == (True, "Бета")
        assert client.values["phone"] == "+380441234567"
        assert not client.values["email"]
        assert world.outcome(new_body("delete", STAMP + 2)) == "deleted"
        assert world.outcome(new_body("update", STAMP + 1, name="Давня")) == "stale"
        came_back = "restored" if shape.erp.delete.mode == "soft" else "created"
        assert world.outcome(new_body("update", STAMP + 3, name="Гамма")) == came_back
        assert the_client(world, shape).values["name"] == "Гамма"
        journal = world.journal()
        assert list(verify_receipts(journal)) == []
        journal.dispose()


@pytest.mark.long
def test_rows_not_owned_stay_as_they_are(shape: Shape, tmp_path: Path) -> None:
    row = shape.insert_unowned()
    before = shape.tables()
    with receiver(tmp_path, shape.mapping, erp=shape.erp) as world:
        code = str(shape.unowned.get("external_id") or shape.unowned.get("code") or "X")
        world.post(new_body("delete", code=code))
        assert shape.tables() == before
        world.post(new_body("update", STAMP + 1))
    own = shape.tables()[shape.table]
    kept = next(r for r in before[shape.table] if str(row) in {str(value) for value in r})
    assert kept in own


@pytest.mark.long
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_store_and_journal_in_one_database(backend: str, tmp_path: Path) -> None:
    shape = SHAPES["production"](backend, tmp_path)
    tables: dict[str, Any] = {"erp": shape.erp, "journal": {"url": shape.erp.url}}
    with receiver(tmp_path, shape.mapping, **tables) as world:
        assert world.outcome(new_body("create")) == "created"
        assert world.outcome(new_body("update", STAMP + 1, name="Бета")) == "updated"
        refused = world.post(new_body("update", STAMP + 2, name="x" * 61))
        assert (refused.status_code, refused.json()["field"]) == (422, "clientData.Наименование")
        journal = world.journal()
        assert list(verify_receipts(journal)) == []
        journal.dispose()
    assert the_client(world, shape).values["name"] == "Бета"


@pytest.mark.parametrize("backend", ["postgresql"])
def test_the_journal_on_a_server_keeps_receipts_of_a_store_in_a_file(
    backend: str, tmp_path: Path
) -> None:
    with receiver(tmp_path, journal={"url": fresh(backend, tmp_path)}) as world:
        assert world.outcome(new_body("create")) == "created"
        assert world.outcome(new_body("update", STAMP - 1)) == "stale"
        journal = world.journal()
        assert list(verify_receipts(journal)) == []
        journal.dispose()
