"""The shipped extension runs: the outbox, its subscriptions and its sender."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.bsl.syntax import parse as parse_module
from tests.bsl.syntax import read, routines
from tests.bsl.values import BslError
from tests.bsl.world import BSL, CORE, OUTBOX, QUEUE, Erp, World, core_for, echo, running_erp
from zvirka.onec.session import OnecSession
from zvirka.onec.undelivered import OutboxReader
from zvirka.simulator import Simulator, SimulatorOptions

EXTENSION = BSL / "extension"
MD = "{http://v8.1c.ru/8.3/MDClasses}"


@pytest.fixture
def erp() -> Iterator[Erp]:
    with running_erp() as running:
        yield running


@pytest.fixture
def world(erp: Erp, tmp_path: Path) -> World:
    modules = {"Zvirka": core_for(erp.port), "ZvirkaOutbox": read(OUTBOX)}
    made = World(tmp_path, modules=modules, registers=(QUEUE,))
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
    made.Удалить()
    world.send_queue()
    world.send_queue()
    assert erp.actions == ["create", "delete"]
    assert erp.messages[1]["clientData"]["ИНН"] == "12345678"
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
    erp.answer = lambda _: (503, b"")
    written(world)
    pauses = []
    for _ in range(9):
        before = world.queue[0]["СледующаяПопытка"]
        world.send_queue(after=timedelta(hours=1))
        sent_at = world.names["ТекущаяУниверсальнаяДатаВМиллисекундах()"]()
        assert world.queue[0]["СледующаяПопытка"] != before
        pauses.append((world.queue[0]["СледующаяПопытка"] - sent_at) / 60000)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_failed_message_holds_back_later_ones_of_the_same_counterparty_only(
    erp: Erp, world: World
) -> None:
    erp.answer = lambda message: (
        echo(message) if message["clientData"]["Код"] == "2" else (500, b"")
    )
    first = written(world, "1")
    first.Записать()
    written(world, "2")
    world.send_queue()
    assert [(m["clientData"]["Код"], m["action"]) for m in erp.messages] == [
        ("1", "create"),
        ("2", "create"),
    ]
    assert len(world.queue) == 2


def test_an_error_before_the_sending_postpones_the_message_and_is_logged(
    erp: Erp, world: World
) -> None:
    made = written(world)
    made.Удалить()
    world.queue[1]["Данные"] = "{broken"
    world.send_queue()
    assert [row["Попыток"] for row in world.queue] == [1]
    assert world.log_lines()[-1][6] == "not sent; details in the event log"


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
    assert named == exported


def test_the_register_of_the_sources_has_the_fields_the_module_uses() -> None:
    root = etree.parse(EXTENSION / "InformationRegisters" / "ZvirkaOutbox.xml").getroot()

    def names(tag: str) -> tuple[str, ...]:
        found = root.findall(f".//{MD}{tag}/{MD}Properties/{MD}Name")
        return tuple(str(node.text) for node in found)

    assert names("Dimension") == QUEUE.dimensions
    assert set(names("Resource")) == set(QUEUE.resources)


def test_both_variants_ship_one_and_the_same_core() -> None:
    assert read(EXTENSION / "CommonModules" / "Zvirka" / "Ext" / "Module.bsl") == read(CORE)


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


def test_the_role_gives_reading_of_the_queue_and_nothing_else() -> None:
    rights = etree.parse(EXTENSION / "Roles" / "ZvirkaReader" / "Ext" / "Rights.xml").getroot()
    roles = "{http://v8.1c.ru/8.2/roles}"
    granted = [
        (given.findtext(f"{roles}name"), right.findtext(f"{roles}name"))
        for given in rights.iter(f"{roles}object")
        for right in given.iter(f"{roles}right")
    ]
    assert granted == [("InformationRegister.ZvirkaOutbox", "Read")]


def test_what_the_sender_writes_fits_the_fields_of_the_register(erp: Erp, world: World) -> None:
    root = etree.parse(EXTENSION / "InformationRegisters" / "ZvirkaOutbox.xml").getroot()
    core = "{http://v8.1c.ru/8.1/data/core}"
    limits: dict[str, tuple[str, int]] = {}
    for kind in ("Dimension", "Resource"):
        for found in root.iter(f"{MD}{kind}"):
            name = str(found.findtext(f"{MD}Properties/{MD}Name"))
            length, digits = (found.findtext(f".//{core}{tag}") for tag in ("Length", "Digits"))
            limits[name] = ("text", int(length)) if length else ("number", int(digits or 0))
    erp.answer = lambda _: (599, b"x" * 2000)
    made = written(world, "Я" * 50)
    world.send_queue()
    made.Удалить()
    world.send_queue()
    assert len(world.queue) == 2
    for row in world.queue:
        for name, (kind, limit) in limits.items():
            value = row[name]
            assert isinstance(value, str) == (kind == "text"), name
            assert limit == 0 or len(str(value)) <= limit, name


def test_the_daemon_reads_what_the_extension_wrote(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (503, b"")
    made = written(world)
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
    wide = {name: str(int(row[name])) for name in ("Порядок", "СледующаяПопытка")}
    return {**row, **wide, "Попыток": int(row["Попыток"]), "КодСостояния": int(row["КодСостояния"])}


def test_no_role_is_given_to_everybody() -> None:
    assert "DefaultRoles" not in (EXTENSION / "Configuration.xml").read_text(encoding="utf-8")
