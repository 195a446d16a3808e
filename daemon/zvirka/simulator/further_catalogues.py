"""The catalogues that a base may have besides counterparties: contracts and goods.

Each has a published type and invented content, which follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from zvirka.domain import EMPTY_DATE, ZERO_REF
from zvirka.simulator.configurations import COUNTERPARTIES, EntityType, Property, default_of
from zvirka.simulator.invented import mix, ref_tail
from zvirka.simulator.invented_texts import version_text
from zvirka.simulator.simulated_catalogue import Object

CONTRACTS = "Catalog_ДоговорыКонтрагентов"
NOMENCLATURE = "Catalog_Номенклатура"
COUNTERPARTY = f"StandardODATA.{COUNTERPARTIES}"


def _type(name: str, links: tuple[tuple[str, str], ...], *properties: Property) -> EntityType:
    """A catalogue with codes and groups, with links to other catalogues and its own properties."""
    return EntityType(
        name,
        ("Ref_Key",),
        (
            Property("Ref_Key", "Edm.Guid"),
            Property("DataVersion"),
            Property("DeletionMark", "Edm.Boolean"),
            Property("Predefined", "Edm.Boolean"),
            Property("PredefinedDataName"),
            Property("Description"),
            Property("Code"),
            *(Property(f"{link}_Key", "Edm.Guid") for link, _ in links),
            Property("IsFolder", "Edm.Boolean"),
            *(msgspec.structs.replace(one, item=True) for one in properties),
            Property("Комментарий", unlimited=True, item=True),
        ),
        navigations=links,
    )


CONTRACTS_TYPE = _type(
    CONTRACTS,
    (("Owner", COUNTERPARTIES), ("Parent", CONTRACTS)),
    Property("Номер"),
    Property("Дата", "Edm.DateTime"),
    Property("СрокДействия", "Edm.DateTime"),
    Property("Организация_Key", "Edm.Guid"),
    Property("ВалютаВзаиморасчетов_Key", "Edm.Guid"),
    Property("ВидДоговора"),
    Property("Недействителен", "Edm.Boolean"),
)
SEVERAL_OWNERS_TYPE = msgspec.structs.replace(
    CONTRACTS_TYPE,
    properties=(
        *(each for each in CONTRACTS_TYPE.properties if each.name != "Owner_Key"),
        Property("Owner", composite=True),
        Property("Owner_Type"),
    ),
    navigations=(),
)
"""The catalogue where an organisation can have contracts, too: the owner is text with its type."""
NOMENCLATURE_TYPE = _type(
    NOMENCLATURE,
    (("Parent", NOMENCLATURE),),
    Property("Артикул"),
    Property("ЕдиницаИзмерения_Key", "Edm.Guid"),
    Property("СтавкаНДС"),
)

ORGANISATIONS = (
    "7a1f2e60-2c4e-11ee-8f57-0050568b35ac",
    "7a1f2e61-2c4e-11ee-8f57-0050568b35ac",
)
HRYVNIA = "0e5b1c02-8857-11e5-a85a-3085a93ddca2"
PIECE = "1d0c7b10-8857-11e5-a85a-3085a93ddca2"
_KINDS = ("СПокупателем", "СПоставщиком", "Прочее")
_RATES = ("НДС20", "НДС7", "БезНДС")
_GROUPS = ("Господарські товари", "Канцелярія", "Електрика", "Послуги")
_GOODS = ("Лампа", "Папір", "Кабель", "Відро", "Доставка", "Ручка")
_PER_GROUP = 10


def invented_contracts(
    seed: int, size: int, owners: Sequence[str], *, several: bool = False
) -> Iterator[Object]:
    """That many contracts of these counterparties; ``several``: :data:`SEVERAL_OWNERS_TYPE`."""
    for index in range(size):
        number = f"{index + 1}/{mix(seed, index, 31) % 12 + 14}"
        day = mix(seed, index, 32)
        signed = f"{2014 + day % 12}-{day % 11 + 1:02d}-{day % 27 + 1:02d}T00:00:00"
        owner = owners[mix(seed, index, 35) % len(owners)] if owners else ZERO_REF
        values = _new(CONTRACTS_TYPE, _ref(seed, index, "contracts"), mix(seed, index, 33)) | {
            "DeletionMark": mix(seed, index, 34) % 50 == 0,
            "Description": f"№ {number} від {signed[8:10]}.{signed[5:7]}.{signed[:4]}",
            "Code": f"00-{index + 1:06d}",
            "Owner_Key": owner,
            "Номер": number,
            "Дата": signed,
            "СрокДействия": f"{2027 + day % 4}-12-31T00:00:00" if day % 3 else EMPTY_DATE,
            "Организация_Key": ORGANISATIONS[mix(seed, index, 36) % 2],
            "ВалютаВзаиморасчетов_Key": HRYVNIA,
            "ВидДоговора": _KINDS[mix(seed, index, 37) % 3],
        }
        if several:
            values |= {"Owner": values.pop("Owner_Key"), "Owner_Type": COUNTERPARTY}
        yield Object(values, {})


def invented_nomenclature(seed: int, size: int) -> Iterator[Object]:
    """That many goods and a group for every ten, each group within the one before it or none."""
    groups = -(-size // _PER_GROUP)
    for index in range(groups + size):
        is_group, pick = index < groups, mix(seed, index, 41)
        names = _GROUPS if is_group else _GOODS
        values = _new(NOMENCLATURE_TYPE, _ref(seed, index, "nomenclature"), pick) | {
            "Description": f"{names[pick % len(names)]} {index + 1}",
            "Code": f"00-{index + 1:08d}",
            "IsFolder": is_group,
        }
        if is_group:
            within = _ref(seed, index - 1, "nomenclature") if index and pick % 3 == 0 else ZERO_REF
            items = [each.name for each in NOMENCLATURE_TYPE.properties if each.item]
            values |= dict.fromkeys(items) | {"Parent_Key": within}
        else:
            values |= {
                "Parent_Key": _ref(seed, pick % groups, "nomenclature"),
                "Артикул": f"A-{pick % 100_000:05d}",
                "ЕдиницаИзмерения_Key": PIECE,
                "СтавкаНДС": _RATES[pick % 3],
            }
        yield Object(values, {})


def _new(type_: EntityType, ref: str, version: int) -> dict[str, Any]:
    """The properties of an object with nothing filled in."""
    values = {each.name: default_of(each) for each in type_.properties}
    return values | {"Ref_Key": ref, "DataVersion": version_text(version % 256 + 1)}


def _ref(seed: int, index: int, catalogue: str) -> str:
    first = (index + seed * 7919) * 0x9E3779B1 & 0xFFFFFFFF
    return f"{first:08x}-{ref_tail(seed, catalogue)}"
