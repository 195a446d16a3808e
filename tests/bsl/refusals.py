"""What the grammar accepts and the platform refuses to compile, as a table.

The interpreter compiles no module in which one of these finds something.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from tree_sitter import Node

from tests.bsl.syntax import ROUTINES, arguments_of, lowered, name_of, text, walk

RESERVED = lowered("""
    Если If Тогда Then ИначеЕсли ElsIf Иначе Else КонецЕсли EndIf
    Для For Каждого Each Из In По To Пока While Цикл Do КонецЦикла EndDo
    Процедура Procedure КонецПроцедуры EndProcedure Функция Function КонецФункции EndFunction
    Перем Var Перейти Goto Возврат Return Продолжить Continue Прервать Break
    И And Или Or Не Not Попытка Try Исключение Except ВызватьИсключение Raise
    КонецПопытки EndTry Новый New Выполнить Execute Экспорт Export Знач Val
    Истина True Ложь False Неопределено Undefined Null
    ДобавитьОбработчик AddHandler УдалитьОбработчик RemoveHandler Асинх Async Ждать Await
""")
"""Keywords of the language, in both spellings: no routine, parameter or variable is called so."""
_NAME = re.compile(r"[^\W\d]\w*")
_BRANCHES = {"#если": 1, "#конецесли": -1}
_REGIONS = {"#область": 1, "#конецобласти": -1}

Refusal = Callable[[Sequence[Node]], list[str]]
"""Takes the nodes of a module in order, the module itself first."""


def _line(node: Node) -> int:
    return node.start_point.row + 1


def declared(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    """Every name a module gives: routines, parameters, Перем, assignments, loop variables."""
    for node in nodes:
        if node.type in {*ROUTINES, "parameter"}:
            yield node, name_of(node)
        elif node.type in {"var_definition", "var_statement"}:
            for child in node.children_by_field_name("var_name"):
                yield child, text(child)
        elif node.type == "assignment_statement" and node.children[0].type == "identifier":
            yield node, text(node.children[0])
        elif node.type == "for_each_statement":
            yield node, text(node.children[2])
        elif node.type == "for_statement":
            yield node, text(node.children[1])


def reserved_names(nodes: Sequence[Node]) -> list[str]:
    """A keyword is no name."""
    return [
        f"line {_line(node)}: {name} is a keyword"
        for node, name in declared(nodes)
        if name.casefold() in RESERVED
    ]


def misspelled_names(nodes: Sequence[Node]) -> list[str]:
    """A name begins with a letter or an underscore."""
    return [
        f"line {_line(node)}: {name} is no name"
        for node, name in declared(nodes)
        if not _NAME.fullmatch(name)
    ]


def missing_semicolons(nodes: Sequence[Node]) -> list[str]:
    """Every statement ends with «;»."""
    return [
        f"line {_line(node)}: no «;»"
        for node in nodes
        if node.type.endswith("_statement") and text(node.children[-1]) != ";"
    ]


def doubled_names(nodes: Sequence[Node]) -> list[str]:
    """Routines and module variables share one set of names; so do the parameters of a routine."""
    module = [name_of(n) for n in nodes if n.type in ROUTINES]
    for node in nodes:
        if node.type == "var_definition":
            module += [text(child) for child in node.children_by_field_name("var_name")]
    groups = [module]
    for routine in (n for n in nodes if n.type in ROUTINES):
        declared = routine.child_by_field_name("parameters")
        listed = declared.children_by_field_name("parameter") if declared else []
        local = [n for n in walk(routine) if n.type == "var_statement"]
        groups.append(
            [name_of(p) for p in listed]
            + [text(c) for n in local for c in n.children_by_field_name("var_name")]
        )
    counted = (Counter(name.casefold() for name in group) for group in groups)
    return [f"{name} is declared {n} times" for c in counted for name, n in c.items() if n > 1]


def misplaced_returns(nodes: Sequence[Node]) -> list[str]:
    """Возврат has a value in a function, and none in a procedure or in the body of a module."""
    found = [
        f"line {_line(node)}: Возврат with a value in the body of the module"
        for node in walk(nodes[0], into_routines=False)
        if node.type == "return_statement" and node.child_by_field_name("result")
    ]
    for routine in (n for n in nodes if n.type in ROUTINES):
        function = routine.type == "function_definition"
        for node in walk(routine):
            if node.type == "return_statement":
                result = node.child_by_field_name("result")
                if (result is not None) != function:
                    found.append(f"line {_line(node)}: Возврат does not fit {name_of(routine)}")
    return found


def breaks_outside_loops(nodes: Sequence[Node]) -> list[str]:
    """Прервать and Продолжить stand inside a loop."""
    found = []
    for node in nodes:
        if node.type in {"break_statement", "continue_statement"}:
            above = node.parent
            while above is not None and above.type not in {
                "for_statement", "for_each_statement", "while_statement", *ROUTINES,
            }:  # fmt: skip
                above = above.parent
            if above is None or above.type in ROUTINES:
                found.append(f"line {_line(node)}: {text(node)} outside a loop")
    return found


def late_declarations(nodes: Sequence[Node]) -> list[str]:
    """Перем stands first in its routine; in a module come Перем, then routines, then statements."""
    found = []
    order = {"var_definition": 0, **dict.fromkeys(ROUTINES, 1)}
    reached = 0
    for node in nodes[0].children:
        place = 2 if node.type.endswith("_statement") else order.get(node.type, reached)
        if place < reached:
            found.append(f"line {_line(node)}: declared too late in the module")
        reached = max(reached, place)
    for node in nodes:
        if node.type == "var_statement":
            before = node.prev_sibling
            while before is not None and before.type in {"var_statement", "line_comment"}:
                before = before.prev_sibling
            nested = node.parent is not None and node.parent.type not in ROUTINES
            if nested or (before is not None and before.type.endswith("_statement")):
                found.append(f"line {_line(node)}: Перем after a statement")
    return found


def unpaired_directives(nodes: Sequence[Node]) -> list[str]:
    """#Если and #Область are closed, and nothing is closed that was not opened."""
    directives = [text(n).split()[0].casefold() for n in nodes if n.type == "preprocessor"]
    found = []
    for pair in (_BRANCHES, _REGIONS):
        depth = 0
        for directive in directives:
            depth += pair.get(directive, 0)
            if depth < 0 or (pair is _BRANCHES and directive == "#иначе" and depth == 0):
                found.append(f"{directive} without its beginning")
                break
        if depth > 0:
            found.append(f"{next(iter(pair))} is not closed")
    return found


def wrong_calls(nodes: Sequence[Node]) -> list[str]:
    """A routine of the module gets the parameters it has; only a function has a value."""
    own = {name_of(node).casefold(): node for node in nodes if node.type in ROUTINES}
    found = []
    for call in nodes:
        around = call.parent
        foreign = around is not None and around.child_count > 1 and around.children[0] != call
        routine = None
        if call.type == "method_call" and not foreign:
            routine = own.get(name_of(call).casefold())
        if routine is None:
            continue
        where = f"line {_line(call)}: {name_of(call)}"
        declared = routine.child_by_field_name("parameters")
        listed = declared.children_by_field_name("parameter") if declared else []
        given = arguments_of(call)
        needed = [position for position, p in enumerate(listed) if not p.child_by_field_name("def")]
        if len(given) > len(listed):
            found.append(f"{where} gets too many parameters")
        if any(position >= len(given) or given[position] is None for position in needed):
            found.append(f"{where} gets too few parameters")
        procedure = routine.type == "procedure_definition"
        if procedure and (around is None or around.type != "call_statement"):
            found.append(f"{where} is a procedure and has no value")
    return found


def impossible_dates(nodes: Sequence[Node]) -> list[str]:
    """A date literal is a date."""
    found = []
    for node in nodes:
        if node.type == "date":
            digits = re.sub(r"\D", "", text(node))
            try:
                datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007
            except ValueError:
                found.append(f"line {_line(node)}: {text(node)} is no date")
    return found


REFUSALS: tuple[Refusal, ...] = (
    reserved_names,
    misspelled_names,
    missing_semicolons,
    doubled_names,
    misplaced_returns,
    breaks_outside_loops,
    late_declarations,
    unpaired_directives,
    wrong_calls,
    impossible_dates,
)
"""What one module shows by itself; names it does not declare are looked up where it is loaded,
see :func:`tests.bsl.names.undefined`."""


def refused(root: Node) -> list[str]:
    """Everything the platform would refuse, one sentence each."""
    nodes = list(walk(root))
    return [finding for refusal in REFUSALS for finding in refusal(nodes)]
