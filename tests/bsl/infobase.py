"""An infobase in miniature: metadata, catalogues, registers, transactions, locks, jobs.

A background job starts at once in a session of its own and sees only what is committed; when it
asks for a lock another session holds, it waits for the end of that transaction. There is one
thread: a waiting job is started over afterwards, which is the same as long as nothing before the
lock leaves a trace.
"""

from __future__ import annotations

import base64
import copy
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.bsl.values import Array, BslError, EnumValue, Named, Structure

ZERO = uuid.UUID(int=0)
Row = dict[str, Any]


class MustWait(Exception):
    """The job asked for a lock another session holds."""


@dataclass
class CatalogMeta:
    """A catalogue as its metadata describe it; a length of 0 means no such attribute."""

    name: str
    attributes: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    code_length: int = 9
    description_length: int = 100
    groups: bool = False
    type_name = "ОбъектМетаданных"

    @property
    def Имя(self) -> str:
        return self.name

    @property
    def ДлинаКода(self) -> int:
        return self.code_length

    @property
    def ДлинаНаименования(self) -> int:
        return self.description_length

    @property
    def Иерархический(self) -> bool:
        return self.groups

    @property
    def ВидИерархии(self) -> EnumValue:
        return EnumValue("ИерархияГруппИЭлементов")

    @property
    def Реквизиты(self) -> Collection:
        return Collection(self.attributes)

    @property
    def ТабличныеЧасти(self) -> Collection:
        return Collection(self.sections, Реквизиты=Collection(CONTACT_COLUMNS))

    @property
    def СтандартныеРеквизиты(self) -> Array:
        names = ("Ссылка", "ПометкаУдаления", "Предопределенный", "ИмяПредопределенныхДанных")
        return Array(Named(Имя=name) for name in names)

    def fields(self) -> dict[str, Any]:
        names = {"Наименование": ""} if self.description_length else {}
        names |= {"Код": ""} if self.code_length else {}
        return names | dict.fromkeys(self.attributes, "") | {s: Array() for s in self.sections}


CONTACT_COLUMNS = ("Тип", "Вид", "Представление", "ЗначенияПолей", "НомерТелефона", "АдресЭП")
"""Attributes of the tabular section КонтактнаяИнформация."""


class Collection:
    """A collection of metadata objects, found by name; ``members`` are what each has."""

    def __init__(self, names: Iterable[str], **members: Collection) -> None:
        self.names = tuple(names)
        self.members = members

    def Найти(self, name: str) -> Named | None:
        return Named(Имя=name, **self.members) if name in self.names else None


@dataclass
class Register:
    """An independent information register: its dimensions and its records."""

    name: str
    dimensions: tuple[str, ...]
    resources: tuple[str, ...]

    @property
    def Измерения(self) -> Collection:
        return Collection(self.dimensions)

    @property
    def Ресурсы(self) -> Collection:
        return Collection(self.resources)

    @property
    def Реквизиты(self) -> Collection:
        return Collection(())


@dataclass
class Store:
    """What a transaction copies and a rollback restores."""

    rows: dict[tuple[str, uuid.UUID], Row] = field(default_factory=dict)
    records: dict[str, list[Row]] = field(default_factory=dict)


@dataclass
class Session:
    """One connection: its open transaction and the locks it holds."""

    store: Store | None = None
    depth: int = 0
    broken: bool = False
    privileged: bool = False


Handler = Callable[[Any, Any], None]


class Infobase:
    """The committed data, the running sessions and what the platform wrote to its journals."""

    def __init__(self, *catalogs: CatalogMeta, registers: tuple[Register, ...] = ()) -> None:
        self.catalogs = {meta.name: meta for meta in catalogs}
        self.registers = {register.name: register for register in registers}
        self.committed = Store(records={register.name: [] for register in registers})
        self.session = Session()
        self.locks: dict[tuple[str, uuid.UUID], tuple[Session, bool]] = {}
        self.waiting: list[Callable[[], None]] = []
        self.event_log: list[Structure] = []
        self.subscriptions: dict[str, list[Handler]] = {}
        self.modules: dict[str, str] = {}
        self.versions = 0
        self.open_object: Callable[..., Any] | None = None
        self.jobs_refused = False
        self.extern_calls_in_transaction = 0

    @property
    def store(self) -> Store:
        return self.session.store or self.committed

    def begin(self) -> None:
        if self.session.depth == 0:
            self.session.store = copy.deepcopy(self.committed)
        self.session.depth += 1

    def commit(self) -> None:
        if self.session.broken:
            raise BslError("В данной транзакции уже происходили ошибки")
        self.session.depth -= 1
        if self.session.depth == 0:
            assert self.session.store is not None
            self.committed = self.session.store
            self._end()

    def rollback(self) -> None:
        self.session.depth -= 1
        self.session.broken = self.session.depth > 0
        if self.session.depth == 0:
            self._end()

    def _end(self) -> None:
        self.session.store, self.session.broken = None, False
        self.locks = {k: held for k, held in self.locks.items() if held[0] is not self.session}
        due, self.waiting = self.waiting, []
        for job in due:
            self.start(job)

    def lock(self, catalog: str, ref: uuid.UUID, *, exclusive: bool) -> None:
        if self.session.depth == 0:
            raise BslError("Блокировка вне транзакции")
        holder = self.locks.get((catalog, ref))
        if holder and holder[0] is not self.session and (exclusive or holder[1]):
            raise MustWait
        if not holder or exclusive:
            self.locks[catalog, ref] = (self.session, exclusive)

    def start(self, job: Callable[[], None]) -> None:
        """Run a job in a session of its own, now or after the transaction it must wait for."""
        outer, self.session = self.session, Session()
        try:
            job()
        except MustWait:
            self.locks = {k: h for k, h in self.locks.items() if h[0] is not self.session}
            self.waiting.append(job)
        except BslError as error:
            self.event_log.append(Structure("Уровень, Комментарий", "Ошибка", str(error)))
        finally:
            self.session = outer

    def next_version(self) -> str:
        self.versions += 1
        return base64.b64encode(self.versions.to_bytes(8, "big")).decode()

    def fire(self, event: str, source: Any, refusal: Any) -> None:
        for handler in self.subscriptions.get(event, []):
            handler(source, refusal)
