"""The interpreter compiles nothing the platform refuses: a module for each row of the table."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.bsl.compiling import compile_module
from tests.bsl.infobase import Infobase
from tests.bsl.interpreter import Module, Names
from tests.bsl.platform import platform
from tests.bsl.refusals import (
    REFUSALS,
    RESERVED,
    breaks_outside_loops,
    doubled_names,
    impossible_dates,
    late_declarations,
    misplaced_returns,
    missing_semicolons,
    misspelled_names,
    refused,
    reserved_names,
    unpaired_directives,
    wrong_calls,
)
from tests.bsl.syntax import errors, parse, walk

BODY = "Процедура А(Б)\n{}\nКонецПроцедуры\n"
CALL = BODY.format("") + "Процедура В()\n\t{}\nКонецПроцедуры\n"
TABLE: tuple[tuple[Any, str], ...] = (
    (reserved_names, "Процедура Выполнить(Команда)\nКонецПроцедуры\n"),
    (reserved_names, "Процедура А(Выполнить)\nКонецПроцедуры\n"),
    (reserved_names, "Процедура Execute(Команда)\nКонецПроцедуры\n"),
    (misspelled_names, BODY.format("\t1В = 1;")),
    (missing_semicolons, BODY.format("\tВ = 1")),
    (missing_semicolons, BODY.format("\tЕсли Б Тогда\n\t\tВ = 1;\n\tКонецЕсли")),
    (doubled_names, BODY.format("") * 2),
    (doubled_names, BODY.format("") + BODY.format("").replace("А(", "а(")),
    (doubled_names, "Перем А;\n" + BODY.format("")),
    (doubled_names, "Процедура А(Б, б)\nКонецПроцедуры\n"),
    (doubled_names, BODY.format("\tПерем Б;")),
    (misplaced_returns, BODY.format("\tВозврат 1;")),
    (misplaced_returns, "Функция А()\n\tВозврат;\nКонецФункции\n"),
    (misplaced_returns, BODY.format("") + "Возврат 1;\n"),
    (late_declarations, BODY.format("\tБ = 1;\n\tПерем В;")),
    (late_declarations, BODY.format("\tЕсли Б Тогда\n\t\tПерем В;\n\tКонецЕсли;")),
    (late_declarations, BODY.format("") + "Перем В;\n"),
    (late_declarations, "В = 1;\n" + BODY.format("")),
    (unpaired_directives, "#Если Сервер Тогда\n" + BODY.format("")),
    (unpaired_directives, BODY.format("") + "#КонецЕсли\n"),
    (unpaired_directives, "#Иначе\n" + BODY.format("")),
    (unpaired_directives, "#Область В\n" + BODY.format("")),
    (unpaired_directives, BODY.format("") + "#КонецОбласти\n"),
    (wrong_calls, CALL.format("А(1, 2);")),
    (wrong_calls, CALL.format("А();")),
    (wrong_calls, CALL.format("Г = А(1);")),
    (impossible_dates, BODY.format("\tВ = '20261301';")),
    (breaks_outside_loops, BODY.format("\tПрервать;")),
    (breaks_outside_loops, BODY.format("\tЕсли Б Тогда\n\t\tПродолжить;\n\tКонецЕсли;")),
)


@pytest.mark.parametrize(("refusal", "source"), TABLE)
def test_what_the_platform_refuses_is_not_compiled(refusal: Any, source: str) -> None:
    root = parse(source)
    assert errors(root) == [], "the grammar accepts it"
    assert refused(root)
    assert [one for one in REFUSALS if one(list(walk(root)))] == [refusal]
    with pytest.raises(SyntaxError):
        compile_module(source)


def test_every_row_of_the_table_has_a_module() -> None:
    assert {refusal for refusal, _ in TABLE} == set(REFUSALS)


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("НетТакой(1);", "НетТакой()"),
        ("В = Новый НетТакого;", "type НетТакого"),
        ("В = НетТакого;", "name НетТакого"),
        ("НетТакого.Метод();", "name НетТакого"),
    ],
)
def test_a_name_the_platform_does_not_know_is_refused_when_the_module_is_loaded(
    statement: str, missing: str
) -> None:
    source = BODY.format(f"\t{statement}")
    compile_module(source)
    names = platform(Infobase(), datetime.now, Path())
    with pytest.raises(SyntaxError, match=re.escape(f"not defined: {missing}")):
        Module(source, names)
    Module(BODY.format("\tВ = Новый Массив;\n\tВ.Добавить(Строка(Символы.Таб) + Б);"), names)


def test_a_keyword_is_fine_as_the_name_of_a_method() -> None:
    source = BODY.format("\tВ = Б.Выполнить();")
    assert errors(parse(source)) == []
    compile_module(source)


def test_the_table_of_keywords_holds_both_spellings() -> None:
    assert len(RESERVED) % 2 == 1, "Null alone has one spelling"
    assert {"выполнить", "execute", "знач", "val"} <= RESERVED


def test_names_are_found_without_case() -> None:
    names = Names({"Метаданные": 1})
    assert names["МЕТАДАННЫЕ"] == 1
