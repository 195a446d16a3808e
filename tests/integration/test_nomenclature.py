"""Goods with their groups: one table, in which a row refers to the row of its group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.databases import BACKENDS, fresh
from tests.integration.engine_world import World
from tests.integration.store_shapes import SERIAL, Shape
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.simulator import Simulator, SimulatorOptions

pytestmark = pytest.mark.long

GOODS = """
CREATE TABLE goods(
    id {serial}, code VARCHAR(20) NOT NULL UNIQUE, ref CHAR(36) UNIQUE, name VARCHAR(200),
    is_group BOOLEAN, parent_id INTEGER REFERENCES goods(id), article VARCHAR(50), unit CHAR(36),
    vat_rate VARCHAR(10), is_active BOOLEAN NOT NULL DEFAULT TRUE
)
"""
RATES = {"НДС20": "20", "НДС7": "7", "БезНДС": "none"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_goods_find_their_groups_in_the_same_table(tmp_path: Path, backend: str) -> None:
    with Simulator(SimulatorOptions(counterparties=1, nomenclature=25, seed=3)) as simulator:
        base = simulator.base
        settings = Settings.model_validate(
            {
                "name": "nomenclature",
                "state_dir": tmp_path / "state",
                "onec": {
                    "url": simulator.url,
                    "user": simulator.user,
                    "password": simulator.password,
                    "profile": "nomenclature",
                    "fields": {"vat_rate": {"values": RATES}},
                },
                "erp": {
                    "url": fresh(backend, tmp_path),
                    "table": "goods",
                    "ref": "ref",
                    "columns": {"parent": "parent_id"},
                },
                "guard": {"max_change_share": 1.0},
            }
        )
        mapping = mapping_of(settings)
        made = World(tmp_path, simulator, _shape(backend, settings), settings, mapping)
        made.shape.sql(GOODS.format(serial=SERIAL[backend]))

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


def _shape(backend: str, settings: Settings) -> Shape:
    return Shape("goods", backend, settings.erp, mapping_of(settings), {})
