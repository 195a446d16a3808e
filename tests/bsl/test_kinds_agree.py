"""The push module and the daemon mean the same contact kind by the same name, whatever the base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.bsl.infobase import CatalogMeta
from tests.bsl.values import BslMap
from tests.bsl.world import ACCOUNTING, World, core_for
from zvirka.onec.contact_kinds import Kinds
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.schema import Schema

CATALOG = "ВидыКонтактнойИнформации"
NAMES = ("ЮрАдрес", "юрадрес", "ЮРАДРЕС ", "Телефон", "телефон", "")
ODATA = {
    "ИмяПредопределенногоВида": "ИмяПредопределенногоВида",
    "ИмяПредопределенныхДанных": "PredefinedDataName",
    "Наименование": "Description",
}
LIBRARIES = {
    2: CatalogMeta(CATALOG),
    3: CatalogMeta(CATALOG, ("ИмяПредопределенногоВида",)),
}
EDMX = """<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0">
<edmx:DataServices><Schema xmlns="http://schemas.microsoft.com/ado/2009/11/edm"
  Namespace="StandardODATA">
<EntityType Name="Catalog_ВидыКонтактнойИнформации" OpenType="true">
<Key><PropertyRef Name="Ref_Key"/></Key><Property Name="Ref_Key" Type="Edm.Guid"/>{}
</EntityType><EntityContainer Name="EnterpriseV8">
<EntitySet Name="Catalog_ВидыКонтактнойИнформации"
  EntityType="StandardODATA.Catalog_ВидыКонтактнойИнформации"/>
</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"""

Kind = dict[str, str]


@dataclass
class OnePage:
    """Answers with the rows of the catalogue as 1C writes them."""

    rows: list[dict[str, str]]

    def pages(self, selection: Selection) -> Iterator[list[Any]]:
        yield selection.shape.decode(json.dumps({"value": self.rows}).encode())


def of_the_daemon(version: int, rows: dict[str, Kind], name: str) -> frozenset[str]:
    properties = [odata for bsl, odata in ODATA.items() if version == 3 or bsl != next(iter(ODATA))]
    lines = "".join(f'<Property Name="{one}" Type="Edm.String"/>' for one in properties)
    shown = [
        {"Ref_Key": ref, **{ODATA[key]: value for key, value in row.items()}}
        for ref, row in rows.items()
    ]
    reader = cast("PageReader", OnePage(shown))
    return Kinds(reader, Schema(EDMX.format(lines).encode())).refs(name)


def of_the_module(directory: Path, version: int, kinds: list[Kind], name: str) -> dict[str, Kind]:
    """The kinds by reference, and under ``found`` those the module means by the name."""
    meta = LIBRARIES[version]
    world = World(directory, ACCOUNTING, meta, modules={"Zvirka": core_for(1)})
    for key in [key for key in world.base.committed.rows if key[0] == CATALOG]:
        del world.base.committed.rows[key]
    for kind in kinds:
        world.new(CATALOG, **kind).Записать()
    rows = {str(guid): row for (c, guid), row in world.base.committed.rows.items() if c == CATALOG}
    field = world.names["Zvirka"].call("ПолеКонтакт", "Адрес", "Адрес", name, "Представление", "К")
    found = world.names["Zvirka"].call("ВидыПоля", field, BslMap())
    shown = {
        ref: {key: str(row.get(key) or "") for key in ODATA if version == 3 or key in row}
        for ref, row in rows.items()
    }
    return shown | {"found": {str(ref.guid): "" for ref in found}}


@st.composite
def bases(draw: st.DrawFn) -> tuple[int, list[Kind]]:
    version = draw(st.sampled_from(sorted(LIBRARIES)))
    keys = [key for key in ODATA if version == 3 or key != next(iter(ODATA))]
    kind = st.fixed_dictionaries({key: st.sampled_from(NAMES) for key in keys})
    return version, draw(st.lists(kind, max_size=5))


@pytest.mark.long
@pytest.mark.parametrize("name", ["ЮрАдрес", "юрадрес", "Відсутній"])
@given(base=bases())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_both_sides_mean_the_same_kinds(
    tmp_path: Path, name: str, base: tuple[int, list[Kind]]
) -> None:
    version, kinds = base
    rows = of_the_module(tmp_path, version, kinds, name)
    found = frozenset(rows.pop("found"))
    assert of_the_daemon(version, rows, name) == found
    wanted = name.casefold()
    first = next((k for k in ODATA if any(_same(r.get(k, ""), wanted) for r in rows.values())), "")
    assert found == {ref for ref, row in rows.items() if first and _same(row[first], wanted)}


def _same(text: str, wanted: str) -> bool:
    return text.strip().casefold() == wanted
