"""What people do in 1C: commands of the queue, settings, the word that this base may send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bsl.values import Array, BslError, Structure
from tests.bsl.world import (
    Erp,
    World,
    extended,
    queued,
)


@pytest.fixture
def world(erp: Erp, tmp_path: Path) -> World:
    return extended(erp, tmp_path)


def test_a_message_that_is_dropped_leaves_the_queue_unsent(erp: Erp, world: World) -> None:
    made = queued(world)
    world.names["ZvirkaOutbox"].call_exported("Убрать", Array([str(made.guid)]))
    world.send_queue()
    assert (world.queue, erp.messages) == ([], [])


def test_commands_need_the_right_to_change_the_queue(erp: Erp, world: World) -> None:
    made = queued(world)
    world.base.may_change = False
    outbox = world.names["ZvirkaOutbox"]
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("Повторить", (Array([str(made.guid)]),)),
        ("Убрать", (Array([str(made.guid)]),)),
        ("ОтправитьОдного", (made.bsl_get("Ссылка"),)),
        ("ОтправитьВсех", ()),
        ("ПрочитатьНастройки", ()),
        ("ЗаписатьНастройки", (Structure("Токен", "x"),)),
        ("ПодтвердитьБазу", ()),
    ]
    for name, arguments in calls:
        with pytest.raises(BslError, match="ZvirkaAdmin"):
            outbox.call_exported(name, *arguments)
    assert len(world.queue) == 1
    assert world.settings == {}


@pytest.mark.long
def test_one_counterparty_and_all_of_them_are_sent_on_demand(erp: Erp, world: World) -> None:
    first = queued(world, "1")
    queued(world, "2")
    world.new(Код="3", Наименование="Група", ЭтоГруппа=True).Записать()
    world.send_queue()
    outbox = world.names["ZvirkaOutbox"]
    outbox.call_exported("ОтправитьОдного", first.bsl_get("Ссылка"))
    assert erp.actions == ["create", "create", "update"]
    outbox.call_exported("ОтправитьВсех")
    assert erp.actions == ["create", "create", *["update"] * 3]


def test_the_base_remembers_itself_and_a_copy_is_silent_until_it_is_confirmed(
    erp: Erp, world: World
) -> None:
    queued(world, "1")
    world.send_queue()
    assert world.settings["РабочаяБаза"] == 'Srvr="srv";Ref="base";'
    world.base.constants["connection"] = 'Srvr="srv";Ref="copy";'
    queued(world, "2")
    world.send_queue()
    world.send_queue()
    assert erp.actions == ["create"]
    assert len(world.queue) == 1
    copies = [line for line in world.log_lines() if "is a copy" in line[6]]
    assert [line[1] for line in copies] == ["WARNING"]
    world.names["ZvirkaOutbox"].call_exported("ПодтвердитьБазу")
    world.send_queue()
    assert erp.actions == ["create", "create"]


def test_a_stored_value_of_another_type_does_not_stop_the_sending(erp: Erp, world: World) -> None:
    world.base.committed.records["ZvirkaSettings"].append({"Имя": "Таймаут", "Значение": "довго"})
    queued(world)
    world.send_queue()
    assert erp.actions == ["create"]
    assert world.log_lines()[0][6].endswith("used: Таймаут")


def test_settings_are_changed_without_the_configurator(erp: Erp, world: World) -> None:
    outbox = world.names["ZvirkaOutbox"]
    outbox.call_exported("ЗаписатьНастройки", Structure("Включено, Токен", False, "new"))
    queued(world)
    world.send_queue()
    assert erp.messages == []
    assert outbox.call_exported("ПрочитатьНастройки").bsl_get("Токен") == "new"
    changed = Structure("Включено, Путь, Таймаут", True, "/hook", 5)
    outbox.call_exported("ЗаписатьНастройки", changed)
    world.send_queue()
    assert erp.paths == ["/hook"]
    assert erp.headers[0]["Authorization"] == "Bearer new"
