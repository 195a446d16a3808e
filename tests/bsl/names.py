"""Whether every name a module uses exists: in the routine, in the module, in the platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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

GLOBALS = lowered("""
    Метаданные Справочники РегистрыСведений ФоновыеЗадания Символы РежимБлокировкиДанных
    УровеньЖурналаРегистрации КодировкаТекста ИспользованиеByteOrderMark ПереносСтрокJSON
    ОбменДанными ЭтотОбъект Сервер ТолстыйКлиентОбычноеПриложение ВнешнееСоединение
    СостояниеФоновогоЗадания ХешФункция
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
""")


def unknown_names(
    source: str, modules: Mapping[str, str] | None = None, context: frozenset[str] = frozenset()
) -> list[str]:
    """What no declaration explains; ``context`` are members of the object or form, casefolded."""
    root = parse(source)
    own = {name.casefold() for name in routines(root)}
    exported = {m.casefold(): _exported(s) for m, s in (modules or {}).items()}
    outer = GLOBALS | set(exported) | context | _declared(root, into_routines=False)
    found = []
    for place, scope in [(root, outer), *((r, outer) for r in routines(root).values())]:
        inside = place is not root
        known = scope | _declared(place, into_routines=inside)
        for node in walk(place, into_routines=inside):
            if node.type == "method_call":
                found += _unknown_call(node, own, exported)
            elif node.type == "new_expression" and text(node.children[1]).casefold() not in TYPES:
                found.append(f"type {text(node.children[1])}")
            elif _is_read(node) and text(node).casefold() not in known:
                found.append(f"name {text(node)}")
    return found


def _unknown_call(call: Node, own: set[str], exported: dict[str, set[str]]) -> list[str]:
    name, around = name_of(call).casefold(), call.parent
    if around is not None and around.child_count > 1 and around.children[0] != call:
        module = text(around.children[0]).casefold()
        absent = module in exported and name not in exported[module]
        return [f"{text(around.children[0])}.{name_of(call)}()"] if absent else []
    return [] if name in own | FUNCTIONS else [f"{name_of(call)}()"]


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
    )


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
