"""Webhooks of contracts and goods: a reference travels as a Ref_Key and is stored as a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.databases import BACKENDS
from tests.integration.flows_world import Flows, flows
from tests.integration.receiver_world import PATH, STAMP, running
from tests.integration.test_nomenclature import codes, goods_of
from zvirka.erp.open_store import open_layout
from zvirka.erp.references import references_of
from zvirka.erp.sql.upsert import Effect, Upsert, UpsertRequest
from zvirka.policy import Policy
from zvirka.receiver.run_receiver import receiver_app
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

NOWHERE = "7a1f2e60-2c4e-11ee-8f57-0050568b35ac"


@contextmanager
def receiver_of(settings: Settings) -> Iterator[httpx.Client]:
    with (
        receiver_app(settings, mapping_of(settings)) as app,
        running(app) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield client


def message(ref: str, action: str = "update", stamp: int = 0, **data: Any) -> dict[str, Any]:
    told = {"Ссылка": ref, "ПометкаУдаления": False, "ВерсияДанных": "AAAAAQ==", **data}
    number = STAMP + stamp
    return {
        "action": action,
        "clientData": told,
        "messageId": f"m-{ref}-{number}",
        "stamp": number,
    }


def contract(held: dict[str, Any], stamp: int = 0, **changes: Any) -> dict[str, Any]:
    """The message of a contract as the push module sends it."""
    data = {
        "Наименование": held["Description"],
        "Владелец": held["Owner_Key"],
        "ВидДоговора": held["ВидДоговора"],
        "Дата": held["Дата"],
    }
    return message(held["Ref_Key"], stamp=stamp, **data | changes)


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("required", [False, True])
def test_a_pushed_contract_gets_the_row_of_its_counterparty_or_waits_for_it(
    tmp_path: Path, backend: str, required: bool
) -> None:
    with flows(tmp_path, backend, contracts=3, required=required) as both:
        settings = dated(both)
        both.run("main")
        contracts = both.base.contracts
        one, two, _ = contracts.refs()
        wanted = both.wanted()
        with receiver_of(settings) as client:
            taken = client.post(PATH, json=contract(contracts.get(one)))
            assert taken.json() | {"messageId": ""} == {
                "success": True,
                "outcome": "created",
                "messageId": "",
            }
            assert both.stored() == {one: wanted[one]}
            orphan = client.post(PATH, json=contract(contracts.get(two), Владелец=NOWHERE))
            assert orphan.status_code == 424
            assert orphan.json()["reason"] == f"waits for main {NOWHERE}"
            assert both.stored() == {one: wanted[one]}
            moved = client.post(PATH, json=contract(contracts.get(one), 1, Владелец=NOWHERE))
            assert moved.status_code == 424
            assert both.stored() == {one: wanted[one]}
        assert both.run("contracts").exit_code == 0
        assert both.stored() == wanted
        with receiver_of(settings) as client:  # the queue of 1C sends it again
            again = client.post(PATH, json=contract(contracts.get(two), 2))
            assert (again.status_code, again.json()["outcome"]) == (200, "unchanged")


def dated(both: Flows) -> Settings:
    """The flow of contracts whose fields all travel."""
    settings = both.settings["contracts"]
    fields = {**settings.onec.fields}
    signed = fields["signed"]
    assert signed is not None
    fields["signed"] = signed.model_copy(update={"payload": "Дата"})
    onec = settings.onec.model_copy(update={"fields": fields})
    return settings.model_copy(update={"onec": onec}).among(both.settings)


def test_an_empty_reference_and_an_empty_date_are_null(tmp_path: Path) -> None:
    with flows(tmp_path, contracts=1) as both, receiver_of(dated(both)) as client:
        [ref] = both.base.contracts.refs()
        held = both.base.contracts.get(ref)
        empty: dict[str, Any] = {
            "Владелец": "00000000-0000-0000-0000-000000000000",
            "Дата": "0001-01-01T00:00:00",
        }
        assert client.post(PATH, json=contract(held, **empty)).status_code == 200
        assert both.sql("SELECT firm_id, signed FROM contracts") == [(None, None)]


@pytest.mark.long
def test_goods_wait_for_their_group_and_a_barcode_for_the_night(tmp_path: Path) -> None:
    with goods_of(tmp_path, goods=1) as made, receiver_of(made.settings) as client:
        goods = made.base.nomenclature
        group, item = sorted(goods.refs(), key=lambda ref: not goods.get(ref)["IsFolder"])

        def of(ref: str) -> dict[str, Any]:
            held = goods.get(ref)
            return message(
                ref,
                Код=held["Code"],
                Наименование=held["Description"],
                ЭтоГруппа=held["IsFolder"],
                Родитель=held["Parent_Key"],
            )

        alone = client.post(PATH, json=of(item))
        assert (alone.status_code, alone.json()["reason"]) == (
            424,
            f"waits for nomenclature {group}",
        )
        assert client.post(PATH, json=of(group)).status_code == 200
        assert client.post(PATH, json=of(item)).json()["outcome"] == "created"
        rows = made.shape.sql(
            "SELECT g.ref, p.ref FROM goods g LEFT JOIN goods p ON p.id = g.parent_id"
        )
        assert sorted(rows, key=str) == sorted([(group, None), (item, group)], key=str)
        assert codes(made) == {}  # a barcode does not travel
        assert made.run().exit_code == 0
        assert codes(made) == {item: made.base.barcodes.of(item)[0]}


def test_goods_find_a_group_that_the_same_batch_creates(tmp_path: Path) -> None:
    with goods_of(tmp_path, goods=1) as made:
        settings, goods = made.settings, made.base.nomenclature
        requests = [
            UpsertRequest(
                key=held["Code"],
                ref=held["Ref_Key"],
                gone=False,
                values={"name": held["Description"], "parent": held["Parent_Key"]},
            )
            for held in sorted(map(goods.get, goods.refs()), key=lambda one: one["IsFolder"])
        ]
        references, referring = references_of(settings.name, settings.flows)
        engine, layout = open_layout(
            settings.erp, made.mapping, references=references, referring=referring
        )
        policy = Policy.of(settings.policy, soft_delete=True)
        upsert = Upsert(layout, made.mapping, policy, clean=True)
        with engine.begin() as connection:
            results = upsert.apply(connection, requests)
        engine.dispose()
        assert [one.effect for one in results] == [Effect.CREATED, Effect.CREATED]
        assert len(made.shape.sql("SELECT id FROM goods WHERE parent_id IS NOT NULL")) == 1
