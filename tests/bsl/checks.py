"""Checks over the syntax tree: what the grammar accepts and the platform or its standards do not.

Each takes the source of a module and returns what is wrong, one sentence a finding; numbers in
the docstrings are the vendor's standards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from tests.bsl import refusals
from tests.bsl.syntax import (
    ROUTINES,
    arguments_of,
    listed,
    name_of,
    parse,
    routines,
    string_value,
    text,
    walk,
)

HANDLERS = ("передзаписью", "призаписи", "передудалением")
REPORTING = {"записьжурналарегистрации", "записатьлог", "информацияобошибке"}
FORBIDDEN = {"сообщить", "предупреждение", "вопрос", "текущаядата", "выполнить", "вычислить"}
KEYWORDS = listed("""
    Если Тогда ИначеЕсли Иначе КонецЕсли Для Каждого Из По Цикл КонецЦикла Процедура Функция
    КонецПроцедуры КонецФункции Перем Возврат Новый Попытка Исключение КонецПопытки Экспорт
    Знач ВызватьИсключение Истина Ложь Неопределено Null И Или НЕ #Если #Иначе #КонецЕсли
    #Область #КонецОбласти Прервать Продолжить
""")


def _line(node: Node) -> int:
    return node.start_point.row + 1


def _calls(node: Node) -> Iterator[Node]:
    return (found for found in walk(node) if found.type == "method_call")


def _except_part(attempt: Node) -> list[Node]:
    split = next(i for i, c in enumerate(attempt.children) if c.type == "EXCEPT_KEYWORD")
    return attempt.children[split:]


def silent_exceptions(source: str) -> list[str]:
    """499: an Исключение branch reports the error or raises it again."""
    found = []
    for attempt in walk(parse(source)):
        if attempt.type == "try_statement":
            part = _except_part(attempt)
            called = {name_of(call).casefold() for node in part for call in _calls(node)}
            raised = any(n.type == "rise_error_statement" for node in part for n in walk(node))
            if not raised and not called & REPORTING:
                found.append(f"line {_line(attempt)}: Исключение says nothing")
    return found


def is_handler(routine: str) -> bool:
    return routine.casefold().startswith(HANDLERS)


def http_in_handlers(source: str, modules: Mapping[str, str] | None = None) -> list[str]:
    """783: no handler reaches HTTP, by itself or through what it calls, here or in ``modules``."""
    bodies: dict[str, Node] = {}
    for prefix, module in {"": source, **(modules or {})}.items():
        for name, node in routines(parse(module)).items():
            bodies[f"{prefix}.{name}".casefold()] = node

    def reaches(key: str, seen: set[str]) -> bool:
        if key in seen or key not in bodies:
            return False
        seen.add(key)
        body, prefix = bodies[key], key.partition(".")[0]
        if any("HTTP" in text(n) for n in walk(body) if n.type in {"NEW_KEYWORD", "identifier"}):
            return True
        return any(reaches(called, seen) for called in _targets(body, prefix))

    return [
        f"{name} reaches HTTP"
        for name in routines(parse(source))
        if is_handler(name) and reaches(f".{name}".casefold(), set())
    ]


def _targets(body: Node, prefix: str) -> Iterator[str]:
    for call in _calls(body):
        owner = call.parent.children[0] if call.parent and call.parent.child_count > 1 else None
        of = prefix if owner is None or owner == call else text(owner)
        yield f"{of}.{name_of(call)}".casefold()


def is_new_outside_before_write(source: str) -> list[str]:
    """ЭтоНовый() is true only before the write; elsewhere it is always Ложь."""
    return [
        f"{name} reads ЭтоНовый()"
        for name, node in routines(parse(source)).items()
        if not name.casefold().startswith("передзаписью")
        and any(name_of(call).casefold() == "этоновый" for call in _calls(node))
    ]


def handlers_without_load_check(source: str) -> list[str]:
    """773: a handler leaves the Загрузка check to the common module it calls, or begins with it.

    ``Zvirka`` and ``ZvirkaPush`` check in НадоОтправлять; that they do is executed elsewhere.
    """
    found = []
    for name, node in routines(parse(source)).items():
        if is_handler(name):
            statements = [c for c in node.children if c.type.endswith("_statement")]
            checked = bool(statements) and "ОбменДанными.Загрузка" in text(statements[0])
            owners = {text(c.parent.children[0]) for c in _calls(node) if c.parent is not None}
            delegated = any(owner.startswith("Zvirka") for owner in owners)
            if not checked and not delegated:
                found.append(f"{name} does not check Загрузка")
    return found


def refusal_reset(source: str) -> list[str]:
    """686: Отказ is only ever set to Истина."""
    return [
        f"line {_line(node)}: {text(node)}"
        for node in walk(parse(source))
        if node.type == "assignment_statement"
        and text(node.children[0]).casefold() == "отказ"
        and text(node.children[2]).casefold() != "истина"
    ]


def forbidden_calls(source: str) -> list[str]:
    """643, 703: no local time, no dialogue on the server, no code from strings."""
    return [
        f"line {_line(call)}: {name_of(call)}()"
        for call in _calls(parse(source))
        if name_of(call).casefold() in FORBIDDEN and call.parent and call.parent.child_count < 3
    ]


def careless_connections(source: str) -> list[str]:
    """748: a time-out on every HTTPСоединение; TLS only with certificate authorities."""
    found = []
    for node in walk(parse(source)):
        if node.type != "new_expression":
            continue
        kind, given = text(node.children[1]), arguments_of(node)
        if kind == "HTTPСоединение" and (len(given) < 6 or given[5] is None):
            found.append(f"line {_line(node)}: no time-out")
        if kind == "ЗащищенноеСоединениеOpenSSL" and (len(given) < 2 or given[1] is None):
            found.append(f"line {_line(node)}: TLS is not verified")
    return found


def hard_coded_paths(source: str) -> list[str]:
    """No file path of one particular machine."""
    return [
        f"line {_line(node)}: {text(node)}"
        for node in walk(parse(source))
        if node.type == "string"
        and re.match(r"[A-Za-z]:[\\/]|/(tmp|var|home|mnt)\b|\\\\", string_value(node))
    ]


def loose_transactions(source: str) -> list[str]:
    """783: НачатьТранзакцию stands before a Попытка that commits and, failing, first rolls back."""
    found = []
    for node in walk(parse(source)):
        if node.type == "call_statement" and text(node).startswith("НачатьТранзакцию("):
            attempt = node.next_named_sibling
            good = (
                attempt is not None
                and attempt.type == "try_statement"
                and "ЗафиксироватьТранзакцию();" in text(attempt)
                and text(_except_part(attempt)[1]) == "ОтменитьТранзакцию();"
            )
            if not good:
                found.append(f"line {_line(node)}: the transaction can stay open")
    return found


def refused(source: str) -> list[str]:
    """What the platform does not compile; see :mod:`tests.bsl.refusals`."""
    return refusals.refused(parse(source))


def layout(source: str) -> list[str]:
    """456: tabs, at most 120 characters, no blanks at the end; keywords as the vendor spells."""
    found = []
    for number, line in enumerate(source.splitlines(), 1):
        if len(line.expandtabs(4)) > 120:
            found.append(f"line {number}: longer than 120")
        if line != line.rstrip():
            found.append(f"line {number}: blanks at the end")
        if re.match(r"\t* +\S", line):
            found.append(f"line {number}: indented with blanks")
    for node in walk(parse(source)):
        word = text(node)
        known = node.type.endswith("KEYWORD") or node.type == "operator"
        if known and word.isalpha() and word not in KEYWORDS:
            found.append(f"line {_line(node)}: {word} is not the canonical spelling")
    return found


def dashes(source: str) -> list[str]:
    """456: no dash but the hyphen-minus, in code and in comments."""
    return [
        f"line {number}: a dash"
        for number, line in enumerate(source.splitlines(), 1)
        if re.search("[\u2010-\u2015\u2212]", line)
    ]


def shadowed_routines(source: str) -> list[str]:
    """No variable or parameter has the name of a routine of its module."""
    root = parse(source)
    own = {name.casefold() for name in routines(root)}
    return [
        f"line {_line(node)}: {name} is a routine as well"
        for node, name in refusals.declared(list(walk(root)))
        if node.type not in ROUTINES and name.casefold() in own
    ]


def scattered_deprecated_calls(source: str) -> list[str]:
    """What newer platforms advise against is called in one place, to be replaced there."""
    deprecated = ("подробноепредставлениеошибки", "краткоепредставлениеошибки")
    names = [name_of(c).casefold() for c in _calls(parse(source))]
    return [
        f"{name} is called {names.count(name)} times"
        for name in deprecated
        if names.count(name) > 1
    ]


def regions(source: str) -> list[str]:
    """455: regions open and close in pairs, and all routines stand inside one."""
    depth, found = 0, []
    for node in parse(source).children:
        if node.type == "preprocessor":
            depth += {"#область": 1, "#конецобласти": -1}.get(text(node).split()[0].casefold(), 0)
        elif node.type in ROUTINES and depth < 1:
            found.append(f"{name_of(node)} stands outside any region")
    return found if depth == 0 else [*found, "a region is not closed"]


def undocumented_exports(source: str) -> list[str]:
    """453, 640: an exported routine says what it is for, its parameters, its result; at most 7."""
    found = []
    for name, node in routines(parse(source)).items():
        declared = node.child_by_field_name("parameters")
        given = declared.children_by_field_name("parameter") if declared else []
        if len(given) > 7:
            found.append(f"{name} takes more than 7 parameters")
        if node.child_by_field_name("export") is None:
            continue
        comment = _comment_above(node)
        wanted = ["Параметры:"] if given else []
        wanted += [f"  {name_of(p)} - " for p in given]
        wanted += ["Возвращаемое значение:"] if node.type == "function_definition" else []
        found += [f"{name}: {want.strip()} not described" for want in wanted if want not in comment]
        if not comment:
            found.append(f"{name} has no comment")
    return found


def _comment_above(node: Node) -> str:
    gathered: list[str] = []
    above = node.prev_sibling
    while above is not None and text(above).startswith("&"):
        above = above.prev_sibling
    while above is not None and above.type == "line_comment":
        gathered.insert(0, text(above))
        above = above.prev_sibling
    return "\n".join(gathered)


def unguarded_object_module(source: str) -> list[str]:
    """680: an object module is wrapped in the server's preprocessor condition."""
    condition = "#Если Сервер Или ТолстыйКлиентОбычноеПриложение Или ВнешнееСоединение Тогда"
    return [] if condition in source else ["the module is not wrapped in #Если Сервер"]
