"""Prices: the slice of a register, whose records have no Ref_Key and cease without a trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import World
from tests.integration.store_shapes import SERIAL, Shape
from zvirka.domain import Cause, Kind, Mode
from zvirka.erp.references import references_of
from zvirka.erp.sql.store_check import check_store
from zvirka.errors import SettingsError
from zvirka.onec.open_source import open_feed
from zvirka.onec.source_check import check_source
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions
from zvirka.simulator.prices import PRICES, RETAIL, WHOLESALE

GOODS = """
CREATE TABLE goods(
    id {serial}, code VARCHAR(20) NOT NULL UNIQUE, ref CHAR(36) UNIQUE, name VARCHAR(200)
)
"""
TABLE = """
CREATE TABLE prices(
    id {serial}, item_id INTEGER NOT NULL REFERENCES goods(id), kind VARCHAR(20) NOT NULL,
    variant CHAR(36), price NUMERIC(12, 2), currency CHAR(36),
    is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
KINDS = {RETAIL: "retail", WHOLESALE: "wholesale"}
GOODS_SETTINGS: dict[str, Any] = {
    "table": "goods",
    "ref": "ref",
    "delete": {"mode": "hard"},
    "columns": {"name": "name"},
}


@contextmanager
def shop_of(directory: Path, backend: str, **delete: Any) -> Iterator[World]:
    """Six goods in the store already, and twelve prices of them in 1C."""
    options = SimulatorOptions(counterparties=1, nomenclature=6, prices=True, seed=3)
    with Simulator(options) as simulator:
        url = fresh(backend, directory)
        onec = {"url": simulator.url, "user": simulator.user, "password": simulator.password}
        goods = Settings.model_validate(
            {
                "name": "nomenclature",
                "state_dir": directory / "goods",
                "onec": {**onec, "profile": "nomenclature"},
                "erp": {"url": url, **GOODS_SETTINGS},
            }
        )
        prices = Settings.model_validate(
            {
                "name": "prices",
                "state_dir": directory / "state",
                "onec": {**onec, "profile": "prices", "fields": {"kind": {"values": KINDS}}},
                "erp": {
                    "url": url,
                    "table": "prices",
                    "columns": {"item": "item_id"},
                    "delete": delete,
                },
                "guard": {"max_change_share": 1.0, "max_delete_share": 0.5},
            }
        ).among({"nomenclature": goods})
        mapping = mapping_of(prices)
        shape = Shape("prices", backend, prices.erp, mapping, {})
        made = World(directory, simulator, shape, prices, mapping)
        shape.sql(GOODS.format(serial=SERIAL[backend]))
        for number, ref in enumerate(items(made)):
            shape.sql(f"INSERT INTO goods(code, ref) VALUES ('{number}', '{ref}')")
        shape.sql(TABLE.format(serial=SERIAL[backend]))
        yield made


@pytest.fixture
def market(tmp_path: Path) -> Iterator[World]:
    with shop_of(tmp_path, "sqlite") as made:
        yield made


def items(made: World) -> list[str]:
    goods = made.base.nomenclature
    return [ref for ref in goods.refs() if not goods.get(ref)["IsFolder"]]


def stored(made: World) -> dict[tuple[str, str], float]:
    rows = made.shape.sql(
        """
        SELECT g.ref, p.kind, p.price FROM prices p JOIN goods g ON g.id = p.item_id
        WHERE p.is_active AND p.price IS NOT NULL
        """
    )
    return {(ref, kind): float(price) for ref, kind, price in rows}


def all_rows(made: World) -> list[tuple[Any, ...]]:
    return made.shape.sql("SELECT id, kind, price, currency FROM prices ORDER BY id")


def in_1c(made: World) -> dict[tuple[str, str], float]:
    lines = made.base.prices.in_force("2026-11-25T23:59:59")
    return {(line["Номенклатура_Key"], KINDS[line["ВидЦены_Key"]]): line["Цена"] for line in lines}


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_prices_are_set_changed_and_cease(tmp_path: Path, backend: str) -> None:
    with shop_of(tmp_path, backend) as market:
        first = market.run()
        assert (first.exit_code, len(stored(market))) == (0, 12)
        assert stored(market) == in_1c(market)
        one, two, three, *_ = items(market)
        prices = market.base.prices
        prices.set(one, RETAIL, 19.5, day="2026-11-24")
        prices.set(two, RETAIL, 25, day="2026-11-26")  # tomorrow
        prices.withdraw(three, WHOLESALE)
        change = market.run()
        assert (change.exit_code, market.row(change.run).mode) == (0, Mode.FULL)
        kinds = sorted((d.kind, d.cause) for d in market.differences(change.run))
        assert kinds == [
            (Kind.DIFFERENT, Cause.MISSED_UPDATE),
            (Kind.EXTRA, Cause.MISSED_DELETE),
        ]
        assert stored(market) == in_1c(market)
        assert len(stored(market)) == 11
        assert market.run().causes == {}


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_price_that_has_ceased_is_emptied_and_the_row_stays(tmp_path: Path, backend: str) -> None:
    with shop_of(tmp_path, backend, mode="empty", empty=["price", "currency"]) as market:
        market.run()
        first, *_ = items(market)
        prices = market.base.prices
        before = all_rows(market)
        prices.withdraw(first, WHOLESALE)
        ceased = market.run()
        assert (ceased.exit_code, len(stored(market))) == (0, 11)
        [gone] = market.differences(ceased.run)
        assert (gone.kind, gone.cause) == (Kind.EXTRA, Cause.MISSED_DELETE)
        emptied = [row for row in all_rows(market) if row not in before]
        [(price, currency)] = [row[2:4] for row in emptied]
        assert (price, currency, len(all_rows(market))) == (None, None, 12)
        assert market.run().causes == {}

        undone = market.run("undo", parent=ceased.run, reason="test")
        assert (undone.exit_code, all_rows(market)) == (0, before)
        assert market.run().causes == {Cause.UNDONE: 1}
        assert all_rows(market) == before
        again = market.resync()
        assert (again.exit_code, len(stored(market))) == (0, 11)

        prices.set(first, WHOLESALE, 7.5, day="2026-11-24")
        back = market.run()
        assert (back.exit_code, stored(market)) == (0, in_1c(market))
        assert [d.kind for d in market.differences(back.run)] == [Kind.INACTIVE]
        assert market.run().causes == {}
        market.run("undo", parent=back.run, reason="test")
        assert len(stored(market)) == 11
        assert len(all_rows(market)) == 12


@pytest.mark.long
@pytest.mark.parametrize("mode", ["soft", "hard", "empty"])
def test_an_undone_deletion_is_remembered_by_its_key(tmp_path: Path, mode: str) -> None:
    """A store without a column for Ref_Key forgets the one of a row that is gone."""
    with shop_of(tmp_path, "sqlite", mode=mode, empty=["price"]) as market:
        market.run()
        market.base.prices.withdraw(items(market)[0], RETAIL)
        ceased = market.run()
        market.run()
        market.run("undo", parent=ceased.run, reason="test")
        before = all_rows(market)
        for _ in range(2):
            assert market.run().causes == {Cause.UNDONE: 1}
        assert all_rows(market) == before


@pytest.mark.long
@pytest.mark.parametrize(
    ("table", "empty", "told"),
    [
        (TABLE, [], "names no column"),
        (TABLE, ["prise"], "has no column prise"),
        (TABLE, ["is_active"], "an undo could not fill it again"),
        (TABLE, ["kind"], "an undo could not fill it again"),
        (TABLE.replace("price NUMERIC(12, 2)", "price NUMERIC(12, 2) NOT NULL"), ["price"], "NULL"),
    ],
)
def test_columns_that_a_deletion_cannot_empty_are_told(
    tmp_path: Path, table: str, empty: list[str], told: str
) -> None:
    with shop_of(tmp_path, "sqlite", mode="empty", empty=empty) as market:
        market.shape.sql("DROP TABLE prices")
        market.shape.sql(table.format(serial=SERIAL["sqlite"]))
        run = market.run()
        assert run.exit_code != 0
        assert told in str(run.error)


def test_an_empty_register_deletes_nothing(market: World) -> None:
    market.run()
    market.base.prices.clear()
    held = market.run()
    assert held.exit_code == 3
    assert len(stored(market)) == 12


def test_a_slice_that_is_refused_fails_the_run_and_changes_nothing(market: World) -> None:
    market.run()
    market.simulator.faults.denied = {PRICES}
    assert market.run().exit_code == 2
    assert len(stored(market)) == 12


def test_a_key_that_does_not_tell_prices_apart_is_refused(market: World) -> None:
    short = dataclasses.replace(
        market, mapping=msgspec.structs.replace(market.mapping, key=("item", "kind"))
    )
    market.base.prices.set(items(market)[0], RETAIL, 5, variant=WHOLESALE)
    run = short.run()
    assert run.exit_code != 0
    assert "ZV3209" in str(run.error)
    assert stored(market) == {}


def test_a_price_of_goods_that_are_not_of_1c_is_left_alone(market: World) -> None:
    market.run()
    market.shape.sql("INSERT INTO goods(id, code) VALUES (99, 'own')")
    market.shape.sql("INSERT INTO prices(item_id, kind, price) VALUES (99, 'retail', 1)")
    market.run()
    rows = market.shape.sql("SELECT is_active FROM prices WHERE item_id = 99")
    assert [bool(active) for (active,) in rows] == [True]


def test_check_proves_the_slice(market: World, tmp_path: Path) -> None:
    findings = check_source(market.settings.onec, market.mapping, tmp_path / "cache")
    assert [one for one in findings if one.level == "failure"] == []
    assert "12 records" in " ".join(str(one.text) for one in findings if one.subject == "slice")
    market.simulator.faults.denied = {PRICES}
    refused = check_source(market.settings.onec, market.mapping, tmp_path / "cache")
    assert [one.subject for one in refused if one.level == "failure"] == ["slice"]


@pytest.mark.parametrize("taken", [False, True])
def test_check_tries_a_price_in_the_store(market: World, taken: bool) -> None:
    if taken:  # goods with a price each: no key is free for sure
        market.run()
    references, referring = references_of(market.settings.name, market.settings.flows)
    findings = check_store(
        market.settings.erp, market.mapping, references=references, referring=referring
    )
    assert [str(one.text) for one in findings if one.level == "failure"] == []


def test_a_register_is_not_pushed_and_has_no_feed(market: World) -> None:
    assert not market.mapping.is_pushed
    feed = open_feed(market.settings.onec, market.mapping)
    with pytest.raises(SettingsError) as error, feed:
        pass
    assert error.value.code == "ZV3203"
