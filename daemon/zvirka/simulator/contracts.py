"""The catalogue of contracts: its published type, and invented contracts of counterparties."""

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

CONTRACTS_TYPE = EntityType(
    CONTRACTS,
    ("Ref_Key",),
    (
        Property("Ref_Key", "Edm.Guid"),
        Property("DataVersion"),
        Property("DeletionMark", "Edm.Boolean"),
        Property("Predefined", "Edm.Boolean"),
        Property("PredefinedDataName"),
        Property("Description"),
        Property("Code"),
        Property("Owner_Key", "Edm.Guid"),
        Property("Parent_Key", "Edm.Guid"),
        Property("IsFolder", "Edm.Boolean"),
        Property("Номер", item=True),
        Property("Дата", "Edm.DateTime", item=True),
        Property("СрокДействия", "Edm.DateTime", item=True),
        Property("Организация_Key", "Edm.Guid", item=True),
        Property("ВалютаВзаиморасчетов_Key", "Edm.Guid", item=True),
        Property("ВидДоговора", item=True),
        Property("Недействителен", "Edm.Boolean", item=True),
        Property("Комментарий", unlimited=True, item=True),
    ),
    navigations=(("Owner", COUNTERPARTIES),),
)

COUNTERPARTY = f"StandardODATA.{COUNTERPARTIES}"
_OWNER = (Property("Owner", composite=True), Property("Owner_Type"))
SEVERAL_OWNERS_TYPE = msgspec.structs.replace(
    CONTRACTS_TYPE,
    properties=(
        *(each for each in CONTRACTS_TYPE.properties if each.name != "Owner_Key"),
        *_OWNER,
    ),
    navigations=(),
)
"""The catalogue where an organisation can have contracts, too: the owner is text with its type."""

ORGANISATIONS = (
    "7a1f2e60-2c4e-11ee-8f57-0050568b35ac",
    "7a1f2e61-2c4e-11ee-8f57-0050568b35ac",
)
HRYVNIA = "0e5b1c02-8857-11e5-a85a-3085a93ddca2"
KINDS = ("СПокупателем", "СПоставщиком", "Прочее")


def invented_contracts(
    seed: int, size: int, owners: Sequence[str], *, several: bool = False
) -> Iterator[Object]:
    """That many contracts of these counterparties; everything follows from the seed.

    ``several``: as :data:`SEVERAL_OWNERS_TYPE`.
    """
    tail = ref_tail(seed, "contracts")
    for index in range(size):
        first = (index + seed * 7919) * 0x9E3779B1 & 0xFFFFFFFF
        values = _values(seed, index, f"{first:08x}-{tail}", owners)
        if several:
            values |= {"Owner": values.pop("Owner_Key"), "Owner_Type": COUNTERPARTY}
        yield Object(values, {})


def _values(seed: int, index: int, ref: str, owners: Sequence[str]) -> dict[str, Any]:
    values = {each.name: default_of(each) for each in CONTRACTS_TYPE.properties}
    number = f"{index + 1}/{mix(seed, index, 31) % 12 + 14}"
    day = mix(seed, index, 32)
    signed = f"{2014 + day % 12}-{day % 11 + 1:02d}-{day % 27 + 1:02d}T00:00:00"
    ends = f"{2027 + day % 4}-12-31T00:00:00" if day % 3 else EMPTY_DATE
    return values | {
        "Ref_Key": ref,
        "DataVersion": version_text(mix(seed, index, 33) % 256 + 1),
        "DeletionMark": mix(seed, index, 34) % 50 == 0,
        "Description": f"№ {number} від {signed[8:10]}.{signed[5:7]}.{signed[:4]}",
        "Code": f"00-{index + 1:06d}",
        "Owner_Key": owners[mix(seed, index, 35) % len(owners)] if owners else ZERO_REF,
        "Номер": number,
        "Дата": signed,
        "СрокДействия": ends,
        "Организация_Key": ORGANISATIONS[mix(seed, index, 36) % 2],
        "ВалютаВзаиморасчетов_Key": HRYVNIA,
        "ВидДоговора": KINDS[mix(seed, index, 37) % 3],
    }
