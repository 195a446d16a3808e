"""The shipped drop-in pair runs: every event, every failure, over real HTTP."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from tests.bsl.catalog import Ref
from tests.bsl.infobase import CatalogMeta, Register
from tests.bsl.syntax import read
from tests.bsl.values import BslError, EnumValue
from tests.bsl.world import (
    ACCOUNTING,
    KINDS,
    OBJECT,
    PARTNERS,
    TRADE,
    Erp,
    World,
    contact,
    core_for,
    echo,
    lines,
    running_erp,
)
from zvirka.receiver.message import Refusal
from zvirka.receiver.signature import HEADER, Signatures


@pytest.fixture
def erp() -> Iterator[Erp]:
    with running_erp() as running:
        yield running


def world_for(erp: Erp, directory: Path, *catalogs: CatalogMeta, **settings: str) -> World:
    return World(
        directory,
        *catalogs,
        modules={"Zvirka": core_for(erp.port, **settings)},
        object_module=read(OBJECT),
    )


@pytest.fixture
def world(erp: Erp, tmp_path: Path) -> World:
    return world_for(erp, tmp_path)


def written(world: World, **values: Any) -> Any:
    made = world.new(**{"Код": "000000001", "Наименование": "Альфа"} | values)
    made.Записать()
    return made


def test_a_new_counterparty_is_sent_as_create_with_what_the_row_holds(
    erp: Erp, world: World
) -> None:
    made = written(world, КодПоЕДРПОУ="12345678")
    [message] = erp.messages
    assert message["action"] == "create"
    assert message["clientData"] == {
        "Код": "000000001",
        "Наименование": "Альфа",
        "ИНН": "12345678",
        "Телефон": "",
        "Email": "",
        "Адрес": "",
        "Ссылка": str(made.guid),
        "ПометкаУдаления": False,
        "ВерсияДанных": made.bsl_get("ВерсияДанных"),
    }


def test_the_stamp_is_utc_milliseconds_of_the_unix_epoch_and_the_id_is_fresh(
    erp: Erp, world: World
) -> None:
    made = written(world)
    made.Записать()
    first, second = erp.messages
    assert first["stamp"] == 1769897707042
    assert first["messageId"] != second["messageId"]


def test_a_second_write_of_the_same_object_is_an_update(erp: Erp, world: World) -> None:
    made = written(world)
    made.Записать()
    world.open(made.bsl_get("Ссылка")).Записать()
    assert erp.actions == ["create", "update", "update"]


def test_a_deletion_mark_travels_as_an_update_that_says_so(erp: Erp, world: World) -> None:
    made = written(world)
    made.bsl_set("ПометкаУдаления", True)
    made.Записать()
    assert erp.messages[1]["action"] == "update"
    assert erp.messages[1]["clientData"]["ПометкаУдаления"] is True


def test_a_deletion_done_is_sent_with_what_was_known_of_the_row(erp: Erp, world: World) -> None:
    made = written(world, КодПоЕДРПОУ="12345678")
    made.Удалить()
    assert erp.actions == ["create", "delete"]
    assert erp.messages[1]["clientData"]["Код"] == "000000001"
    assert erp.messages[1]["clientData"]["ИНН"] == "12345678"
    assert erp.messages[1]["clientData"]["Ссылка"] == str(made.guid)


def test_a_column_the_contacts_do_not_have_leaves_its_key_out(erp: Erp, tmp_path: Path) -> None:
    other = {'"Телефон", "Телефон", "", "Представление"': '"Телефон", "Телефон", "", "Нема"'}
    world = world_for(erp, tmp_path, **other)
    written(world, КонтактнаяИнформация=lines(contact(None, "Телефон", "+380 44 1")))
    assert erp.actions == ["create"]
    assert "Телефон" not in erp.messages[0]["clientData"]
    assert "Email" in erp.messages[0]["clientData"]


REGISTER = Register("КонтактнаяИнформация", ("Объект", "Тип", "Вид"), ("Представление",))
BY_REGISTER = 'ПолеРегистр("Телефон", "Телефон", "", "Представление", "КонтактнаяИнформация", "{}")'


@pytest.mark.parametrize(("dimension", "told"), [("Объект", True), ("Владелец", False)])
def test_older_trade_bases_keep_contacts_in_a_register(
    erp: Erp, tmp_path: Path, dimension: str, told: bool
) -> None:
    core = core_for(erp.port, **{IN_SECTION: BY_REGISTER.format(dimension)})
    world = World(
        tmp_path, modules={"Zvirka": core}, object_module=read(OBJECT), registers=(REGISTER,)
    )
    made = written(world)
    world.base.committed.records["КонтактнаяИнформация"].append(
        {
            "Объект": made.bsl_get("Ссылка"),
            "Тип": EnumValue("Телефон"),
            "Вид": None,
            "Представление": "+380 44 1",
        }
    )
    made.Записать()
    data = erp.messages[1]["clientData"]
    assert data.get("Телефон") == ("+380 44 1" if told else None)


IN_SECTION = 'ПолеКонтакт("Телефон", "Телефон", "", "Представление", "КонтактнаяИнформация")'
OF_PARTNER = IN_SECTION.replace(")", ', "Партнер")')


def test_a_deletion_reads_nothing_that_could_fail(
    erp: Erp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_for(erp, tmp_path, TRADE, PARTNERS, KINDS, **{IN_SECTION: OF_PARTNER})
    section = lines(contact(None, "Телефон", "+380 44 1"))
    partner = world.new("Партнеры", КонтактнаяИнформация=section)
    partner.Записать()
    made = world.new(Наименование="Альфа", Партнер=partner.bsl_get("Ссылка"))
    made.Записать()
    monkeypatch.setattr(Ref, "ПолучитьОбъект", unreadable(PARTNERS))
    made.Удалить()
    assert erp.actions == ["create", "delete"]
    data = erp.messages[1]["clientData"]
    assert "Телефон" not in data
    assert (data["Наименование"], data["Ссылка"]) == ("Альфа", str(made.guid))
    assert [line[1] for line in world.log_lines()] == ["INFO", "INFO"]


def unreadable(meta: CatalogMeta) -> Any:
    opened = Ref.ПолучитьОбъект

    def guarded(ref: Ref) -> Any:
        if ref.meta is meta:
            raise BslError("Таблица не найдена")
        return opened(ref)

    return guarded


def test_a_contact_that_cannot_be_read_does_not_lose_the_change(
    erp: Erp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_for(erp, tmp_path, TRADE, PARTNERS, KINDS, **{IN_SECTION: OF_PARTNER})
    partner = world.new("Партнеры", КонтактнаяИнформация=lines())
    partner.Записать()
    monkeypatch.setattr(Ref, "ПолучитьОбъект", unreadable(PARTNERS))
    world.new(Наименование="Альфа", Партнер=partner.bsl_get("Ссылка")).Записать()
    assert erp.actions == ["create"]
    assert "Телефон" not in erp.messages[0]["clientData"]
    without = "contacts not read, sent without them; details in the event log"
    assert [(line[1], line[6]) for line in world.log_lines()] == [
        ("WARNING", without),
        ("INFO", "delivered"),
    ]


def test_a_row_that_cannot_be_read_at_all_is_told_once_and_not_as_a_lock(
    erp: Erp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_for(erp, tmp_path, TRADE, PARTNERS, KINDS)
    monkeypatch.setattr(Ref, "ПолучитьОбъект", unreadable(TRADE))
    world.new(Наименование="Альфа").Записать()
    assert erp.messages == []
    errors = [line[6] for line in world.log_lines() if line[1] == "ERROR"]
    assert errors == ["counterparty not read; details in the event log"]


def test_a_lock_that_is_never_free_is_told_as_a_lock(erp: Erp, world: World) -> None:
    world.base.begin()
    written(world)
    for _ in range(3):
        world.base.give_up()
    told = "row is locked by another transaction; details in the event log"
    assert [(line[1], line[6]) for line in world.log_lines()] == [
        ("WARNING", told),
        ("WARNING", told),
        ("ERROR", told),
    ]
    world.base.rollback()


def refuse(source: Any, refusal: Any) -> None:
    raise BslError("Есть ссылки")


@pytest.mark.parametrize("event", ["ПередЗаписью", "ПриЗаписи"])
def test_a_write_a_later_handler_refuses_sends_nothing(erp: Erp, world: World, event: str) -> None:
    made = written(world)
    world.base.subscriptions[event] = [refuse]
    with pytest.raises(BslError):
        made.Записать()
    with pytest.raises(BslError):
        written(world, Код="000000002")
    assert erp.actions == ["create"]


def test_a_deletion_a_later_handler_refuses_sends_nothing(erp: Erp, world: World) -> None:
    made = written(world)
    world.base.subscriptions["ПередУдалением"] = [refuse]
    with pytest.raises(BslError):
        made.Удалить()
    assert erp.actions == ["create"]
    assert world.log_lines()[-1][6] == "nothing to send: the change was not committed"


def test_changes_inside_an_outer_transaction_wait_for_its_end(erp: Erp, world: World) -> None:
    world.base.begin()
    written(world)
    assert erp.messages == []
    world.base.commit()
    assert erp.actions == ["create"]


def test_an_outer_transaction_rolled_back_sends_nothing(erp: Erp, world: World) -> None:
    kept = written(world)
    world.base.begin()
    written(world, Код="000000002")
    world.open(kept.bsl_get("Ссылка")).Записать()
    world.open(kept.bsl_get("Ссылка")).Удалить()
    world.base.rollback()
    assert erp.actions == ["create"]


def test_http_never_runs_inside_a_transaction(erp: Erp, world: World) -> None:
    written(world).Удалить()
    assert len(erp.messages) == 2
    assert world.base.extern_calls_in_transaction == 0


def test_groups_are_not_sent(erp: Erp, world: World) -> None:
    written(world, ЭтоГруппа=True).Удалить()
    assert erp.messages == []


def test_exchange_loads_are_sent_only_when_the_setting_says_so(erp: Erp, tmp_path: Path) -> None:
    on = {'"ОтправлятьПриЗагрузке", Ложь': '"ОтправлятьПриЗагрузке", Истина'}
    for settings in ({}, on):
        world = world_for(erp, tmp_path, **settings)
        loaded = world.new(Код="1", Наименование="Альфа")
        loaded.bsl_get("ОбменДанными").put("Загрузка", True)
        loaded.Записать()
        loaded.Удалить()
    assert erp.actions == ["create", "delete"]


def test_absent_attributes_leave_their_keys_out(erp: Erp, tmp_path: Path) -> None:
    world = world_for(erp, tmp_path, TRADE, PARTNERS, KINDS)
    world.new(Наименование="Альфа").Записать()
    assert set(erp.messages[0]["clientData"]) == {
        "Наименование",
        "Ссылка",
        "ПометкаУдаления",
        "ВерсияДанных",
    }
    assert world.log_lines()[0][4] == ""


def test_contact_lines_are_chosen_by_type_and_kind(erp: Erp, world: World) -> None:
    legal = world.new("ВидыКонтактнойИнформации", ИмяПредопределенныхДанных="ЮрАдресКонтрагента")
    postal = world.new("ВидыКонтактнойИнформации", Наименование="Поштова")
    legal.Записать()
    postal.Записать()
    section = lines(
        contact(postal.bsl_get("Ссылка"), "Адрес", "Львів"),
        contact(legal.bsl_get("Ссылка"), "Адрес", "Київ"),
        contact(postal.bsl_get("Ссылка"), "Телефон", "+380 44 1"),
        contact(postal.bsl_get("Ссылка"), "Телефон", "+380 44 2"),
    )
    written(world, КонтактнаяИнформация=section)
    data = erp.messages[0]["clientData"]
    assert (data["Адрес"], data["Телефон"], data["Email"]) == ("Київ", "+380 44 1", "")


def test_the_request_is_json_with_the_token_and_without_a_byte_order_mark(
    erp: Erp, tmp_path: Path
) -> None:
    world = world_for(erp, tmp_path, **{'"Токен", ""': '"Токен", "s3cret"'})
    written(world)
    assert erp.headers[0]["Authorization"] == "Bearer s3cret"
    assert erp.headers[0]["Content-Type"] == "application/json; charset=utf-8"
    assert erp.paths == ["/api/webhook/1c/clients"]
    assert "s3cret" not in world.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((422, b"{}"), "HTTP 422"),
        ((302, b""), "HTTP 302"),
        ((200, b"<html>login</html>"), "HTTP 200 with a page instead of JSON"),
        ((200, b'{"messageId": "another"}'), "HTTP 200 without this messageId"),
        ((200, b"OK"), "HTTP 200 without this messageId"),
        ((200, b'{"messageId": '), "HTTP 200 without this messageId"),
        ((200, b'{"success": false}'), "HTTP 200 with success: false"),
        ((200, b""), "HTTP 200 without this messageId"),
    ],
)
def test_an_answer_that_proves_nothing_is_logged_as_an_error(
    erp: Erp, world: World, answer: tuple[int, bytes], reason: str
) -> None:
    erp.answer = lambda _: answer
    written(world)
    [line] = world.log_lines()
    assert (line[1], line[5], line[6]) == ("ERROR", str(answer[0]), reason)


def test_an_old_receiver_delivers_with_any_2xx_but_not_with_a_login_page(
    erp: Erp, tmp_path: Path
) -> None:
    world = world_for(
        erp, tmp_path, **{'"СтрогоеПодтверждение", Истина': '"СтрогоеПодтверждение", Ложь'}
    )
    made = written(world)
    refused = (200, b" <!doctype html>"), (200, b'{"success": false, "reason": "duplicate"}')
    for answer in ((204, b""), (201, b"OK"), *refused):
        erp.answer = lambda _, given=answer: given  # type: ignore[misc]
        made.Записать()
    assert [line[1] for line in world.log_lines()] == ["INFO"] * 3 + ["ERROR"] * 2


def test_a_dead_network_never_stops_the_save_and_is_logged_with_its_error(tmp_path: Path) -> None:
    with running_erp() as erp:
        port = erp.port
    world = World(tmp_path, modules={"Zvirka": core_for(port)}, object_module=read(OBJECT))
    made = written(world)
    assert (made.meta.name, made.guid) in world.base.committed.rows
    attempts = world.log_lines()
    assert [line[2] for line in attempts] == ["create", "update", "update"]
    assert attempts[0][1:6] == ["ERROR", "create", str(made.guid), "000000001", "0"]
    assert attempts[0][6].startswith("Ошибка работы с Интернет")
    entry = world.base.event_log[-1]
    assert entry.bsl_get("Уровень") == "Ошибка"
    assert (entry.bsl_get("Метаданные"), entry.bsl_get("Данные")) == (
        made.meta,
        made.bsl_get("Ссылка"),
    )


def test_a_create_of_unknown_outcome_is_repeated_as_an_update(erp: Erp, world: World) -> None:
    failures = iter([(504, b"")])
    erp.answer = lambda message: next(failures, None) or echo(message)
    written(world)
    assert erp.actions == ["create", "update"]
    assert erp.messages[0]["messageId"] == erp.messages[1]["messageId"]


def test_a_job_that_cannot_start_never_stops_the_save_and_is_logged(erp: Erp, world: World) -> None:
    world.base.jobs_refused = True
    written(world)
    assert erp.messages == []
    assert world.log_lines()[0][6] == "background job not started"


def test_no_log_holds_names_phones_or_addresses(erp: Erp, world: World) -> None:
    section = lines(contact(None, "Телефон", "+380441234567"))
    made = written(world, КонтактнаяИнформация=section, КодПоЕДРПОУ="12345678")
    erp.answer = lambda message: (422, str(message).encode())
    made.Записать()
    made.Удалить()
    everything = world.log.read_text(encoding="utf-8") + str(
        [entry.bsl_get("Комментарий") for entry in world.base.event_log]
    )
    assert len(world.log_lines()) == 3
    for personal in ("Альфа", "+380441234567", "12345678"):
        assert personal not in everything


def test_a_log_file_that_cannot_be_written_is_told_in_the_event_log(
    erp: Erp, tmp_path: Path
) -> None:
    world = world_for(erp, tmp_path, **{'"ФайлЖурнала", ""': f'"ФайлЖурнала", "{tmp_path}"'})
    written(world)
    assert erp.actions == ["create"]
    levels = [entry.bsl_get("Уровень") for entry in world.base.event_log]
    assert levels == ["Информация", "Предупреждение"]


def test_the_deletion_lock_is_what_keeps_a_deletion_from_being_lost(
    erp: Erp, tmp_path: Path
) -> None:
    lock = "\t\t\tЗаблокировать(Контрагент.Ссылка, РежимБлокировкиДанных.Исключительный);\n"
    core = core_for(erp.port)
    assert lock in core
    world = World(tmp_path, modules={"Zvirka": core.replace(lock, "")}, object_module=read(OBJECT))
    written(world).Удалить()
    assert erp.actions == ["create"]


def test_the_shared_lock_is_what_makes_a_job_wait_for_the_commit(erp: Erp, tmp_path: Path) -> None:
    lock = "\t\tЗаблокировать(Ссылка, РежимБлокировкиДанных.Разделяемый);\n\t\tПодготовка"
    core = core_for(erp.port)
    assert lock in core
    world = World(
        tmp_path,
        modules={"Zvirka": core.replace(lock, "\t\tПодготовка")},
        object_module=read(OBJECT),
    )
    written(world)
    assert erp.messages == []


def test_another_catalogue_is_left_alone(erp: Erp, tmp_path: Path) -> None:
    world = world_for(erp, tmp_path, ACCOUNTING, PARTNERS, KINDS)
    world.base.open_object = lambda this: None
    world.names["Zvirka"].call("НачатьОтправкуЗаписи", world.new("Партнеры"))
    assert erp.messages == []


NOT_FOUND = "contact kind not found, its key is left out: ЮрАдресКонтрагента"


def kinds_world(erp: Erp, directory: Path, kinds: CatalogMeta, **kind: str) -> tuple[World, Ref]:
    world = world_for(erp, directory, ACCOUNTING, kinds)
    for key in [key for key in world.base.committed.rows if key[0] == kinds.name]:
        del world.base.committed.rows[key]
    made = world.new(kinds.name, **kind)
    made.Записать()
    return world, made.bsl_get("Ссылка")


LIBRARY_3 = CatalogMeta("ВидыКонтактнойИнформации", ("ИмяПредопределенногоВида",))


@pytest.mark.parametrize(
    ("catalog", "kind"),
    [
        (LIBRARY_3, {"ИмяПредопределенногоВида": "ЮрАдресКонтрагента"}),
        (KINDS, {"ИмяПредопределенныхДанных": "ЮРАДРЕСКОНТРАГЕНТА"}),
        (KINDS, {"Наименование": "юрадресконтрагента "}),
    ],
)
def test_a_kind_is_found_by_any_of_its_names_without_case(
    erp: Erp, tmp_path: Path, catalog: CatalogMeta, kind: dict[str, str]
) -> None:
    world, ref = kinds_world(erp, tmp_path, catalog, **kind)
    written(world, КонтактнаяИнформация=lines(contact(ref, "адрес", "Київ")))
    assert erp.messages[0]["clientData"]["Адрес"] == "Київ"
    assert [line[1] for line in world.log_lines()] == ["INFO"]


def test_a_kinds_own_name_comes_before_the_description_of_another(erp: Erp, tmp_path: Path) -> None:
    world, ref = kinds_world(
        erp, tmp_path, LIBRARY_3, ИмяПредопределенногоВида="ЮрАдресКонтрагента"
    )
    namesake = world.new(KINDS.name, Наименование="ЮрАдресКонтрагента")
    namesake.Записать()
    section = lines(
        contact(namesake.bsl_get("Ссылка"), "Адрес", "Львів"), contact(ref, "Адрес", "Київ")
    )
    written(world, КонтактнаяИнформация=section)
    assert erp.messages[0]["clientData"]["Адрес"] == "Київ"


def test_a_kind_the_base_does_not_have_leaves_its_key_out_and_is_told(
    erp: Erp, tmp_path: Path
) -> None:
    world, ref = kinds_world(erp, tmp_path, KINDS, Наименование="Поштова")
    written(world, КонтактнаяИнформация=lines(contact(ref, "Адрес", "Київ")))
    assert "Адрес" not in erp.messages[0]["clientData"]
    assert [(line[1], line[6]) for line in world.log_lines()] == [
        ("WARNING", NOT_FOUND),
        ("INFO", "delivered"),
    ]


def test_a_kind_found_without_a_line_still_clears(erp: Erp, world: World) -> None:
    written(world)
    assert erp.messages[0]["clientData"]["Адрес"] == ""


def test_one_line_calls_of_a_foreign_handler_respect_the_loading_flag(
    erp: Erp, tmp_path: Path
) -> None:
    foreign = """
Процедура ПередЗаписью(Отказ)
	Zvirka.ЗапомнитьПередЗаписью(ЭтотОбъект, ЭтоНовый());
КонецПроцедуры
Процедура ПриЗаписи(Отказ)
	Zvirka.НачатьОтправкуЗаписи(ЭтотОбъект, Отказ);
КонецПроцедуры
Процедура ПередУдалением(Отказ)
	Zvirka.НачатьОтправкуУдаления(ЭтотОбъект, Отказ);
КонецПроцедуры
"""
    world = World(tmp_path, modules={"Zvirka": core_for(erp.port)}, object_module=foreign)
    loaded = world.new(Код="1", Наименование="Альфа")
    loaded.bsl_get("ОбменДанными").put("Загрузка", True)
    loaded.Записать()
    loaded.Удалить()
    assert erp.messages == []
    written(world)
    assert erp.actions == ["create"]


def test_code_that_called_the_seed_keeps_working(erp: Erp, world: World) -> None:
    made = written(world)
    zvirka = world.names["Zvirka"]
    assert zvirka.call_exported("ОтправитьДанныеКлиента", made, "update") is True
    assert zvirka.call_exported("ОтправитьДанныеКлиента", made.bsl_get("Ссылка"), "update") is True
    assert erp.actions == ["create", "update", "update"]
    erp.answer = lambda _: (200, b"OK")
    assert zvirka.call_exported("ОтправитьWebhook", "/other", '{"a": 1}') is True
    assert erp.paths[-1] == "/other"
    erp.answer = lambda _: (500, b"")
    assert zvirka.call_exported("ОтправитьWebhook", "/other", '{"a": 1}') is False
    zvirka.call_exported("ЗаписатьЛог", "просто текст")
    zero = "00000000-0000-0000-0000-000000000000"
    assert world.log_lines()[-1][1:] == ["INFO", "note", zero, "", "0", "просто текст"]


def test_the_pasted_module_is_silent_where_the_extension_is_loaded(erp: Erp, world: World) -> None:
    world.base.modules["ZvirkaOutbox"] = object()
    written(world).Удалить()
    assert erp.messages == []


@pytest.mark.parametrize("mode", ["Автоматический", "Automatic", "Автоматичний"])
def test_automatic_locks_never_stop_a_deletion(erp: Erp, world: World, mode: str) -> None:
    world.base.constants["locks"] = mode
    made = written(world)
    made.Удалить()
    assert world.base.locks == {}
    assert (made.meta.name, made.guid) not in world.base.committed.rows


def test_switched_off_nothing_is_sent_and_the_log_says_so(erp: Erp, tmp_path: Path) -> None:
    world = world_for(erp, tmp_path, **{'"Включено", Истина': '"Включено", Ложь'})
    written(world)
    assert erp.messages == []
    assert world.log_lines()[-1][6] == "not sent: sending is switched off"


def test_a_copy_of_the_base_is_silent_and_says_why(erp: Erp, tmp_path: Path) -> None:
    own = '"РабочаяБаза", "srvr=""SRV"";ref=""base"";"'
    world = world_for(erp, tmp_path, **{'"РабочаяБаза", ""': own})
    written(world)
    world.base.constants["connection"] = 'Srvr="srv";Ref="base_copy";'
    written(world, Код="000000002")
    assert erp.actions == ["create"]
    assert world.log_lines()[-1][6].startswith("not sent: this base is a copy")


@pytest.mark.parametrize("key", ["ключ підпису", "k" * 100])
def test_a_request_is_signed_as_the_receiver_checks_it(erp: Erp, tmp_path: Path, key: str) -> None:
    world = world_for(erp, tmp_path, **{'"КлючПодписи", ""': f'"КлючПодписи", "{key}"'})
    written(world)
    header = erp.headers[0][HEADER]
    Signatures((key,)).check(header, erp.bodies[0], world.now.replace(tzinfo=UTC))
    with pytest.raises(Refusal):
        Signatures((key,)).check(header, erp.bodies[0] + b" ", world.now.replace(tzinfo=UTC))


def test_user_and_password_are_shown_as_basic_authentication(erp: Erp, tmp_path: Path) -> None:
    password = "дуже довгий пароль, довший за рядок Base64" * 3
    login = {
        '"Пользователь", ""': '"Пользователь", "1c"',
        '"Пароль", ""': f'"Пароль", "{password}"',
    }
    written(world_for(erp, tmp_path, **login))
    scheme, _, encoded = erp.headers[0]["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert b64decode(encoded).decode() == f"1c:{password}"


def test_a_proxy_stands_between_1c_and_the_erp(erp: Erp, tmp_path: Path) -> None:
    through = {
        '"Сервер", "127.0.0.1"': '"Сервер", "erp.example.com"',
        '"ПроксиСервер", ""': '"ПроксиСервер", "127.0.0.1"',
        '"ПроксиПорт", 0': f'"ПроксиПорт", {erp.port}',
    }
    core = core_for(erp.port)
    for before, after in through.items():
        assert before in core
        core = core.replace(before, after)
    world = World(tmp_path, modules={"Zvirka": core}, object_module=read(OBJECT))
    written(world)
    assert erp.paths == [f"http://erp.example.com:{erp.port}/api/webhook/1c/clients"]
    assert erp.actions == ["create"]
