"""The shipped extension runs: the outbox, its subscriptions and its sender."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lxml import etree

from tests.bsl.infobase import CatalogMeta
from tests.bsl.syntax import parse as parse_module
from tests.bsl.syntax import read, routines
from tests.bsl.values import Array, BslError, Structure
from tests.bsl.world import (
    ACCOUNTING,
    BSL,
    CORE,
    KINDS,
    OUTBOX,
    QUEUE,
    SETTINGS,
    Erp,
    World,
    core_for,
    echo,
    running_erp,
)
from zvirka.onec.outbox import Outbox
from zvirka.onec.session import Session
from zvirka.simulator import Simulator, SimulatorOptions

EXTENSION = BSL / "extension"
MD = "{http://v8.1c.ru/8.3/MDClasses}"


@pytest.fixture
def erp() -> Iterator[Erp]:
    with running_erp() as running:
        yield running


@pytest.fixture
def world(erp: Erp, tmp_path: Path) -> World:
    return extended(erp, tmp_path)


LATER = {'"ОтправлятьСразу", Истина': '"ОтправлятьСразу", Ложь'}
"""The queue is sent by the scheduled job alone."""


def extended(erp: Erp, directory: Path, *catalogs: CatalogMeta, **settings: str) -> World:
    core = core_for(erp.port, **(settings or LATER))
    made = World(
        directory,
        *catalogs,
        modules={"ZvirkaPush": core, "ZvirkaOutbox": read(OUTBOX)},
        registers=(QUEUE, SETTINGS),
    )
    made.subscribe()
    return made


def written(world: World, code: str = "1") -> Any:
    made = world.new(Код=code, Наименование="Альфа", КодПоЕДРПОУ="12345678")
    made.Записать()
    return made


def test_a_write_leaves_a_message_in_the_queue_and_the_sender_delivers_it(
    erp: Erp, world: World
) -> None:
    made = written(world)
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
        written(world)
    assert world.queue == []


def test_create_update_delete_arrive_in_order_each_once(erp: Erp, world: World) -> None:
    made = written(world)
    world.send_queue()
    made.Записать()
    world.send_queue()
    made.Удалить()
    world.send_queue()
    world.send_queue()
    assert erp.actions == ["create", "update", "delete"]
    assert erp.messages[2]["clientData"]["ИНН"] == "12345678"
    assert world.queue == []


def test_a_dead_receiver_keeps_the_message_with_its_error_until_it_answers(
    erp: Erp, world: World
) -> None:
    erp.answer = lambda _: (503, b"")
    written(world)
    world.send_queue()
    [row] = world.queue
    assert (row["Попыток"], row["КодСостояния"], row["Ошибка"]) == (1, 503, "HTTP 503")
    erp.answer = echo
    world.send_queue()
    assert len(world.queue) == 1
    world.send_queue(after=timedelta(minutes=1))
    assert world.queue == []
    assert erp.messages[0]["messageId"] == erp.messages[1]["messageId"]


def test_a_create_of_unknown_outcome_is_repeated_as_an_update(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (504, b"")
    written(world)
    world.send_queue()
    world.send_queue(after=timedelta(minutes=1))
    assert erp.actions == ["create", "update"]


def test_the_pause_between_attempts_grows_to_an_hour_and_no_further(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (500, b"")
    written(world)
    pauses = []
    for _ in range(9):
        before = world.queue[0]["СледующаяПопытка"]
        world.send_queue(after=timedelta(hours=1))
        sent_at = world.names["ТекущаяУниверсальнаяДатаВМиллисекундах()"]()
        assert world.queue[0]["СледующаяПопытка"] != before
        pauses.append((world.queue[0]["СледующаяПопытка"] - sent_at) / 60000)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_changes_of_one_counterparty_make_one_message_of_its_last_state(
    erp: Erp, world: World
) -> None:
    made = written(world)
    for name in ("Бета", "Гамма"):
        made.bsl_set("Наименование", name)
        made.Записать()
    assert len(world.queue) == 1
    world.send_queue()
    assert [(m["action"], m["clientData"]["Наименование"]) for m in erp.messages] == [
        ("create", "Гамма")
    ]


def test_what_the_erp_never_had_is_not_deleted_there(erp: Erp, world: World) -> None:
    written(world).Удалить()
    world.send_queue()
    assert world.queue == []
    assert erp.messages == []


def test_a_failed_create_that_may_have_arrived_is_deleted(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (500, b"")
    made = written(world)
    world.send_queue()
    made.Удалить()
    erp.answer = echo
    world.send_queue()
    assert erp.actions == ["create", "delete"]


def test_no_later_change_overtakes_a_failed_one_in_any_run(erp: Erp, world: World) -> None:
    erp.answer = lambda message: (
        echo(message) if message["clientData"]["Код"] == "2" else (500, b"")
    )
    first = written(world, "1")
    world.send_queue()
    first.bsl_set("Наименование", "Бета")
    first.Записать()
    written(world, "2")
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
    made = written(world)
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
        written(world, str(number))
    world.base.order = Random(3)
    world.send_queue()
    world.send_queue()
    world.base.run_ready()
    assert sorted(int(m["clientData"]["Код"]) for m in erp.messages) == list(range(12))
    assert world.queue == []


def test_a_sender_killed_midway_sends_the_create_again_as_an_update(erp: Erp, world: World) -> None:
    written(world)
    world.base.order = Random(1)
    world.send_queue()
    while not erp.messages:
        world.base.step()
    world.base.jobs.clear()
    world.base.order = None
    world.send_queue(after=timedelta(minutes=1))
    assert erp.actions == ["create", "update"]
    assert world.queue == []


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_refusal_of_the_data_stops_the_message_until_a_person_or_a_change(
    erp: Erp, world: World, status: int
) -> None:
    erp.answer = lambda _: (status, b"")
    made = written(world)
    world.send_queue()
    world.send_queue(after=timedelta(days=1))
    [row] = world.queue
    assert (row["Остановлено"], row["КодСостояния"], row["Попыток"]) == (True, status, 1)
    erp.answer = echo
    world.names["ZvirkaOutbox"].call_exported("Повторить", Array([row["Ссылка"]]))
    assert world.queue == []
    erp.answer = lambda _: (status, b"")
    made.Записать()
    world.send_queue()
    made.Записать()
    erp.answer = echo
    world.send_queue()
    assert world.queue == []
    assert len(erp.messages) == 4


def test_a_message_that_is_dropped_leaves_the_queue_unsent(erp: Erp, world: World) -> None:
    made = written(world)
    world.names["ZvirkaOutbox"].call_exported("Убрать", Array([str(made.guid)]))
    world.send_queue()
    assert (world.queue, erp.messages) == ([], [])


def test_commands_need_the_right_to_change_the_queue(erp: Erp, world: World) -> None:
    made = written(world)
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


def test_one_counterparty_and_all_of_them_are_sent_on_demand(erp: Erp, world: World) -> None:
    first = written(world, "1")
    written(world, "2")
    world.new(Код="3", Наименование="Група", ЭтоГруппа=True).Записать()
    world.send_queue()
    outbox = world.names["ZvirkaOutbox"]
    outbox.call_exported("ОтправитьОдного", first.bsl_get("Ссылка"))
    assert erp.actions == ["create", "create", "update"]
    outbox.call_exported("ОтправитьВсех")
    assert erp.actions == ["create", "create", *["update"] * 3]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_a_refusal_common_to_all_ends_the_run(erp: Erp, world: World, status: int) -> None:
    erp.answer = lambda _: (status, b"")
    for number in range(20):
        written(world, str(number))
    world.send_queue()
    assert len(erp.messages) == 1
    assert not any(row["Остановлено"] for row in world.queue)


def test_a_silent_erp_costs_one_attempt_a_run_and_the_pause_grows(tmp_path: Path) -> None:
    with running_erp() as erp:
        world = extended(erp, tmp_path)
    for number in range(60):
        written(world, str(number))
    tried = []
    for _ in range(16):
        before = sum(row["Попыток"] for row in world.queue)
        world.send_queue(after=timedelta(minutes=1))
        tried.append(sum(row["Попыток"] for row in world.queue) - before)
    assert tried == [1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_the_first_delivery_lifts_the_pause(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (503, b"")
    written(world, "1")
    written(world, "2")
    world.send_queue()
    assert world.settings["Отказов"] == "1"
    erp.answer = echo
    world.send_queue(after=timedelta(minutes=1))
    assert world.queue == []
    assert world.settings["Отказов"] == "0"


def test_a_404_to_a_deletion_stops_this_deletion_only(erp: Erp, world: World) -> None:
    first, second = written(world, "1"), written(world, "2")
    world.send_queue()
    first.Удалить()
    second.Записать()
    erp.answer = lambda m: (404, b"") if m["action"] == "delete" else echo(m)
    world.send_queue()
    assert [(row["Действие"], row["Остановлено"]) for row in world.queue] == [("delete", True)]


def test_an_error_before_the_sending_postpones_the_message_and_is_logged(
    erp: Erp, world: World
) -> None:
    made = written(world)
    world.send_queue()
    made.Удалить()
    world.queue[0]["Данные"] = "{broken"
    world.send_queue()
    assert [row["Попыток"] for row in world.queue] == [1]
    assert world.log_lines()[-1][6] == "not sent; details in the event log"


def test_a_write_is_sent_at_once_after_its_commit(erp: Erp, tmp_path: Path) -> None:
    world = extended(erp, tmp_path, ACCOUNTING, KINDS, **{'"Токен", ""': '"Токен", "t"'})
    world.base.begin()
    written(world)
    assert erp.messages == []
    world.base.commit()
    assert erp.actions == ["create"]
    assert world.queue == []


def test_background_jobs_refused_leave_the_message_to_the_schedule(
    erp: Erp, tmp_path: Path
) -> None:
    world = extended(erp, tmp_path, ACCOUNTING, KINDS, **{'"Токен", ""': '"Токен", "t"'})
    world.base.jobs_refused = True
    written(world)
    assert len(world.queue) == 1
    world.send_queue()
    assert erp.actions == ["create"]


def test_the_base_remembers_itself_and_a_copy_is_silent_until_it_is_confirmed(
    erp: Erp, world: World
) -> None:
    written(world, "1")
    world.send_queue()
    assert world.settings["РабочаяБаза"] == 'Srvr="srv";Ref="base";'
    world.base.constants["connection"] = 'Srvr="srv";Ref="copy";'
    written(world, "2")
    world.send_queue()
    world.send_queue()
    assert erp.actions == ["create"]
    assert len(world.queue) == 1
    copies = [line for line in world.log_lines() if "is a copy" in line[6]]
    assert [line[1] for line in copies] == ["WARNING"]
    world.names["ZvirkaOutbox"].call_exported("ПодтвердитьБазу")
    world.send_queue()
    assert erp.actions == ["create", "create"]


def test_settings_are_changed_without_the_configurator(erp: Erp, world: World) -> None:
    outbox = world.names["ZvirkaOutbox"]
    outbox.call_exported("ЗаписатьНастройки", Structure("Включено, Токен", False, "new"))
    written(world)
    world.send_queue()
    assert erp.messages == []
    assert outbox.call_exported("ПрочитатьНастройки").bsl_get("Токен") == "new"
    changed = Structure("Включено, Путь, Таймаут", True, "/hook", 5)
    outbox.call_exported("ЗаписатьНастройки", changed)
    world.send_queue()
    assert erp.paths == ["/hook"]
    assert erp.headers[0]["Authorization"] == "Bearer new"


def test_exchange_loads_and_other_catalogues_leave_no_message(erp: Erp, world: World) -> None:
    loaded = world.new(Код="1", Наименование="Альфа")
    loaded.bsl_get("ОбменДанными").put("Загрузка", True)
    loaded.Записать()
    loaded.Удалить()
    world.new("ВидыКонтактнойИнформации", Наименование="Телефон").Записать()
    assert world.queue == []


def test_the_sources_list_exactly_the_objects_that_have_files() -> None:
    root = etree.parse(EXTENSION / "Configuration.xml").getroot()
    listed = {(c.tag.removeprefix(MD), c.text) for c in root.iter(f"{MD}ChildObjects") for c in c}
    folders = {
        "Language": "Languages",
        "Role": "Roles",
        "CommonModule": "CommonModules",
        "EventSubscription": "EventSubscriptions",
        "ScheduledJob": "ScheduledJobs",
        "InformationRegister": "InformationRegisters",
        "CommonForm": "CommonForms",
        "Subsystem": "Subsystems",
    }
    present = {
        (kind, file.stem)
        for kind, folder in folders.items()
        for file in EXTENSION.glob(f"{folder}/*.xml")
    }
    assert listed == present


def test_every_object_is_named_after_its_file_and_no_uuid_repeats() -> None:
    seen: list[str] = []
    for file in EXTENSION.glob("*/*.xml"):
        [described] = etree.parse(file).getroot()
        name = described.find(f"{MD}Properties/{MD}Name")
        assert name is not None
        assert name.text == file.stem
        seen += [str(node.get("uuid")) for node in described.iter() if node.get("uuid")]
    assert len(seen) == len(set(seen))


def test_subscriptions_and_the_job_name_exported_routines_that_exist() -> None:
    exported = {
        name
        for name, node in routines(parse_module(read(OUTBOX))).items()
        if node.child_by_field_name("export") is not None
    }
    named = set()
    for tag, folder in (("Handler", "EventSubscriptions"), ("MethodName", "ScheduledJobs")):
        for file in (EXTENSION / folder).glob("*.xml"):
            value = etree.parse(file).getroot().find(f".//{MD}{tag}")
            assert value is not None
            named.add(str(value.text).removeprefix("CommonModule.ZvirkaOutbox."))
    assert named <= exported


def test_the_register_of_the_sources_has_the_fields_the_module_uses() -> None:
    root = etree.parse(EXTENSION / "InformationRegisters" / "ZvirkaOutbox.xml").getroot()

    def names(tag: str) -> tuple[str, ...]:
        found = root.findall(f".//{MD}{tag}/{MD}Properties/{MD}Name")
        return tuple(str(node.text) for node in found)

    assert names("Dimension") == QUEUE.dimensions
    assert set(names("Resource")) == set(QUEUE.resources)


def test_both_variants_ship_one_and_the_same_core() -> None:
    assert read(EXTENSION / "CommonModules" / "ZvirkaPush" / "Ext" / "Module.bsl") == read(CORE)


SOURCES = sorted(EXTENSION.rglob("*.xml"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(EXTENSION)))
def test_every_source_is_well_formed_and_of_one_version_of_the_format(path: Path) -> None:
    assert path.read_bytes().startswith(b"\xef\xbb\xbf<?xml")
    assert etree.parse(path).getroot().get("version") == "2.17"


def test_the_subscriptions_listen_to_the_event_their_handler_is_named_for() -> None:
    events = {
        "BeforeWrite": "ПередЗаписью",
        "OnWrite": "ПриЗаписи",
        "BeforeDelete": "ПередУдалением",
    }
    heard = {}
    for file in (EXTENSION / "EventSubscriptions").glob("*.xml"):
        root = etree.parse(file).getroot()
        heard[root.findtext(f".//{MD}Event")] = root.findtext(f".//{MD}Handler")
        assert "cfg:CatalogObject" in file.read_text(encoding="utf-8-sig")
    assert heard == {
        event: f"CommonModule.ZvirkaOutbox.{name}Контрагента" for event, name in events.items()
    }


def test_the_common_modules_run_on_the_server_and_no_client_can_call_them() -> None:
    for file in (EXTENSION / "CommonModules").glob("*.xml"):
        root = etree.parse(file).getroot()
        flags = (
            "Server",
            "ExternalConnection",
            "ClientOrdinaryApplication",
            "ServerCall",
            "Global",
        )
        found = [root.findtext(f".//{MD}{flag}") for flag in flags]
        assert found == ["true", "true", "true", "false", "false"], file.stem


ROLES = {
    "ZvirkaReader": {
        "InformationRegister.ZvirkaOutbox": ["Read", "View"],
        "Subsystem.ZvirkaSubsystem": ["View"],
    },
    "ZvirkaAdmin": {
        "InformationRegister.ZvirkaOutbox": ["Read", "Update", "View", "Edit"],
        "InformationRegister.ZvirkaSettings": ["Read", "Update"],
        "CommonForm.ZvirkaSettings": ["View"],
        "Subsystem.ZvirkaSubsystem": ["View"],
    },
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gives_what_its_name_says_and_nothing_else(role: str) -> None:
    rights = etree.parse(EXTENSION / "Roles" / role / "Ext" / "Rights.xml").getroot()
    space = "{http://v8.1c.ru/8.2/roles}"
    granted = {
        str(given.findtext(f"{space}name")): [
            str(right.findtext(f"{space}name")) for right in given.iter(f"{space}right")
        ]
        for given in rights.iter(f"{space}object")
    }
    assert granted == ROLES[role]


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
    made = written(world, "Я" * 50)
    world.send_queue()
    for kinds in ({"text": str, "number": int, "flag": bool},) * 2:
        [row] = world.queue
        assert set(row) == set(limits)
        for name, (kind, limit) in limits.items():
            assert type(row[name]) is kinds[kind], name
            assert limit == 0 or len(str(row[name])) <= limit, name
        made.Удалить() if row["Действие"] == "create" else None


def test_the_daemon_reads_what_the_extension_wrote(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (503, b"")
    made = written(world)
    since = world.now
    for _ in range(8):
        world.send_queue(after=timedelta(hours=1))
    with Simulator(SimulatorOptions(counterparties=1, outbox=True)) as simulator:
        simulator.base.outbox.table.rows = [_as_odata_shows(row) for row in world.queue]
        with Session(simulator.url, simulator.user, simulator.password) as session:
            [message] = Outbox(session, page_bytes=1_000_000, max_url=2000).newest()
    assert (message.ref, message.code, message.action) == (str(made.guid), "1", "create")
    assert (message.attempts, message.status, message.error) == (8, 503, "HTTP 503")
    assert message.created == since.replace(tzinfo=UTC)
    assert message.tried == world.now.replace(tzinfo=UTC)


def _as_odata_shows(row: dict[str, Any]) -> dict[str, Any]:
    """Edm.Int64 travels as text."""
    wide = {name: str(int(row[name])) for name in ("Порядок", "СледующаяПопытка")}
    return {**row, **wide, "Попыток": int(row["Попыток"]), "КодСостояния": int(row["КодСостояния"])}


def test_no_role_is_given_to_everybody() -> None:
    assert "DefaultRoles" not in (EXTENSION / "Configuration.xml").read_text(encoding="utf-8")
