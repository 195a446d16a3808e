"""An infobase in miniature: metadata, catalogues, registers, transactions, locks, jobs.

A background job starts in a session of its own and sees only what is committed. It is a greenlet:
where the platform would wait (a lock of another session, another job, an answer over the network)
it gives way and goes on when what it waits for has come. By default a job starts at once and runs
as far as it can; with ``order`` set, jobs run interleaved, as that random generator decides.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

from tests.bsl.values import Array, BslError, EnumValue, Named, Structure

ZERO = uuid.UUID(int=0)
Row = dict[str, Any]


Condition = Callable[[], bool]


class Job:
    """A background job: what it runs, its session, and what it waits for."""

    type_name = "ФоновоеЗадание"

    def __init__(
        self, base: Infobase, run: Callable[[], None], method: str, key: str, title: str
    ) -> None:
        self.base, self.method, self.key, self.title = base, method, key, title
        self.session = Session()
        self.ready: Condition = lambda: True
        self.task = greenlet(lambda: base.run_job(self, run))
        self.guid = uuid.uuid4()

    @property
    def active(self) -> bool:
        return not self.task.dead

    def bsl_get(self, name: str) -> Any:
        state = EnumValue("Активно" if self.active else "Завершено")
        members = {
            "Наименование": self.title,
            "Ключ": self.key,
            "Состояние": state,
            "УникальныйИдентификатор": self.guid,
        }
        if name not in members:
            raise BslError(f"Поле объекта не обнаружено ({name})")
        return members[name]

    def ОжидатьЗавершения(self, timeout: int) -> None:
        self.base.wait(lambda: not self.active, "Превышено время ожидания задания")


@dataclass
class CatalogMeta:
    """A catalogue as its metadata describe it; a length of 0 means no such attribute."""

    name: str
    attributes: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    code_length: int = 9
    description_length: int = 100
    groups: bool = False
    predefined: bool = True
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

    def copy(self) -> Store:
        """Rows are replaced whole, never changed in place: copying the tables is enough."""
        return Store(dict(self.rows), {name: list(rows) for name, rows in self.records.items()})


@dataclass
class Session:
    """One connection: its open transaction and the locks it holds."""

    store: Store | None = None
    depth: int = 0
    broken: bool = False
    privileged: bool = False
    written: bool = False


Handler = Callable[[Any, Any], None]


class Infobase:
    """The committed data, the running sessions and what the platform wrote to its journals."""

    def __init__(self, *catalogs: CatalogMeta, registers: tuple[Register, ...] = ()) -> None:
        self.catalogs = {meta.name: meta for meta in catalogs}
        self.registers = {register.name: register for register in registers}
        self.committed = Store(records={register.name: [] for register in registers})
        self.session = Session()
        self.locks: dict[tuple[str, Any], tuple[Session, bool]] = {}
        self.jobs: list[Job] = []
        self.order: Random | None = None
        self.event_log: list[Structure] = []
        self.subscriptions: dict[str, list[Handler]] = {}
        self.modules: dict[str, Any] = {}
        self.versions = 0
        self.open_object: Callable[..., Any] | None = None
        self.jobs_refused = False
        self.may_change = True
        self.ordinary_client = False
        self.constants = {"connection": 'Srvr="srv";Ref="base";', "locks": "Управляемый"}
        self.extern_calls_in_transaction = 0

    @property
    def store(self) -> Store:
        return self.session.store or self.committed

    def begin(self) -> None:
        if self.session.depth == 0:
            self.session.store = self.committed.copy()
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
        self.session.store, self.session.broken, self.session.written = None, False, False
        self.locks = {k: held for k, held in self.locks.items() if held[0] is not self.session}
        if self.order is None and not self.current():
            self.run_ready()

    def lock(self, space: str, key: Any, *, exclusive: bool) -> None:
        if self.session.depth == 0:
            raise BslError("Блокировка вне транзакции")
        place, session = (space, key), self.session

        def free() -> bool:
            held = self.locks.get(place)
            return held is None or held[0] is session or not (exclusive or held[1])

        self.wait(free, "Конфликт блокировок при выполнении транзакции")
        if place not in self.locks or exclusive:
            self.locks[place] = (session, exclusive)

    def start(
        self, run: Callable[[], None], method: str = "", key: str = "", title: str = ""
    ) -> Job:
        """Start a job; without ``order`` it runs at once as far as it can.

        A key is unique among the active jobs of one method, as on the platform.
        """
        if key and any((job.method, job.key) == (method, key) for job in self.active_jobs()):
            raise BslError("Задание с таким значением ключа уже выполняется")
        job = Job(self, run, method, key, title)
        self.jobs.append(job)
        if self.order is None:
            self.resume(job)
            if not self.current():
                self.run_ready()
        return job

    def run_job(self, job: Job, run: Callable[[], None]) -> None:
        try:
            run()
        except BslError as error:
            self.event_log.append(Structure("Уровень, Комментарий", "Ошибка", str(error)))

    def active_jobs(self) -> list[Job]:
        self.jobs = [job for job in self.jobs if job.active]
        return list(self.jobs)

    def wait(self, ready: Condition, error: str) -> None:
        """Give way until ``ready``; outside a job nobody would ever make it so.

        Raises:
            BslError: the wait is over, as the platform says it.
        """
        job = self.current()
        if ready():
            return
        if job is None:
            raise BslError(error)
        if self.session.written:
            raise AssertionError(
                "a job that has written waits: this model cannot merge its changes"
            )
        job.ready = ready
        assert job.task.parent is not None
        if job.task.parent.switch() == "give up":
            raise BslError(error)
        job.ready = lambda: True
        if self.session.store is not None:
            self.session.store = self.committed.copy()

    def give_way(self) -> None:
        """Let other jobs run here, when jobs are interleaved."""
        job = self.current()
        if self.order is not None and job is not None and job.task.parent is not None:
            job.task.parent.switch()

    def run_ready(self) -> None:
        """Run every job that can go on, until none can."""
        while ready := [job for job in self.active_jobs() if job.ready()]:
            self.resume(self.order.choice(ready) if self.order else ready[0])

    def step(self) -> None:
        """Let one job that can go on run to its next stop, if there is one."""
        assert self.order is not None
        if ready := [job for job in self.active_jobs() if job.ready()]:
            self.resume(self.order.choice(ready))

    def give_up(self) -> None:
        """Every job that waits is told that its time is over."""
        for job in self.active_jobs():
            self.resume(job, "give up")

    def current(self) -> Job | None:
        """The job that is running, ``None`` in the session of a user."""
        current = getcurrent()
        return next((job for job in self.jobs if job.task is current), None)

    def resume(self, job: Job, message: str = "") -> None:
        """Let the job run to its next stop."""
        outer, self.session = self.session, job.session
        job.task.parent = getcurrent()
        try:
            job.task.switch(*([message] if job.task else []))
        finally:
            job.session, self.session = self.session, outer

    def next_version(self) -> str:
        self.versions += 1
        return base64.b64encode(self.versions.to_bytes(8, "big")).decode()

    def fire(self, event: str, source: Any, refusal: Any) -> None:
        for handler in self.subscriptions.get(event, []):
            handler(source, refusal)
