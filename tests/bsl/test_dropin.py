"""The shipped drop-in pair runs: every event, every failure, over real HTTP."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.bsl.syntax import read
from tests.bsl.values import BslError
from tests.bsl.world import (
    ACCOUNTING,
    KINDS,
    OBJECT,
    PARTNERS,
    Erp,
    World,
    contact,
    core_for,
    lines,
    world_for,
    written,
)


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


@pytest.mark.long
def test_exchange_loads_are_sent_only_when_the_setting_says_so(erp: Erp, tmp_path: Path) -> None:
    on = {'"ОтправлятьПриЗагрузке", Ложь': '"ОтправлятьПриЗагрузке", Истина'}
    for settings in ({}, on):
        world = world_for(erp, tmp_path, **settings)
        loaded = world.new(Код="1", Наименование="Альфа")
        loaded.bsl_get("ОбменДанными").put("Загрузка", True)
        loaded.Записать()
        loaded.Удалить()
    assert erp.actions == ["create", "delete"]


def test_a_job_that_cannot_start_never_stops_the_save_and_is_logged(erp: Erp, world: World) -> None:
    world.base.jobs_refused = True
    written(world)
    assert erp.messages == []
    assert world.log_lines()[0][6] == "background job not started"


def test_quick_saves_of_an_ordinary_client_are_never_stopped(erp: Erp, world: World) -> None:
    """There privileged mode has no effect: the user may not list the jobs."""
    world.base.ordinary_client = True
    world.base.order = Random(1)
    made = written(world)
    for name in ("Бета", "Гамма", "Дельта"):
        made.bsl_set("Наименование", name)
        made.Записать()
    told = {line[6] for line in world.log_lines()}
    assert told == {"background jobs cannot be listed", "background job not started"}
    world.base.run_ready()
    assert erp.messages[-1]["clientData"]["Наименование"] == "Дельта"


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


@pytest.mark.long
def test_another_catalogue_is_left_alone(erp: Erp, tmp_path: Path) -> None:
    world = world_for(erp, tmp_path, ACCOUNTING, PARTNERS, KINDS)
    world.base.open_object = lambda this: None
    world.names["Zvirka"].call("НачатьОтправкуЗаписи", world.new("Партнеры"))
    assert erp.messages == []


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


@pytest.mark.long
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
