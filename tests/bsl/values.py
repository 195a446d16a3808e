"""Values of the language of 1C: what a module can hold, and how the platform turns it to text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any


class BslError(Exception):
    """An exception a module can catch."""


class Cell:
    """A variable; a by-reference parameter shares its caller's."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value


class Null:
    def __repr__(self) -> str:
        return "Null"


NULL = Null()


class Named:
    """A bag of members with case-insensitive names: a structure, a row, a system enumeration."""

    type_name = "Структура"

    def __init__(self, **members: Any) -> None:
        self.names: dict[str, str] = {}
        self.members: dict[str, Any] = {}
        for name, value in members.items():
            self.put(name, value)

    def put(self, name: str, value: Any) -> None:
        self.names.setdefault(name.casefold(), name)
        self.members[name.casefold()] = value

    def bsl_get(self, name: str) -> Any:
        if name.casefold() not in self.members:
            raise BslError(f"Поле объекта не обнаружено ({name})")
        return self.members[name.casefold()]

    def bsl_set(self, name: str, value: Any) -> None:
        self.bsl_get(name)
        self.members[name.casefold()] = value

    def items(self) -> Iterator[tuple[str, Any]]:
        for key, name in self.names.items():
            yield name, self.members[key]


class Structure(Named):
    """Структура; a loop over it gives pairs."""

    def pairs(self) -> list[Named]:
        return [Named(Ключ=name, Значение=value) for name, value in self.items()]

    def __init__(self, keys: str = "", *values: Any) -> None:
        super().__init__()
        for position, key in enumerate(name.strip() for name in keys.split(",") if name.strip()):
            self.put(key, values[position] if position < len(values) else None)

    def Вставить(self, key: str, value: Any = None) -> None:
        self.put(key, value)

    def Свойство(self, key: str, found: Cell | None = None) -> bool:
        present = key.casefold() in self.members
        if found is not None:
            found.value = self.members.get(key.casefold())
        return present

    Свойство.takes_cells = True  # type: ignore[attr-defined]


class BslMap(dict[Any, Any]):
    """Соответствие; a loop over it gives pairs."""

    type_name = "Соответствие"

    def pairs(self) -> list[Named]:
        return [Named(Ключ=key, Значение=value) for key, value in self.items()]

    def Вставить(self, key: Any, value: Any = None) -> None:
        self[key] = value

    def Получить(self, key: Any) -> Any:
        return self.get(key)

    def Количество(self) -> int:
        return len(self)


class Array(list[Any]):
    """Массив."""

    type_name = "Массив"

    def Добавить(self, value: Any = None) -> None:
        self.append(value)

    def Количество(self) -> int:
        return len(self)

    def Очистить(self) -> None:
        self.clear()

    def Найти(self, value: Any) -> int | None:
        return self.index(value) if value in self else None


class EnumValue:
    """A value of an enumeration, known by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.type_name = "ПеречислениеСсылка"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnumValue) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def member(owner: Any, name: str) -> Any:
    """A property or method of a value, by the platform's case-insensitive name."""
    if hasattr(owner, "bsl_get") and not _method(owner, name):
        return owner.bsl_get(name)
    found = _method(owner, name)
    if found is None:
        raise BslError(f"Поле объекта не обнаружено ({name})")
    return found


def method(owner: Any, name: str) -> Callable[..., Any]:
    found = _method(owner, name)
    if not callable(found):
        raise BslError(f"Метод объекта не обнаружен ({name})")
    return found  # type: ignore[no-any-return]


def _method(owner: Any, name: str) -> Any:
    kind: Any = type(owner)  # a class is hashable, which mypy does not see
    written = _members(kind).get(name.casefold())
    return None if written is None else getattr(owner, written)


@cache
def _members(kind: type) -> dict[str, str]:
    """The members of a class by their names without case."""
    return {name.casefold(): name for name in dir(kind) if not name.startswith("_")}


def type_of(value: Any) -> str:
    match value:
        case None:
            return "Неопределено"
        case bool():
            return "Булево"
        case int() | float() | Decimal():
            return "Число"
        case str():
            return "Строка"
        case datetime():
            return "Дата"
    return str(value.type_name)


def presentation(value: Any) -> str:
    """What concatenation with a string makes of a value: numbers are grouped with U+00A0."""
    match value:
        case None | Null():
            return ""
        case bool():
            return "Да" if value else "Нет"
        case int() | float() | Decimal():
            return f"{value:,}".replace(",", "\u00a0").replace(".", ",")
        case str():
            return value
        case datetime():
            return value.strftime("%d.%m.%Y %H:%M:%S")
        case EnumValue():
            return value.name
    return str(value)


def xml_string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float() | Decimal():
            return str(value)
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S")
        case EnumValue():
            return value.name
    return str(value.guid)


def xml_value(type_name: str, text: str) -> Any:
    """XMLЗначение() for the types settings have."""
    try:
        match type_name:
            case "Булево":
                return {"true": True, "false": False}[text]
            case "Число":
                return int(text)
            case "Строка":
                return text
    except (KeyError, ValueError) as error:
        raise BslError("Значение не может быть преобразовано из XML") from error
    raise BslError(f"Тип не поддерживается ({type_name})")


def add(left: Any, right: Any) -> Any:
    """The operator +, which converts to the type on its left."""
    from datetime import timedelta

    if isinstance(left, str):
        return left + presentation(right)
    if isinstance(left, datetime) and type_of(right) == "Число":
        return left + timedelta(seconds=float(right))
    if type_of(left) == "Число" and type_of(right) == "Число":
        return left + right
    raise BslError("Преобразование значения к типу Число не может быть выполнено")


def format_value(value: Any, form: str) -> str:
    """Формат() for the format strings the modules use: ДФ, ЧЦ, ЧН, ЧВН, ЧГ."""
    keys = dict(part.strip().split("=", 1) for part in form.split(";") if "=" in part)
    if isinstance(value, datetime):
        pattern = keys["ДФ"].strip("'")
        for mark, directive in (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H")):
            pattern = pattern.replace(mark, directive)
        return value.strftime(pattern.replace("mm", "%M").replace("ss", "%S"))
    if value == 0:
        return keys.get("ЧН", "")
    digits = str(value) if keys.get("ЧГ") == "0" else presentation(value)
    return digits.rjust(int(keys["ЧЦ"]), "0") if "ЧВН" in keys else digits
