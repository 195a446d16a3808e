"""The register of barcodes: a record is a barcode and its goods; there is no Ref_Key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zvirka.simulator.configurations import EntityType, Property, default_of
from zvirka.simulator.further_catalogues import NOMENCLATURE
from zvirka.simulator.invented import mix
from zvirka.simulator.simulated_catalogue import SmallTable

BARCODES = "InformationRegister_ШтрихкодыНоменклатуры"

BARCODES_TYPE = EntityType(
    BARCODES,
    ("Штрихкод",),
    (
        Property("Штрихкод"),
        Property("Номенклатура_Key", "Edm.Guid"),
        Property("Характеристика_Key", "Edm.Guid"),
        Property("Упаковка_Key", "Edm.Guid"),
    ),
    presentation="Штрихкод",
)
OWNED_BARCODES_TYPE = EntityType(
    BARCODES,
    ("Владелец", "Владелец_Type", "Штрихкод"),
    (
        Property("Владелец", composite=True),
        Property("Владелец_Type"),
        Property("Штрихкод"),
    ),
    presentation="Штрихкод",
)
"""The register of other configurations: its owner may be of several catalogues."""


class BarcodeRegister:
    """The records, to be put and removed; no write touches the DataVersion of the goods."""

    def __init__(self, type_: EntityType) -> None:
        self.table = SmallTable(type_, [])
        self._owned = type_.find("Владелец") is not None

    def put(self, barcode: str, owner: str, of: str = NOMENCLATURE, **attributes: Any) -> None:
        """A barcode belongs to an object of the catalogue ``of``."""
        row = {each.name: default_of(each) for each in self.table.type.properties}
        if self._owned:
            row |= {"Владелец": owner, "Владелец_Type": f"StandardODATA.{of}"}
        else:
            row["Номенклатура_Key"] = owner
        self._change([*self._without(barcode), row | {"Штрихкод": barcode, **attributes}])

    def remove(self, barcode: str) -> None:
        """The record of a barcode is deleted."""
        self._change(self._without(barcode))

    def of(self, owner: str) -> list[str]:
        """The barcodes of these goods, as they were written."""
        name = "Владелец" if self._owned else "Номенклатура_Key"
        return [row["Штрихкод"] for row in self.table.rows if row[name] == owner]

    def invent(self, seed: int, items: Sequence[str]) -> None:
        """A barcode for two goods of three."""
        for index, item in enumerate(items):
            if index % 3 != 2:
                self.put(f"482{mix(seed, index, 61) % 10**10:010d}", item)

    def _without(self, barcode: str) -> list[dict[str, Any]]:
        return [row for row in self.table.rows if row["Штрихкод"] != barcode]

    def _change(self, rows: list[dict[str, Any]]) -> None:
        self.table.rows = rows
        self.table.stamp += 1
