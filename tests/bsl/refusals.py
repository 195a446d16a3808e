"""What the grammar accepts and the platform refuses to compile, as a table.

The interpreter compiles no module in which one of these finds something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tree_sitter import Node

from tests.bsl.syntax import ROUTINES, lowered, name_of, text, walk

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

Refusal = Callable[[Sequence[Node]], list[str]]
"""Takes the nodes of a module in order."""


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
    """Возврат has a value in a function and none in a procedure."""
    found = []
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


REFUSALS: tuple[Refusal, ...] = (
    reserved_names,
    missing_semicolons,
    doubled_names,
    misplaced_returns,
    breaks_outside_loops,
)


def refused(root: Node) -> list[str]:
    """Everything the platform would refuse, one sentence each."""
    nodes = list(walk(root))
    return [finding for refusal in REFUSALS for finding in refusal(nodes)]
