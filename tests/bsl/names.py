"""Whether every name a module uses exists: in the routine, in the module, in the platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from tree_sitter import Node

from tests.bsl.syntax import (
    arguments_of,
    lowered,
    name_of,
    parse,
    routines,
    string_value,
    text,
    walk,
)
from zvirka.mapping import Mapping as FieldMapping

EXTRAS = ("Ссылка", "ПометкаУдаления", "ВерсияДанных")
"""Keys every message carries in ``clientData`` besides the mapped ones."""

GLOBALS = lowered("""
    Метаданные Справочники РегистрыСведений ФоновыеЗадания Символы РежимБлокировкиДанных
    УровеньЖурналаРегистрации КодировкаТекста ИспользованиеByteOrderMark ПереносСтрокJSON
    ОбменДанными ЭтотОбъект СостояниеФоновогоЗадания ХешФункция
""")
FUNCTIONS = lowered("""
    Строка СокрЛП ПустаяСтрока Лев СтрЗаменить СтрСоединить СтрНачинаетсяС Формат XMLСтрока
    ТипЗнч Тип ЗначениеЗаполнено Цел Мин Pow Дата ТекущаяУниверсальнаяДатаВМиллисекундах
    НачатьТранзакцию ЗафиксироватьТранзакцию ОтменитьТранзакцию НСтр ЭтоНовый
    УстановитьПривилегированныйРежим ЗаписьЖурналаРегистрации ИнформацияОбОшибке
    ПодробноеПредставлениеОшибки КраткоеПредставлениеОшибки ОписаниеОшибки ЗаписатьJSON
    ПрочитатьJSON ЗаполнитьЗначенияСвойств КаталогВременныхФайлов ТекущаяДата
    ПолучитьСоставСтандартногоИнтерфейсаOData УстановитьСоставСтандартногоИнтерфейсаOData
    РеквизитФормыВЗначение ОткрытьФорму Число НРег XMLЗначение Base64Строка ТранзакцияАктивна
    СтрокаСоединенияИнформационнойБазы ПравоДоступа ПолучитьДвоичныеДанныеИзСтроки
    ПолучитьHexСтрокуИзДвоичныхДанных ПолучитьБуферДвоичныхДанныхИзДвоичныхДанных
    ПолучитьДвоичныеДанныеИзБуфераДвоичныхДанных
""")
TYPES = lowered("""
    Структура Соответствие Массив ЗаписьТекста ЗаписьJSON ЧтениеJSON ПараметрыЗаписиJSON
    УникальныйИдентификатор БлокировкаДанных Запрос HTTPСоединение HTTPЗапрос
    ЗащищенноеСоединениеOpenSSL СертификатыУдостоверяющихЦентровОС
    СертификатыУдостоверяющихЦентровФайл СертификатКлиентаФайл ИнтернетПрокси
    БуферДвоичныхДанных ХешированиеДанных ТаблицаЗначений ОписаниеОповещения
    СписокЗначений
""")


@dataclass(frozen=True)
class Used:
    """What a module uses and does not declare itself: names, routines, types, routines of modules.

    Each in the order of the source; ``foreign`` are pairs of an owner and a routine.
    """

    names: tuple[str, ...]
    calls: tuple[str, ...]
    types: tuple[str, ...]
    foreign: tuple[tuple[str, str], ...]


@cache
def used_by(source: str) -> Used:
    root = parse(source)
    own = {name.casefold() for name in routines(root)}
    outer = _declared(root, into_routines=False)
    names, calls, types, foreign = [], [], [], []
    for place in (root, *routines(root).values()):
        inside = place is not root
        known = outer | _declared(place, into_routines=inside)
        for node in walk(place, into_routines=inside):
            if node.type == "method_call":
                around = node.parent
                if around is not None and around.child_count > 1 and around.children[0] != node:
                    foreign.append((text(around.children[0]), name_of(node)))
                elif name_of(node).casefold() not in own:
                    calls.append(name_of(node))
            elif node.type == "new_expression":
                types.append(text(node.children[1]))
            elif _is_read(node) and text(node).casefold() not in known:
                names.append(text(node))
    return Used(tuple(names), tuple(calls), tuple(types), tuple(foreign))


def undefined(source: str, is_defined: Callable[[str], bool]) -> list[str]:
    """What the platform would not find when it loads the module.

    ``is_defined`` is asked for names as they are, for routines with ``()``, for types with «новый »
    before them.
    """
    used = used_by(source)
    wanted = {name: f"name {name}" for name in used.names}
    wanted |= {f"{name}()": f"{name}()" for name in used.calls}
    wanted |= {f"новый {name}": f"type {name}" for name in used.types}
    return [finding for name, finding in wanted.items() if not is_defined(name)]


def unknown_names(
    source: str, modules: Mapping[str, str] | None = None, context: frozenset[str] = frozenset()
) -> list[str]:
    """What no declaration explains; ``context`` are members of the object or form, casefolded."""
    exported = {m.casefold(): _exported(s) for m, s in (modules or {}).items()}
    known = GLOBALS | set(exported) | context
    known |= {f"{name}()" for name in FUNCTIONS} | {f"новый {name}" for name in TYPES}
    found = undefined(source, lambda name: name.casefold() in known)
    for owner, name in used_by(source).foreign:
        module = owner.casefold()
        if module in exported and name.casefold() not in exported[module]:
            found.append(f"{owner}.{name}()")
    return found


def _exported(source: str) -> set[str]:
    return {
        name.casefold()
        for name, node in routines(parse(source)).items()
        if node.child_by_field_name("export") is not None
    }


def _declared(place: Node, *, into_routines: bool) -> set[str]:
    """Parameters, Перем, assigned names and loop variables."""
    names = set()
    for node in walk(place, into_routines=into_routines):
        if node.type == "parameter":
            names.add(name_of(node))
        elif node.type in {"var_statement", "var_definition"}:
            names |= {text(child) for child in node.children_by_field_name("var_name")}
        elif node.type == "assignment_statement" and node.children[0].type == "identifier":
            names.add(text(node.children[0]))
        elif node.type == "for_each_statement":
            names.add(text(node.children[2]))
        elif node.type == "for_statement":
            names.add(text(node.children[1]))
    return {name.casefold() for name in names}


def _is_read(node: Node) -> bool:
    around = node.parent
    return (
        node.type == "identifier"
        and around is not None
        and around.type in {"expression", "access", "index"}
        and not _is_of_directive(node)
    )


def _is_of_directive(node: Node) -> bool:
    """Whether the node belongs to the condition of #Если: its names are the preprocessor's."""
    above: Node | None = node
    while above is not None and above.type in {"identifier", "expression", "binary_expression"}:
        above = above.parent
    return above is not None and above.type == "preprocessor"


def payload_keys(mapping: FieldMapping) -> set[str]:
    """The keys of ``clientData`` that a base with every attribute of the mapping would send."""
    return {*(field.payload for field in mapping.fields if field.payload), *EXTRAS}


def client_data_keys(source: str) -> set[str]:
    """The keys a module can put into clientData: those of its fields and the literal ones."""
    root = parse(source)
    keys = {_first(call) for call in _calls_of(root, "полереквизит", "полеконтакт", "полерегистр")}
    for routine in ("ДанныеКлиента", "ОтправитьДанныеКлиента"):
        body = routines(root).get(routine)
        if body is not None:
            keys |= {
                _first(call)
                for call in _calls_of(body, "вставить")
                if text(call.parent.children[0]) in {"Результат", "ДанныеКлиента"}  # type: ignore[union-attr]
            }
    return keys - {""}


def _calls_of(root: Node, *wanted: str) -> Iterator[Node]:
    return (n for n in walk(root) if n.type == "method_call" and name_of(n).casefold() in wanted)


def _first(call: Node) -> str:
    given = arguments_of(call)
    literals = [n for n in walk(given[0]) if n.type == "string"] if given and given[0] else []
    return string_value(literals[0]) if literals else ""
