"""The register of prices, as documents of УстановкаЦенНоменклатуры write it: its types and lines.

The register itself is published as the sets of its documents, its lines as ``…_RecordType``; what
is in force is asked for by the virtual table ``SliceLast``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from zvirka.domain import ZERO_REF
from zvirka.simulator.configurations import EntityType, Property, default_of
from zvirka.simulator.further_catalogues import HRYVNIA
from zvirka.simulator.invented import mix
from zvirka.simulator.refusals import BAD_URL, OdataRefusal
from zvirka.simulator.simulated_catalogue import SmallTable

PRICES = "InformationRegister_ЦеныНоменклатуры"

_RECORDER = (Property("Recorder", composite=True), Property("Recorder_Type"))
PRICES_TYPE = EntityType(PRICES, ("Recorder", "Recorder_Type"), _RECORDER, presentation="Recorder")
PRICE_LINES_TYPE = EntityType(
    f"{PRICES}_RecordType",
    ("Recorder", "Recorder_Type", "LineNumber"),
    (
        Property("Period", "Edm.DateTime"),
        *_RECORDER,
        Property("LineNumber", "Edm.Int64"),
        Property("Active", "Edm.Boolean"),
        Property("Номенклатура_Key", "Edm.Guid"),
        Property("Характеристика_Key", "Edm.Guid"),
        Property("ВидЦены_Key", "Edm.Guid"),
        Property("Цена", "Edm.Double"),
        Property("Валюта_Key", "Edm.Guid"),
    ),
    presentation="Recorder",
)

RETAIL = "2b6f5e0a-8857-11e5-a85a-3085a93ddca2"
WHOLESALE = "2b6f5e0b-8857-11e5-a85a-3085a93ddca2"
BEGINNING = "2024-01-01"

_SLICE = re.compile(r"SliceLast\(Period=datetime'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)'\)")


class PriceRegister:
    """Lines of the register, in the order in which they were written."""

    def __init__(self) -> None:
        self._lines: list[dict[str, Any]] = []
        self._written = 0

    def set(
        self, item: str, kind: str, price: float, day: str = BEGINNING, variant: str = ZERO_REF
    ) -> None:
        """A document of that day sets a price."""
        self._written += 1
        line = {each.name: default_of(each) for each in PRICE_LINES_TYPE.properties}
        self._lines.append(
            line
            | {
                "Period": f"{day}T00:00:00",
                "Recorder": f"{self._written:08x}-8857-11e5-a85a-3085a93ddca2",
                "Recorder_Type": "StandardODATA.Document_УстановкаЦенНоменклатуры",
                "LineNumber": "1",
                "Active": True,
                "Номенклатура_Key": item,
                "Характеристика_Key": variant,
                "ВидЦены_Key": kind,
                "Цена": price,
                "Валюта_Key": HRYVNIA,
            }
        )

    def invent(self, seed: int, items: Sequence[str]) -> None:
        """A retail and a wholesale price of each of these goods."""
        for index, item in enumerate(items):
            price = mix(seed, index, 51) % 100_000 / 100 + 1
            self.set(item, RETAIL, price)
            self.set(item, WHOLESALE, round(price * 0.8, 2))

    def withdraw(self, item: str, kind: str) -> None:
        """The documents that set this price are deleted: nothing of it remains."""
        self._lines = [
            line
            for line in self._lines
            if (line["Номенклатура_Key"], line["ВидЦены_Key"]) != (item, kind)
        ]
        self._written += 1

    def clear(self) -> None:
        """Nothing remains of any price."""
        self._lines = []
        self._written += 1

    def in_force(self, period: str) -> list[dict[str, Any]]:
        """The last line of each price up to that moment."""
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        for line in sorted(self._lines, key=lambda one: str(one["Period"])):
            names = ("Номенклатура_Key", "Характеристика_Key", "ВидЦены_Key")
            if line["Period"] <= period:
                found[tuple(line[name] for name in names)] = line
        return list(found.values())

    def virtual(self, segment: str) -> SmallTable:
        """The virtual table that this segment of a path names.

        Raises:
            OdataRefusal: it names none.
        """
        match = _SLICE.fullmatch(segment)
        if match is None:
            raise OdataRefusal(BAD_URL, f"Ошибка разбора пути {segment}")
        table = SmallTable(PRICE_LINES_TYPE, self.in_force(match[1]))
        table.stamp = hash((self._written, match[1]))
        return table
