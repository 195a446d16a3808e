"""The interpreter compiles nothing the platform refuses: a module for each row of the table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bsl.compiling import compile_module
from tests.bsl.interpreter import Names
from tests.bsl.refusals import (
    REFUSALS,
    RESERVED,
    breaks_outside_loops,
    doubled_names,
    misplaced_returns,
    missing_semicolons,
    refused,
    reserved_names,
)
from tests.bsl.syntax import errors, parse, walk

BODY = "Процедура А(Б)\n{}\nКонецПроцедуры\n"
TABLE: tuple[tuple[Any, str], ...] = (
    (reserved_names, "Процедура Выполнить(Команда)\nКонецПроцедуры\n"),
    (reserved_names, "Процедура А(Выполнить)\nКонецПроцедуры\n"),
    (reserved_names, "Процедура Execute(Команда)\nКонецПроцедуры\n"),
    (missing_semicolons, BODY.format("\tВ = 1")),
    (missing_semicolons, BODY.format("\tЕсли Б Тогда\n\t\tВ = 1;\n\tКонецЕсли")),
    (doubled_names, BODY.format("") * 2),
    (doubled_names, BODY.format("") + BODY.format("").replace("А(", "а(")),
    (doubled_names, "Перем А;\n" + BODY.format("")),
    (doubled_names, "Процедура А(Б, б)\nКонецПроцедуры\n"),
    (doubled_names, BODY.format("\tПерем Б;")),
    (misplaced_returns, BODY.format("\tВозврат 1;")),
    (misplaced_returns, "Функция А()\n\tВозврат;\nКонецФункции\n"),
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
