"""Запрос over one register or catalogue, as far as the modules ask."""

from __future__ import annotations

import re
from typing import Any

from tests.bsl.catalog import Ref
from tests.bsl.infobase import Infobase
from tests.bsl.values import (
    Array,
    BslError,
    Named,
)


class Query:
    """Запрос over one register or catalogue: columns, conditions joined by И, one order."""

    def __init__(self, base: Infobase) -> None:
        self.base = base
        self.Текст = ""
        self.given: dict[str, Any] = {}

    def bsl_get(self, name: str) -> str:
        return self.Текст

    def bsl_set(self, name: str, value: str) -> None:
        self.Текст = value

    def УстановитьПараметр(self, name: str, value: Any) -> None:
        self.given[name] = value

    def Выполнить(self) -> Query:
        return self

    def Выгрузить(self) -> Array:
        found = re.fullmatch(
            r"ВЫБРАТЬ(?: ПЕРВЫЕ (?P<most>\d+))?\s+(?P<columns>.+?)\s+ИЗ\s+"
            r"(?P<kind>Справочник|РегистрСведений)\.(?P<name>\w+) КАК (?P<alias>\w+)"
            r"(?:\s+ГДЕ\s+(?P<where>.+?))?(?:\s+УПОРЯДОЧИТЬ ПО\s+(?P<order>\w+))?",
            self.Текст.strip(),
            re.DOTALL,
        )
        if found is None:
            raise BslError(f"Синтаксическая ошибка запроса: {self.Текст}")
        columns = re.findall(rf"{found['alias']}\.(\w+) КАК (\w+)", found["columns"])
        rows = [row for row in self._rows(found["kind"], found["name"]) if self._fits(found, row)]
        result = [Named(**{name: row[column] for column, name in columns}) for row in rows]
        if found["order"]:
            result.sort(key=lambda row: row.bsl_get(found["order"]))
        return Array(result[: int(found["most"])] if found["most"] else result)

    def _rows(self, kind: str, name: str) -> list[dict[str, Any]]:
        if kind == "РегистрСведений":
            return self.base.store.records[name]
        meta = self.base.catalogs[name]
        return [
            row | {"Ссылка": Ref(self.base, meta, guid)}
            for (catalog, guid), row in self.base.store.rows.items()
            if catalog == name
        ]

    def _fits(self, found: re.Match[str], row: dict[str, Any]) -> bool:
        for condition in re.split(r"\s+И\s+", found["where"] or ""):
            field, sign, value = _condition(condition)
            if field and sign == "НЕ" and row[field]:
                return False
            if field and sign == "=" and row[field] != self.given[value]:
                return False
            if field and sign == "<=" and not row[field] <= self.given[value]:
                return False
        return True


def _condition(text: str) -> tuple[str, str, str]:
    if not text:
        return "", "", ""
    if found := re.fullmatch(r"НЕ \w+\.(\w+)", text):
        return found[1], "НЕ", ""
    found = re.fullmatch(r"\w+\.(\w+) (<=|=) &(\w+)", text)
    if found is None:
        raise BslError(f"Синтаксическая ошибка запроса: {text}")
    return found[1], found[2], found[3]
