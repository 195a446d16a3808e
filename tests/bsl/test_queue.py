"""The queue of the extension: coalescing, order, one message at a time, sending at once."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lxml import etree

from tests.bsl.values import BslError
from tests.bsl.world import (
    ACCOUNTING,
    BSL,
    KINDS,
    Erp,
    World,
    echo,
    extended,
    queued,
)
from zvirka.onec.session import OnecSession
from zvirka.onec.undelivered import OutboxReader
from zvirka.simulator import Simulator, SimulatorOptions

EXTENSION = BSL / "extension"

MD = "{http://v8.1c.ru/8.3/MDClasses}"


@pytest.fixture
def world(erp: Erp, tmp_path: Path) -> World:
    return extended(erp, tmp_path)


def test_a_write_leaves_a_message_in_the_queue_and_the_sender_delivers_it(
    erp: Erp, world: World
) -> None:
    made = queued(world)
    assert erp.messages == []
    assert [row["Ссылка"] for row in world.queue] == [str(made.guid)]
    identifier = world.queue[0]["Идентификатор"]
    world.send_queue()
    assert erp.actions == ["create"]
    assert erp.messages[0]["messageId"] == identifier
    assert world.queue == []


def test_a_write_rolled_back_takes_its_message_with_it(erp: Erp, world: World) -> None:
    def refuse(source: Any, refusal: Any) -> None:
        raise BslError("Отказ")

    world.base.subscriptions["ПриЗаписи"].append(refuse)
    with pytest.raises(BslError):
        queued(world)
    assert world.queue == []


@pytest.mark.long
def test_create_update_delete_arrive_in_order_each_once(erp: Erp, world: World) -> None:
    made = queued(world)
    world.send_queue()
    made.Записать()
    world.send_queue()
    made.Удалить()
    world.send_queue()
    world.send_queue()
    assert erp.actions == ["create", "update", "delete"]
    assert erp.messages[2]["clientData"]["ИНН"] == "12345678"
    assert world.queue == []


def test_a_create_of_unknown_outcome_is_repeated_as_an_update(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (504, b"")
    queued(world)
    world.send_queue()
    world.send_queue(after=timedelta(minutes=1))
    assert erp.actions == ["create", "update"]


def test_changes_of_one_counterparty_make_one_message_of_its_last_state(
    erp: Erp, world: World
) -> None:
    made = queued(world)
    for name in ("Бета", "Гамма"):
        made.bsl_set("Наименование", name)
        made.Записать()
    assert len(world.queue) == 1
    world.send_queue()
    assert [(m["action"], m["clientData"]["Наименование"]) for m in erp.messages] == [
        ("create", "Гамма")
    ]


def test_what_the_erp_never_had_is_not_deleted_there(erp: Erp, world: World) -> None:
    queued(world).Удалить()
    world.send_queue()
    assert world.queue == []
    assert erp.messages == []


def test_a_failed_create_that_may_have_arrived_is_deleted(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (500, b"")
    made = queued(world)
    world.send_queue()
    made.Удалить()
    erp.answer = echo
    world.send_queue()
    assert erp.actions == ["create", "delete"]


def test_no_later_change_overtakes_a_failed_one_in_any_run(erp: Erp, world: World) -> None:
    erp.answer = lambda message: (
        echo(message) if message["clientData"]["Код"] == "2" else (500, b"")
    )
    first = queued(world, "1")
    world.send_queue()
    first.bsl_set("Наименование", "Бета")
    first.Записать()
    queued(world, "2")
    erp.answer = echo
    world.send_queue()
    assert [(m["clientData"]["Код"], m["action"]) for m in erp.messages] == [
        ("1", "create"),
        ("1", "update"),
        ("2", "create"),
    ]
    assert erp.messages[1]["clientData"]["Наименование"] == "Бета"
    assert world.queue == []


def test_a_change_during_the_sending_stays_and_the_create_is_not_sent_again(
    erp: Erp, world: World
) -> None:
    made = queued(world)
    world.base.order = Random(1)
    world.send_queue()
    while not erp.messages:
        world.base.step()
    made.bsl_set("Наименование", "Бета")
    made.Записать()
    world.base.run_ready()
    world.base.order = None
    world.send_queue()
    sent = [(m["action"], m["clientData"]["Наименование"]) for m in erp.messages]
    assert sent == [("create", "Альфа"), ("update", "Бета")]
    assert world.queue == []


def test_two_senders_at_once_send_each_message_once(erp: Erp, world: World) -> None:
    for number in range(12):
        queued(world, str(number))
    world.base.order = Random(3)
    world.send_queue()
    world.send_queue()
    world.base.run_ready()
    assert sorted(int(m["clientData"]["Код"]) for m in erp.messages) == list(range(12))
    assert world.queue == []


def test_a_change_made_while_its_message_is_on_the_way_waits_for_it(erp: Erp, world: World) -> None:
    made = queued(world)
    world.base.order = Random(1)
    world.send_queue()
    while not world.queue[0]["ЗанятоДо"]:
        world.base.step()
    made.bsl_set("Наименование", "Бета")
    made.Записать()
    [first] = world.base.active_jobs()
    world.send_queue()
    second = world.base.active_jobs()[-1]
    while second.active:
        world.base.resume(second)
    assert erp.messages == []
    world.base.run_ready()
    assert not first.active
    sent = [(m["action"], m["clientData"]["Наименование"]) for m in erp.messages]
    assert sent[-1] == ("update", "Бета")
    assert world.queue == []


@pytest.mark.long
def test_code_that_called_the_seed_goes_through_the_queue(erp: Erp, world: World) -> None:
    made = queued(world)
    world.base.order = Random(1)
    world.send_queue()
    while not world.queue[0]["ЗанятоДо"]:
        world.base.step()
    made.bsl_set("Наименование", "Бета")
    made.Записать()
    push = world.names["ZvirkaPush"]
    assert push.call_exported("ОтправитьДанныеКлиента", made, "update") is True
    last = world.base.active_jobs()[-1]
    while last.active:
        world.base.resume(last)
    assert erp.messages == []
    world.base.run_ready()
    assert erp.messages[-1]["clientData"]["Наименование"] == "Бета"
    assert (erp.actions.count("create"), world.queue) == (1, [])


def test_a_sender_killed_midway_sends_the_create_again_as_an_update(erp: Erp, world: World) -> None:
    queued(world)
    world.base.order = Random(1)
    world.send_queue()
    while not erp.messages:
        world.base.step()
    world.base.jobs.clear()
    world.base.order = None
    world.send_queue(after=timedelta(minutes=1))
    assert erp.actions == ["create"], "the killed one may still be at it"
    world.send_queue(after=timedelta(minutes=1))
    assert erp.actions == ["create", "update"]
    assert world.queue == []


def test_a_write_is_sent_at_once_after_its_commit(erp: Erp, tmp_path: Path) -> None:
    world = extended(erp, tmp_path, ACCOUNTING, KINDS, **{'"Токен", ""': '"Токен", "t"'})
    world.base.begin()
    queued(world)
    assert erp.messages == []
    world.base.commit()
    assert erp.actions == ["create"]
    assert world.queue == []


def test_background_jobs_refused_leave_the_message_to_the_schedule(
    erp: Erp, tmp_path: Path
) -> None:
    world = extended(erp, tmp_path, ACCOUNTING, KINDS, **{'"Токен", ""': '"Токен", "t"'})
    world.base.jobs_refused = True
    queued(world)
    assert len(world.queue) == 1
    assert [line[6] for line in world.log_lines()] == ["background job not started"]
    world.send_queue()
    assert erp.actions == ["create"]


def test_a_job_that_is_busy_is_no_failure_to_start_one(erp: Erp, tmp_path: Path) -> None:
    world = extended(erp, tmp_path, ACCOUNTING, KINDS, **{'"Токен", ""': '"Токен", "t"'})
    world.base.order = Random(1)
    queued(world, "1")
    queued(world, "2")
    assert world.log_lines() == []
    world.base.run_ready()
    assert sorted(m["clientData"]["Код"] for m in erp.messages) == ["1", "2"]


def test_exchange_loads_and_other_catalogues_leave_no_message(erp: Erp, world: World) -> None:
    loaded = world.new(Код="1", Наименование="Альфа")
    loaded.bsl_get("ОбменДанными").put("Загрузка", True)
    loaded.Записать()
    loaded.Удалить()
    world.new("ВидыКонтактнойИнформации", Наименование="Телефон").Записать()
    assert world.queue == []


def test_what_the_sender_writes_fits_the_fields_of_the_register(erp: Erp, world: World) -> None:
    root = etree.parse(EXTENSION / "InformationRegisters" / "ZvirkaOutbox.xml").getroot()
    core = "{http://v8.1c.ru/8.1/data/core}"
    limits: dict[str, tuple[str, int]] = {}
    for kind in ("Dimension", "Resource"):
        for found in root.iter(f"{MD}{kind}"):
            name = str(found.findtext(f"{MD}Properties/{MD}Name"))
            length, digits = (found.findtext(f".//{core}{tag}") for tag in ("Length", "Digits"))
            kinds = {"xs:string": "text", "xs:decimal": "number", "xs:boolean": "flag"}
            limits[name] = (
                kinds[str(found.findtext(f".//{core}Type"))],
                int(length or digits or 0),
            )
    erp.answer = lambda _: (599, b"x" * 2000)
    made = queued(world, "Я" * 50)
    world.send_queue()
    for classes in ({"text": str, "number": int, "flag": bool},) * 2:
        [row] = world.queue
        assert set(row) == set(limits)
        for name, (kind, limit) in limits.items():
            assert type(row[name]) is classes[kind], name
            assert limit == 0 or len(str(row[name])) <= limit, name
        made.Удалить() if row["Действие"] == "create" else None


def test_the_daemon_reads_what_the_extension_wrote(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (503, b"")
    made = queued(world)
    since = world.now
    for _ in range(8):
        world.send_queue(after=timedelta(hours=1))
    with Simulator(SimulatorOptions(counterparties=1, outbox=True)) as simulator:
        simulator.base.outbox.table.rows = [_as_odata_shows(row) for row in world.queue]
        with OnecSession(simulator.url, simulator.user, simulator.password) as session:
            [message] = OutboxReader(session, page_bytes=1_000_000, max_url=2000).newest()
    assert (message.ref, message.code, message.action) == (str(made.guid), "1", "create")
    assert (message.attempts, message.status, message.error) == (8, 503, "HTTP 503")
    assert message.created == since.replace(tzinfo=UTC)
    assert message.tried == world.now.replace(tzinfo=UTC)


def _as_odata_shows(row: dict[str, Any]) -> dict[str, Any]:
    """Edm.Int64 travels as text."""
    wide = {name: str(int(row[name])) for name in ("Порядок", "СледующаяПопытка", "ЗанятоДо")}
    return {**row, **wide, "Попыток": int(row["Попыток"]), "КодСостояния": int(row["КодСостояния"])}
