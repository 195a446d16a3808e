"""Goods with their groups: one table, in which a row refers to the row of its group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import World
from tests.integration.store_shapes import SERIAL, Shape
from zvirka.domain import Mode
from zvirka.findings import Finding
from zvirka.onec.source_check import check_source
from zvirka.settings.model import FieldSettings, OnecSettings, Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions
from zvirka.simulator.barcodes import BARCODES

pytestmark = pytest.mark.long

GOODS = """
CREATE TABLE goods(
    id {serial}, code VARCHAR(20) NOT NULL UNIQUE, ref CHAR(36) UNIQUE, name VARCHAR(200),
    is_group BOOLEAN, parent_id INTEGER REFERENCES goods(id), article VARCHAR(50), unit CHAR(36),
    vat_rate VARCHAR(10), barcode VARCHAR(200), is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
RATES = {"НДС20": "20", "НДС7": "7", "БезНДС": "none"}


OWNED = {"owner": "Владелец", "prefer_empty": []}
"""The register of barcodes whose owner may be of several catalogues."""


@contextmanager
def goods_of(
    directory: Path, backend: str = "sqlite", barcodes: str = "reference", goods: int = 25
) -> Iterator[World]:
    """Goods and their groups in 1C; an empty table."""
    options = SimulatorOptions(
        counterparties=1,
        nomenclature=goods,
        barcodes=barcodes,  # type: ignore[arg-type]
        seed=3,
    )
    with Simulator(options) as simulator:
        fields: dict[str, Any] = {"vat_rate": {"values": RATES}}
        if barcodes == "composite":
            fields["barcode"] = OWNED
        settings = Settings.model_validate(
            {
                "name": "nomenclature",
                "state_dir": directory / "state",
                "onec": {
                    "url": simulator.url,
                    "user": simulator.user,
                    "password": simulator.password,
                    "profile": "nomenclature",
                    "fields": fields,
                },
                "erp": {
                    "url": fresh(backend, directory),
                    "table": "goods",
                    "ref": "ref",
                    "columns": {"parent": "parent_id"},
                },
                "guard": {"max_change_share": 1.0},
            }
        )
        mapping = mapping_of(settings)
        made = World(directory, simulator, _shape(backend, settings), settings, mapping)
        made.shape.sql(GOODS.format(serial=SERIAL[backend]))
        yield made


@pytest.mark.parametrize("backend", BACKENDS)
def test_goods_find_their_groups_in_the_same_table(tmp_path: Path, backend: str) -> None:
    with goods_of(tmp_path, backend) as made:
        base = made.base

        def stored() -> dict[str, tuple[Any, ...]]:
            rows = made.shape.sql(
                """
                SELECT g.ref, g.name, g.is_group, p.ref, g.vat_rate
                FROM goods g LEFT JOIN goods p ON p.id = g.parent_id WHERE g.is_active
                """
            )
            return {ref: (name, bool(group), up, rate) for ref, name, group, up, rate in rows}

        def in_1c() -> dict[str, tuple[Any, ...]]:
            found = {}
            for ref in base.nomenclature.refs():
                held = base.nomenclature.get(ref)
                up = held["Parent_Key"]
                rate = RATES.get(held["СтавкаНДС"] or "")
                up = None if up.startswith("00000000-0000") else up
                found[ref] = (held["Description"], held["IsFolder"], up, rate)
            return found

        first = made.run()
        again = made.run() if first.waiting else first
        assert (again.exit_code, again.waiting) == (0, 0)
        assert stored() == in_1c()
        assert made.run(full=True).causes == {}

        group, other, *_ = (ref for ref, (_, is_group, _, _) in in_1c().items() if is_group)
        inside = [ref for ref, (_, _, up, _) in in_1c().items() if up == group]
        base.nomenclature.delete(group)
        for ref in inside:
            base.nomenclature.update(ref, Parent_Key=other)
        moved = made.run()
        assert (moved.exit_code, stored()) == (0, in_1c())


def codes(made: World) -> dict[str, str]:
    rows = made.shape.sql("SELECT ref, barcode FROM goods WHERE barcode <> ''")
    return dict(rows)


def settled(made: World) -> None:
    """The first load, and once more for the goods that waited for their groups."""
    if made.run().waiting:
        made.run()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("barcodes", ["reference", "composite"])
def test_barcodes_alone_are_set_changed_and_removed(
    tmp_path: Path, backend: str, barcodes: str
) -> None:
    with goods_of(tmp_path, backend, barcodes, goods=6) as made:
        register = made.base.barcodes
        settled(made)
        given = {ref: register.of(ref) for ref in made.base.nomenclature.refs()}
        assert codes(made) == {ref: found[0] for ref, found in given.items() if found}
        changed, removed, *_ = codes(made)
        goods = made.base.nomenclature
        [bare, *_] = (
            ref for ref, own in given.items() if not own and not goods.get(ref)["IsFolder"]
        )
        register.remove(codes(made)[changed])
        register.put("9000000000017", changed)
        register.remove(codes(made)[removed])
        register.put("4820000000024", bare)
        wanted = codes(made) | {changed: "9000000000017", bare: "4820000000024"}
        del wanted[removed]
        night = made.run()
        assert (night.exit_code, made.row(night.run).mode) == (0, Mode.LIGHT)
        assert codes(made) == wanted
        assert len(made.differences(night.run)) == 3
        assert made.run().causes == {}
        assert made.run(full=True).causes == {}
        assert made.resync(refs=(changed, removed, bare)).causes == {}
        assert codes(made) == wanted


def test_of_several_barcodes_the_plain_one_counts_and_then_the_lowest(tmp_path: Path) -> None:
    with goods_of(tmp_path, goods=3) as made:
        register = made.base.barcodes
        [item, other, *_] = (
            ref
            for ref in made.base.nomenclature.refs()
            if not made.base.nomenclature.get(ref)["IsFolder"]
        )
        [own] = register.of(item)
        register.put("1000000000009", item, Характеристика_Key=other)
        register.put("2000000000008", item, Упаковка_Key=other)
        register.put("9000000000017", item)
        settled(made)
        assert codes(made)[item] == own < "9000000000017"
        assert made.resync(refs=(item,)).causes == {}
        for gone, left in (
            (own, "9000000000017"),
            ("9000000000017", "2000000000008"),
            ("2000000000008", "1000000000009"),
        ):
            register.remove(gone)
            assert made.run().exit_code == 0
            assert codes(made)[item] == left
            assert made.run(full=True).causes == {}


def test_a_barcode_of_another_catalogue_is_no_barcode_of_goods(tmp_path: Path) -> None:
    with goods_of(tmp_path, barcodes="composite", goods=3) as made:
        [bare] = (
            ref
            for ref in made.base.nomenclature.refs()
            if not made.base.nomenclature.get(ref)["IsFolder"] and not made.base.barcodes.of(ref)
        )
        # Ref_Keys are unique within a catalogue only.
        made.base.barcodes.put("1000000000009", bare, of="Catalog_ИнформационныеКарты")
        settled(made)
        assert bare not in codes(made)
        assert made.resync(refs=(bare,)).causes == {}
        assert made.run(full=True).causes == {}


def test_check_tells_a_register_that_is_not_published_or_named_otherwise(tmp_path: Path) -> None:
    with goods_of(tmp_path, goods=3) as made:

        def of_barcode(onec: OnecSettings) -> list[Finding]:
            mapping = mapping_of(made.settings.model_copy(update={"onec": onec}))
            findings = check_source(onec, mapping, tmp_path / "cache")
            return [one for one in findings if "barcode" in one.subject]

        onec = made.settings.onec
        assert {one.level for one in of_barcode(onec)} == {"ok"}
        override = {"barcode": FieldSettings.model_validate({"owner": "Владелец"})}
        [named] = of_barcode(onec.model_copy(update={"fields": override}))
        assert (named.level, named.text.code) == ("failure", "ZV1310")
        assert "Владелец" in named.text
        made.simulator.faults.unpublished = {BARCODES}
        [gone] = of_barcode(onec)
        assert (gone.level, gone.text.code) == ("failure", "ZV1301")
        assert BARCODES in gone.remedy


def _shape(backend: str, settings: Settings) -> Shape:
    return Shape("goods", backend, settings.erp, mapping_of(settings), {})
