"""The catalogue of goods and services with its groups: its published type and invented content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zvirka.domain import ZERO_REF
from zvirka.simulator.configurations import EntityType, Property, default_of
from zvirka.simulator.invented import mix, ref_tail
from zvirka.simulator.invented_texts import version_text
from zvirka.simulator.simulated_catalogue import Object

NOMENCLATURE = "Catalog_Номенклатура"

NOMENCLATURE_TYPE = EntityType(
    NOMENCLATURE,
    ("Ref_Key",),
    (
        Property("Ref_Key", "Edm.Guid"),
        Property("DataVersion"),
        Property("DeletionMark", "Edm.Boolean"),
        Property("Predefined", "Edm.Boolean"),
        Property("PredefinedDataName"),
        Property("Description"),
        Property("Code"),
        Property("Parent_Key", "Edm.Guid"),
        Property("IsFolder", "Edm.Boolean"),
        Property("Артикул", item=True),
        Property("ЕдиницаИзмерения_Key", "Edm.Guid", item=True),
        Property("СтавкаНДС", item=True),
        Property("Комментарий", unlimited=True, item=True),
    ),
    navigations=(("Parent", NOMENCLATURE),),
)

PIECE = "1d0c7b10-8857-11e5-a85a-3085a93ddca2"
RATES = ("НДС20", "НДС7", "БезНДС")
_GROUPS = ("Господарські товари", "Канцелярія", "Електрика", "Послуги")
_GOODS = ("Лампа", "Папір", "Кабель", "Відро", "Доставка", "Ручка")
_PER_GROUP = 10


def invented_nomenclature(seed: int, size: int) -> Iterator[Object]:
    """That many goods and a group for every ten, each group within the one before it or none."""
    groups = -(-size // _PER_GROUP)
    for index in range(groups + size):
        yield Object(_values(seed, index, groups), {})


def _values(seed: int, index: int, groups: int) -> dict[str, Any]:
    values = {each.name: default_of(each) for each in NOMENCLATURE_TYPE.properties}
    is_group, pick = index < groups, mix(seed, index, 41)
    names = _GROUPS if is_group else _GOODS
    values |= {
        "Ref_Key": _ref(seed, index),
        "DataVersion": version_text(pick % 256 + 1),
        "Description": f"{names[pick % len(names)]} {index + 1}",
        "Code": f"00-{index + 1:08d}",
        "IsFolder": is_group,
    }
    if is_group:
        nested = index > 0 and pick % 3 == 0
        items = [each.name for each in NOMENCLATURE_TYPE.properties if each.item]
        parent = _ref(seed, index - 1) if nested else ZERO_REF
        return values | dict.fromkeys(items) | {"Parent_Key": parent}
    return values | {
        "Parent_Key": _ref(seed, pick % groups),
        "Артикул": f"A-{pick % 100_000:05d}",
        "ЕдиницаИзмерения_Key": PIECE,
        "СтавкаНДС": RATES[pick % 3],
    }


def _ref(seed: int, index: int) -> str:
    first = (index + seed * 7919) * 0x9E3779B1 & 0xFFFFFFFF
    return f"{first:08x}-{ref_tail(seed, 'nomenclature')}"
