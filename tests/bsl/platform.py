"""What the platform gives the modules: global functions, constructors, managers."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bsl.binary import Buffer, Bytes, Hashing
from tests.bsl.catalog import CatalogObject, RecordSet, Ref
from tests.bsl.infobase import Infobase, Job
from tests.bsl.interpreter import Module, Names
from tests.bsl.net import Certificates, ClientCertificate, Connection, Proxy, Request, Tls
from tests.bsl.query import Query
from tests.bsl.values import (
    Array,
    BslError,
    BslMap,
    Cell,
    EnumValue,
    Named,
    Structure,
    format_value,
    presentation,
    type_of,
    xml_string,
    xml_value,
)


class Choice(Named):
    """A system enumeration: any name is a value of it."""

    def bsl_get(self, name: str) -> EnumValue:
        return EnumValue(name)


class TextWriter:
    """ЗаписьТекста: appends, and begins a new file with a byte order mark."""

    def __init__(
        self, path: str, encoding: Any = None, separator: Any = None, append: Any = False
    ) -> None:
        try:
            self.file = Path(path).open("a" if append else "w", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise BslError(f"Ошибка доступа к файлу: {error.strerror}") from error

    def ЗаписатьСтроку(self, line: str) -> None:
        if self.file.tell() == 0:
            self.file.write("\ufeff")
        self.file.write(line + "\n")

    def Закрыть(self) -> None:
        self.file.close()


class JsonWriter:
    text = ""

    def УстановитьСтроку(self, options: Any = None) -> None:
        self.text = ""

    def Закрыть(self) -> str:
        return self.text


class JsonReader:
    text = ""

    def УстановитьСтроку(self, source: str) -> None:
        self.text = source

    def Закрыть(self) -> None:
        self.text = ""


class Guid:
    def __init__(self, written: str = "") -> None:
        self.guid = uuid.UUID(written) if written else uuid.uuid4()

    def __str__(self) -> str:
        return str(self.guid)


class Lock:
    """БлокировкаДанных with its elements."""

    def __init__(self, base: Infobase) -> None:
        self.base = base
        self.elements: list[LockElement] = []

    def Добавить(self, space: str) -> LockElement:
        self.elements.append(LockElement(space.partition(".")[2]))
        return self.elements[-1]

    def Заблокировать(self) -> None:
        for element in self.elements:
            exclusive = element.bsl_get("Режим") == EnumValue("Исключительный")
            self.base.lock(element.space, element.key, exclusive=exclusive)


class LockElement(Named):
    def __init__(self, space: str) -> None:
        super().__init__(Режим=EnumValue("Исключительный"))
        self.space = space
        self.key: Any = None

    def УстановитьЗначение(self, field: str, value: Any) -> None:
        self.key = value.guid if isinstance(value, Ref) else value


class Jobs:
    """ФоновыеЗадания."""

    def __init__(self, base: Infobase, names: dict[str, Any]) -> None:
        self.base, self.names = base, names

    def Выполнить(self, method: str, given: Any = None, key: Any = None, title: str = "") -> Job:
        if self.base.jobs_refused:
            raise BslError("Превышено число фоновых заданий")
        module, _, routine = method.partition(".")
        target: Module = self.names[module]
        arguments = [Cell(value) for value in given or ()]
        return self.base.start(
            lambda: target.call_exported(routine, *arguments), method, key or "", title or ""
        )

    def ПолучитьФоновыеЗадания(self, wanted: Structure) -> Array:
        if not self.base.session.privileged:
            raise BslError("Нарушение прав доступа")
        wishes = list(wanted.items())
        jobs = self.base.active_jobs()
        return Array(j for j in jobs if all(j.bsl_get(n) == value for n, value in wishes))

    def НайтиПоУникальномуИдентификатору(self, guid: Any) -> Job | None:
        return next((job for job in self.base.active_jobs() if job.guid == guid), None)


class Managers:
    """Справочники and РегистрыСведений: a manager for each name."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self.make = make

    def bsl_get(self, name: str) -> Any:
        return self.make(name)


class CatalogManager:
    def __init__(self, base: Infobase, name: str) -> None:
        self.base, self.name = base, name

    def ПолучитьСсылку(self, guid: Guid) -> Ref:
        return Ref(self.base, self.base.catalogs[self.name], guid.guid)


class RegisterManager:
    def __init__(self, base: Infobase, name: str) -> None:
        self.base, self.name = base, name

    def СоздатьНаборЗаписей(self) -> RecordSet:
        return RecordSet(self.base, self.name)


class MetadataTree:
    """Метаданные, as far as the modules look."""

    def __init__(self, base: Infobase) -> None:
        self.base = base

    def bsl_get(self, name: str) -> Any:
        if name == "СвойстваОбъектов":
            return Named(ВидИерархии=Choice())
        if name == "РежимУправленияБлокировкойДанных":
            return EnumValue(self.base.constants["locks"])
        if name == "ОбщиеМодули":
            return MetadataBranch(self.base.modules)
        return MetadataBranch(self.base.catalogs if name == "Справочники" else self.base.registers)

    def НайтиПоТипу(self, type_name: str) -> Any:
        return self.base.catalogs.get(type_name.partition(".")[2])

    def НайтиПоПолномуИмени(self, full_name: str) -> Any:
        kind, _, name = full_name.partition(".")
        branch: Any = self.base.catalogs if kind == "Справочник" else self.base.registers
        return branch.get(name)


class MetadataBranch:
    def __init__(self, objects: Any) -> None:
        self.objects = objects

    def bsl_get(self, name: str) -> Any:
        if name not in self.objects:
            raise BslError(f"Поле объекта не обнаружено ({name})")
        return self.objects[name]

    def Найти(self, name: str) -> Any:
        return self.objects.get(name)

    def Содержит(self, found: Any) -> bool:
        return found in self.objects.values()


def platform(base: Infobase, clock: Callable[[], datetime], temporary: Path) -> Names:
    """The names modules may use; functions end in ``()``, types begin with «новый »."""
    caught = Cell()
    names = Names({"#caught": caught})
    enumerations = (
        "РежимБлокировкиДанных", "УровеньЖурналаРегистрации", "КодировкаТекста",
        "ИспользованиеByteOrderMark", "ПереносСтрокJSON", "СостояниеФоновогоЗадания", "ХешФункция",
    )  # fmt: skip
    given: dict[str, Any] = {name: Choice() for name in enumerations}
    given |= {
        "Символы": Named(Таб="\t", ПС="\n", ВК="\r"),
        "Метаданные": MetadataTree(base),
        "ФоновыеЗадания": Jobs(base, names),
        "Справочники": Managers(lambda name: CatalogManager(base, name)),
        "РегистрыСведений": Managers(lambda name: RegisterManager(base, name)),
    }
    given |= _constructors(base) | _text_functions() | _data_functions(base, caught)
    given |= _clock_functions(clock)
    given["КаталогВременныхФайлов()"] = lambda: f"{temporary}/"
    for name, value in given.items():
        names[name] = value
    return names


def _constructors(base: Infobase) -> dict[str, Any]:
    return {
        "новый структура": Structure,
        "новый соответствие": BslMap,
        "новый массив": Array,
        "новый записьтекста": TextWriter,
        "новый записьjson": JsonWriter,
        "новый чтениеjson": JsonReader,
        "новый параметрызаписиjson": lambda *_: Named(),
        "новый уникальныйидентификатор": Guid,
        "новый блокировкаданных": lambda: Lock(base),
        "новый запрос": lambda: Query(base),
        "новый httpсоединение": lambda *given: Connection(base, *given),
        "новый httpзапрос": Request,
        "новый защищенноесоединениеopenssl": Tls,
        "новый сертификатклиентафайл": ClientCertificate,
        "новый интернетпрокси": Proxy,
        "новый буфердвоичныхданных": Buffer,
        "новый хешированиеданных": Hashing,
        "новый сертификатыудостоверяющихцентровос": Certificates,
        "новый сертификатыудостоверяющихцентровфайл": Certificates,
    }


def _text_functions() -> dict[str, Any]:
    return {
        "Строка()": presentation,
        "СокрЛП()": lambda text: text.strip(),
        "ПустаяСтрока()": lambda text: not text.strip(),
        "Лев()": lambda text, count: text[: int(count)],
        "СтрЗаменить()": lambda text, old, new: text.replace(old, new),
        "СтрСоединить()": lambda parts, separator: separator.join(parts),
        "СтрНачинаетсяС()": lambda text, start: text.startswith(start),
        "Формат()": format_value,
        "НСтр()": lambda text: text,
        "НРег()": lambda text: text.lower(),
        "XMLСтрока()": xml_string,
        "XMLЗначение()": xml_value,
        "Base64Строка()": lambda data: base64.encodebytes(data.content).decode(),
        "ПолучитьДвоичныеДанныеИзСтроки()": lambda text, encoding=None: Bytes(text.encode()),
        "ПолучитьHexСтрокуИзДвоичныхДанных()": lambda data: data.content.hex().upper(),
        "ПолучитьБуферДвоичныхДанныхИзДвоичныхДанных()": lambda data: Buffer(0, data.content),
        "ПолучитьДвоичныеДанныеИзБуфераДвоичныхДанных()": lambda data: Bytes(bytes(data.content)),
        "ТипЗнч()": type_of,
        "Тип()": lambda name: name,
        "ЗначениеЗаполнено()": lambda value: (
            value.guid.int != 0 if isinstance(value, Ref) else value not in (None, "", 0)
        ),
        "Число()": lambda text: int(text),
        "Цел()": lambda number: math.trunc(number),
        "Мин()": min,
        "Pow()": pow,
    }


def _clock_functions(clock: Callable[[], datetime]) -> dict[str, Any]:
    def milliseconds() -> int:
        since = clock() - datetime(1, 1, 1)  # noqa: DTZ001
        return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000

    return {
        "ТекущаяУниверсальнаяДатаВМиллисекундах()": milliseconds,
        "ТекущаяДата()": lambda: clock().replace(microsecond=0),
        "Дата()": lambda year, month, day: datetime(year, month, day),  # noqa: DTZ001
    }


def _data_functions(base: Infobase, caught: Cell) -> dict[str, Any]:
    def log(
        event: str, level: EnumValue, meta: Any = None, data: Any = None, comment: str = ""
    ) -> None:
        names = "Событие, Уровень, Метаданные, Данные, Комментарий"
        base.event_log.append(Structure(names, event, level.name, meta, data, comment))

    def write_json(writer: JsonWriter, value: Any) -> None:
        writer.text = json.dumps(_plain(value), ensure_ascii=False)

    def read_json(reader: JsonReader, as_map: bool = False) -> Any:
        try:
            return json.loads(reader.text, object_hook=BslMap)
        except ValueError as error:
            raise BslError("Непредвиденный символ при чтении JSON") from error

    def fill(target: Named, source: Named) -> None:
        for name, value in source.items():
            if name.casefold() in target.members:
                target.put(name, value)

    def privileged(on: bool) -> None:
        """No effect in the client of an ordinary application; its jobs run on the server."""
        if not base.ordinary_client or base.current() is not None:
            base.session.privileged = on

    return {
        "НачатьТранзакцию()": base.begin,
        "ЗафиксироватьТранзакцию()": base.commit,
        "ОтменитьТранзакцию()": base.rollback,
        "ТранзакцияАктивна()": lambda: base.session.depth > 0,
        "СтрокаСоединенияИнформационнойБазы()": lambda: base.constants["connection"],
        "ПравоДоступа()": lambda right, meta: base.may_change,
        "УстановитьПривилегированныйРежим()": privileged,
        "ЗаписьЖурналаРегистрации()": log,
        "ИнформацияОбОшибке()": lambda: caught.value,
        "ОписаниеОшибки()": lambda: str(caught.value),
        "ПодробноеПредставлениеОшибки()": lambda error: f"{{Модуль}}: {error}",
        "КраткоеПредставлениеОшибки()": str,
        "ЗаписатьJSON()": write_json,
        "ПрочитатьJSON()": read_json,
        "ЗаполнитьЗначенияСвойств()": fill,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Named):
        return {name: _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise BslError("Значение недопустимого типа для записи JSON")


__all__ = ["CatalogObject", "platform"]
