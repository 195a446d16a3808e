"""Catalogue references, objects and register record sets, with the platform's order of events."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from typing import Any

from tests.bsl.infobase import ZERO, CatalogMeta, Infobase, Row
from tests.bsl.interpreter import Module
from tests.bsl.values import Array, BslError, Cell, Named, Structure


class Ref:
    """СправочникСсылка: equal by catalogue and identifier."""

    def __init__(self, base: Infobase, meta: CatalogMeta, guid: uuid.UUID) -> None:
        self.base, self.meta, self.guid = base, meta, guid
        self.type_name = f"СправочникСсылка.{meta.name}"

    def __deepcopy__(self, memo: object) -> Ref:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and (other.meta, other.guid) == (self.meta, self.guid)

    def __hash__(self) -> int:
        return hash(self.guid)

    def bsl_get(self, name: str) -> Any:
        return CatalogObject(self.base, self.meta, self.guid).bsl_get(name)

    def Метаданные(self) -> CatalogMeta:
        return self.meta

    def ПолучитьОбъект(self) -> CatalogObject | None:
        if (self.meta.name, self.guid) not in self.base.store.rows:
            return None
        return CatalogObject(self.base, self.meta, self.guid)


class CatalogObject:
    """СправочникОбъект: one row being edited, with its object module."""

    def __init__(self, base: Infobase, meta: CatalogMeta, guid: uuid.UUID | None = None) -> None:
        self.base, self.meta = base, meta
        self.type_name = f"СправочникОбъект.{meta.name}"
        row = base.store.rows.get((meta.name, guid)) if guid else None
        self.new = row is None
        self.guid = guid or ZERO
        standard = {
            "ПометкаУдаления": False,
            "ИмяПредопределенныхДанных": "",
            "ЭтоГруппа": False,
            "ВерсияДанных": "",
        }
        values = copy.deepcopy(row) if row else meta.fields() | standard
        self.data = Named(**values)
        self.aside = Named(ДополнительныеСвойства=Structure(), ОбменДанными=Named(Загрузка=False))
        self.module: Module | None = None
        if base.open_object is not None:
            self.module = base.open_object(self)

    def has(self, name: str) -> bool:
        key = name.casefold()
        return key == "ссылка" or key in self.data.members or key in self.aside.members

    def has_method(self, name: str) -> bool:
        return name.casefold() in {"этоновый", "записать", "удалить", "метаданные"}

    def bsl_get(self, name: str) -> Any:
        if name.casefold() == "ссылка":
            return Ref(self.base, self.meta, self.guid)
        place = self.aside if name.casefold() in self.aside.members else self.data
        return place.bsl_get(name)

    def bsl_set(self, name: str, value: Any) -> None:
        self.data.bsl_set(name, value)

    def Метаданные(self) -> CatalogMeta:
        return self.meta

    def ЭтоНовый(self) -> bool:
        return self.new

    def Записать(self) -> None:
        """Write as the platform does: ПередЗаписью, lock, row, ПриЗаписи, in one transaction."""
        self.base.begin()
        given, was_new = self.guid, self.new
        try:
            self._event("ПередЗаписью")
            self.guid = self.guid if self.guid != ZERO else uuid.uuid4()
            self.base.lock(self.meta.name, self.guid, exclusive=True)
            row: Row = dict(self.data.items()) | {"ВерсияДанных": self.base.next_version()}
            self.base.store.rows[self.meta.name, self.guid] = copy.deepcopy(row)
            self.new, self.base.session.written = False, True
            self._event("ПриЗаписи")
            self.base.commit()
        except BslError:
            self.guid, self.new = given, was_new
            self.base.rollback()
            raise
        self.data.bsl_set("ВерсияДанных", row["ВерсияДанных"])

    def Удалить(self) -> None:
        self.base.begin()
        try:
            self._event("ПередУдалением")
            self.base.lock(self.meta.name, self.guid, exclusive=True)
            del self.base.store.rows[self.meta.name, self.guid]
            self.base.session.written = True
            self.base.commit()
        except BslError:
            self.base.rollback()
            raise

    def _event(self, event: str) -> None:
        refusal = Cell(False)
        if self.module is not None and self.module.has(event):
            self.module.call(event, refusal)
        self.base.fire(event, self, refusal)
        if refusal.value:
            raise BslError("Не удалось записать: " + event)


class Record(Named):
    type_name = "РегистрСведенийЗапись"


class Filter:
    """Отбор: one element for each dimension."""

    def __init__(self, dimensions: tuple[str, ...]) -> None:
        self.elements = {name: FilterElement() for name in dimensions}

    def bsl_get(self, name: str) -> FilterElement:
        return self.elements[name]


class FilterElement:
    def __init__(self) -> None:
        self.value: Any = None

    def Установить(self, value: Any) -> None:
        self.value = value


class RecordSet:
    """РегистрСведенийНаборЗаписей of an independent register."""

    def __init__(self, base: Infobase, register: str) -> None:
        self.base, self.register = base, base.registers[register]
        self.Отбор = Filter(self.register.dimensions)
        self.records = Array()

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def Добавить(self) -> Record:
        names = (*self.register.dimensions, *self.register.resources)
        self.records.append(Record(**dict.fromkeys(names)))
        return self.records[-1]  # type: ignore[no-any-return]

    def Количество(self) -> int:
        return len(self.records)

    def Очистить(self) -> None:
        self.records.clear()

    def __getitem__(self, index: int) -> Record:
        return self.records[index]  # type: ignore[no-any-return]

    def Прочитать(self) -> None:
        stored = self.base.store.records[self.register.name]
        self.records = Array(Record(**row) for row in stored if self._mine(row))

    def Записать(self) -> None:
        if self.register.name.startswith("Zvirka") and not self.base.session.privileged:
            raise BslError("Нарушение прав доступа")
        self.base.begin()
        self.base.session.written = True
        kept = [r for r in self.base.store.records[self.register.name] if not self._mine(r)]
        self.base.store.records[self.register.name] = [*kept, *(dict(r.items()) for r in self)]
        self.base.commit()

    def _mine(self, row: Row) -> bool:
        wanted = self.Отбор.elements.items()
        return all(e.value is None or row[name] == e.value for name, e in wanted)

    def bsl_get(self, name: str) -> Any:
        if name != "Отбор":
            raise BslError(f"Поле объекта не обнаружено ({name})")
        return self.Отбор
