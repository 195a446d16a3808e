"""The shipped modules pass every check; every check fails on the seed's module or a broken one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bsl import checks
from tests.bsl.names import EXTRAS, client_data_keys, unknown_names
from tests.bsl.syntax import errors, parse, read
from tests.bsl.world import CORE, OBJECT, OUTBOX, PROCESSING, SEED, SENDER, SHIPPED
from zvirka.bsl.field_calls import field_lines
from zvirka.receiver.payload import PayloadReader
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

Check = Callable[[str], list[str]]
CHECKS: tuple[Check, ...] = (
    checks.silent_exceptions,
    checks.is_new_outside_before_write,
    checks.handlers_without_load_check,
    checks.refusal_reset,
    checks.forbidden_calls,
    checks.careless_connections,
    checks.hard_coded_paths,
    checks.loose_transactions,
    checks.refused,
    checks.dashes,
    checks.shadowed_routines,
    checks.scattered_deprecated_calls,
    checks.layout,
    checks.regions,
    checks.undocumented_exports,
)
COMMON = {"Zvirka": read(CORE), "ZvirkaPush": read(CORE), "ZvirkaOutbox": read(OUTBOX)}
FORM = frozenset({"итог", "элементы"})
SIX = {"Код", "Наименование", "ИНН", "Телефон", "Email", "Адрес"}
ROUTINE = "Процедура А(Отказ)\n{}\nКонецПроцедуры\n"
DEPRECATED = "\tПодробноеПредставлениеОшибки(ИнформацияОбОшибке());\n"
LATE_ROLLBACK = ROUTINE.format(
    "НачатьТранзакцию();\nПопытка\nЗафиксироватьТранзакцию();\n"
    "Исключение\nБ();\nОтменитьТранзакцию();\nКонецПопытки;"
)


def relative(path: Path) -> str:
    return "/".join(path.parts[-3:])


@pytest.mark.parametrize("path", [*SHIPPED, SEED], ids=relative)
def test_every_module_parses_without_an_error_node(path: Path) -> None:
    assert errors(parse(read(path))) == []


def test_the_parser_does_see_errors() -> None:
    assert errors(parse("Процедура А()\n\tЕсли Тогда\nКонецПроцедуры"))


@pytest.mark.parametrize("path", SHIPPED, ids=relative)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_shipped_modules_pass(check: Check, path: Path) -> None:
    assert check(read(path)) == []


@pytest.mark.parametrize(
    "check",
    [
        checks.silent_exceptions,
        checks.is_new_outside_before_write,
        checks.handlers_without_load_check,
        checks.forbidden_calls,
        checks.careless_connections,
        checks.hard_coded_paths,
        checks.layout,
        checks.regions,
        checks.http_in_handlers,
        checks.unguarded_object_module,
    ],
    ids=lambda check: check.__name__,
)
def test_the_check_fails_on_the_seed(check: Check) -> None:
    assert check(read(SEED))


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (checks.refusal_reset, ROUTINE.format("\tОтказ = Ложь;")),
        (checks.loose_transactions, ROUTINE.format("\tНачатьТранзакцию();\n\tБ();")),
        (checks.loose_transactions, LATE_ROLLBACK),
        (checks.refused, ROUTINE.format("").replace("А(", "Выполнить(")),
        (checks.shadowed_routines, ROUTINE.format("\tА = 1;")),
        (checks.dashes, ROUTINE.format("\t// а – б")),
        (checks.scattered_deprecated_calls, ROUTINE.format(2 * DEPRECATED)),
        (checks.undocumented_exports, ROUTINE.format("").replace(")", ") Экспорт", 1)),
        (
            checks.undocumented_exports,
            ROUTINE.format("").replace("Отказ", "А, Б, В, Г, Д, Е, Ж, З"),
        ),
        (checks.layout, ROUTINE.format("\tБ = ИСТИНА;")),
        (checks.layout, ROUTINE.format("    Б = Истина;")),
        (checks.regions, "#Область Б\n"),
    ],
)
def test_the_check_fails_on_a_broken_module(check: Check, broken: str) -> None:
    assert check(broken)


@pytest.mark.parametrize("path", [OBJECT, OUTBOX], ids=relative)
def test_handlers_never_reach_http(path: Path) -> None:
    assert checks.http_in_handlers(read(path), COMMON) == []


def test_a_handler_that_reaches_http_through_the_common_module_is_found() -> None:
    direct = read(OBJECT).replace("НачатьОтправкуЗаписи(", "ОтправитьWebhook(")
    assert checks.http_in_handlers(direct, COMMON) == ["ПриЗаписи reaches HTTP"]


@pytest.mark.parametrize("path", SHIPPED, ids=relative)
def test_every_name_used_is_known(path: Path) -> None:
    assert unknown_names(read(path), COMMON, FORM) == []


def test_the_seed_uses_a_module_its_base_may_not_have() -> None:
    assert unknown_names(read(SEED)) == ["name ОбщегоНазначения"]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("Запомнено = Запомненное(Объект);", "", "name Запомнено"),
        ("= КодОбъекта(Объект)", "= КодКонтрагента(Объект)", "КодКонтрагента()"),
        ("Новый БлокировкаДанных", "Новый Блокировка", "type Блокировка"),
    ],
)
def test_an_unknown_name_is_found(before: str, after: str, found: str) -> None:
    assert before in read(CORE)
    assert found in unknown_names(read(CORE).replace(before, after))


def test_a_call_of_what_the_common_module_does_not_export_is_found() -> None:
    wrong = read(OBJECT).replace("НачатьОтправкуЗаписи", "ЗаписатьФайл")
    assert unknown_names(wrong, COMMON) == ["Zvirka.ЗаписатьФайл()"]


@pytest.mark.parametrize("path", [OBJECT, PROCESSING, SENDER], ids=relative)
def test_object_modules_are_wrapped_for_the_server(path: Path) -> None:
    assert checks.unguarded_object_module(read(path)) == []


def test_the_keys_of_client_data_are_the_contract_and_the_extras() -> None:
    assert client_data_keys(read(CORE)) == SIX | set(EXTRAS)


def test_the_keys_of_client_data_are_those_the_receiver_knows() -> None:
    settings = Settings.model_validate({"onec": {"url": "http://1c"}, "erp": {"url": "sqlite://"}})
    mapping = mapping_of(settings)
    schema = PayloadReader(mapping).schema()["properties"]["clientData"]["properties"]
    assert client_data_keys(read(CORE)) == set(schema)


def test_the_shipped_fields_are_those_of_the_accounting_profile() -> None:
    settings = Settings.model_validate({"onec": {"url": "http://1c"}, "erp": {"url": "sqlite://"}})
    shipped = re.findall(r"^\t(Поля\.Добавить\(.+\);)$", read(CORE), re.MULTILINE)
    assert shipped == list(field_lines(mapping_of(settings)))


def test_the_seed_knows_only_the_six_keys() -> None:
    assert client_data_keys(read(SEED)) == SIX


def test_a_key_renamed_is_seen() -> None:
    renamed = read(CORE).replace('ПолеРеквизит("ИНН"', 'ПолеРеквизит("Инн"')
    assert client_data_keys(renamed) != SIX | set(EXTRAS)


def test_nothing_of_the_standard_library_is_used() -> None:
    for path in SHIPPED:
        assert "ОбщегоНазначения" not in read(path)
