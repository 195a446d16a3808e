"""One module for the catalogues of a base: counterparties and their contracts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bsl.infobase import CatalogMeta
from tests.bsl.names import client_data_keys, payload_keys
from tests.bsl.syntax import errors, parse, read
from tests.bsl.test_checks import CHECKS
from tests.bsl.world import ACCOUNTING, KINDS, OBJECT, QUEUE, SETTINGS, Erp, World, echo, queued
from zvirka.bsl.render import Rendered, render
from zvirka.cli.texts import Messages
from zvirka.receiver.payload import PayloadReader
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

BASE = "http://1c.example/base"
PATH = "/api/webhook/1c/clients"
CONTRACTS = CatalogMeta(
    "ДоговорыКонтрагентов",
    (
        "Владелец", "Организация", "Номер", "Дата", "СрокДействия", "ВалютаВзаиморасчетов",
        "ВидДоговора",
    ),
    groups=True,
)  # fmt: skip
OTHERS = CatalogMeta("Банки")


def flow(name: str, profile: str, url: str = BASE, **tables: Any) -> Settings:
    raw: dict[str, Any] = {
        "name": name,
        "onec": {"url": url, "profile": profile},
        "erp": {"url": "sqlite:///clients.db"},
        "receiver": {"path": PATH if name == "main" else f"{PATH}/{name}", "tokens": ["t"]},
        "bsl": {"base": "x"},
    }
    return Settings.model_validate({**raw, **tables})


def rendered(out: Path, *flows: Settings) -> Rendered:
    first = flows[0].among({one.name: one for one in flows})
    return render(first, mapping_of(first), out)


def core_of(out: Path) -> str:
    return read(out / "dropin" / "Zvirka.bsl")


@pytest.fixture
def modules(erp: Erp, tmp_path: Path) -> dict[str, str]:
    """The rendered modules of both flows, which post to this server of the ERP."""
    here = {"address": f"http://127.0.0.1:{erp.port}{PATH}"}
    flows = (flow("main", "accounting", bsl=here), flow("contracts", "contracts", bsl={}))
    assert "bsl_flow_left_out" not in dict(rendered(tmp_path / "out", *flows).warnings)
    core = core_of(tmp_path / "out")
    outbox = read(tmp_path / "out/extension/CommonModules/ZvirkaOutbox/Ext/Module.bsl")
    return {"ZvirkaPush": core, "ZvirkaOutbox": outbox}


@pytest.fixture
def world(modules: dict[str, str], tmp_path: Path) -> World:
    later = modules["ZvirkaPush"].replace('"ОтправлятьСразу", Истина', '"ОтправлятьСразу", Ложь')
    made = World(
        tmp_path,
        ACCOUNTING,
        KINDS,
        CONTRACTS,
        OTHERS,
        modules=modules | {"ZvirkaPush": later},
        registers=(QUEUE, SETTINGS),
    )
    made.subscribe()
    return made


def signed(world: World, owner: Any, **values: Any) -> Any:
    made = world.new(
        "ДоговорыКонтрагентов",
        **{
            "Код": "00-1",
            "Наименование": "№ 1",
            "Владелец": owner.bsl_get("Ссылка"),
            "Дата": datetime(2026, 1, 31),  # noqa: DTZ001
        }
        | values,
    )
    made.Записать()
    return made


def test_each_catalogue_goes_to_its_own_path_with_its_own_fields(erp: Erp, world: World) -> None:
    owner = queued(world)
    contract = signed(world, owner)
    world.new("Банки", Код="1", Наименование="Банк").Записать()
    assert [row["Справочник"] for row in world.queue] == ["Контрагенты", "ДоговорыКонтрагентов"]
    world.send_queue()
    assert erp.paths == [PATH, f"{PATH}/contracts"]
    first, second = (message["clientData"] for message in erp.messages)
    assert first["ИНН"] == "12345678"
    assert second["Владелец"] == str(owner.guid)
    assert second["Ссылка"] == str(contract.guid)
    assert second["Дата"] == "2026-01-31T00:00:00"
    contracts = mapping_of(flow("contracts", "contracts"))
    assert set(second) == payload_keys(contracts)
    PayloadReader(contracts).read(erp.bodies[1], datetime.now().astimezone())
    assert [line[4] for line in world.log_lines()] == ["1", "ДоговорыКонтрагентов 00-1"]
    contract.Удалить()
    world.send_queue()
    assert (erp.actions[-1], erp.paths[-1]) == ("delete", f"{PATH}/contracts")
    assert erp.messages[-1]["clientData"]["Ссылка"] == str(contract.guid)
    assert world.queue == []


def test_a_contract_that_comes_before_its_counterparty_is_sent_again(
    erp: Erp, world: World
) -> None:
    owner = queued(world)
    signed(world, owner)
    signed(world, owner)
    there: list[str] = []

    def answer(message: dict[str, Any]) -> tuple[int, bytes]:
        owner_ref = message["clientData"].get("Владелец")
        return (424, b"{}") if owner_ref and not there else echo(message)

    erp.answer = answer
    world.send_queue()
    assert len(erp.messages) == 3
    assert [(row["КодСостояния"], row["Остановлено"]) for row in world.queue] == [(424, False)] * 2
    there.append("the row of the counterparty")
    world.send_queue(after=timedelta(minutes=1))
    assert world.queue == []


def test_a_group_of_contracts_is_not_sent(erp: Erp, world: World) -> None:
    signed(world, queued(world), ЭтоГруппа=True)
    world.send_queue()
    assert erp.paths == [PATH]


def test_a_message_of_an_earlier_module_is_of_the_first_catalogue(erp: Erp, world: World) -> None:
    made = queued(world)
    for row in world.base.store.records["ZvirkaOutbox"]:
        row["Справочник"] = ""
    world.send_queue()
    assert erp.paths == [PATH]
    assert erp.messages[0]["clientData"]["Ссылка"] == str(made.guid)


def test_all_of_every_catalogue_are_sent_on_demand(erp: Erp, world: World) -> None:
    owner = queued(world)
    contracts = [signed(world, owner), signed(world, owner)]
    world.send_queue()
    erp.paths.clear()
    outbox = world.names["ZvirkaOutbox"]
    world.base.start(lambda: outbox.call_exported("ПоставитьВсехВОчередь"))
    assert sorted(erp.paths) == [PATH, *[f"{PATH}/contracts"] * len(contracts)]


def test_the_pasted_module_serves_the_object_modules_of_both(
    erp: Erp, modules: dict[str, str], tmp_path: Path
) -> None:
    world = World(
        tmp_path,
        ACCOUNTING,
        KINDS,
        CONTRACTS,
        modules={"Zvirka": modules["ZvirkaPush"]},
        object_module=read(OBJECT),
        pasted=("Контрагенты", "ДоговорыКонтрагентов"),
    )
    owner = queued(world)
    signed(world, owner).Удалить()
    assert erp.paths[0] == PATH
    assert set(erp.paths[1:]) == {f"{PATH}/contracts"}
    assert erp.actions[-1] == "delete"


@pytest.mark.long
def test_the_rendered_modules_pass_the_checks_of_the_shipped(modules: dict[str, str]) -> None:
    for name, source in modules.items():
        assert errors(parse(source)) == [], name
        for check in CHECKS:
            assert check(source) == [], (name, check.__name__)
    both = payload_keys(mapping_of(flow("main", "accounting")))
    both |= payload_keys(mapping_of(flow("contracts", "contracts")))
    assert client_data_keys(modules["ZvirkaPush"]) == both


def test_a_single_flow_tells_of_no_further_catalogue(tmp_path: Path) -> None:
    rendered(tmp_path, flow("main", "accounting"))
    assert "// >>> zvirka: catalogues\n\t// <<< zvirka: catalogues\n" in core_of(tmp_path)


@pytest.mark.parametrize(
    ("other", "left_out"),
    [
        (flow("goods", "nomenclature"), False),
        (flow("goods", "prices"), False),
        (flow("goods", "nomenclature", "http://1c.example/branch"), False),
        (flow("goods", "nomenclature", receiver={"path": f"{PATH}/goods"}), True),
        (flow("goods", "nomenclature", bsl={"address": "http://erp.example/goods"}), True),
        (flow("goods", "accounting"), True),
    ],
)
def test_a_flow_that_the_module_cannot_serve_is_told(
    tmp_path: Path, other: Settings, left_out: bool
) -> None:
    made = rendered(tmp_path, flow("main", "accounting"), other)
    told = dict(made.warnings)
    assert ("bsl_flow_left_out" in told) == left_out
    if left_out:
        assert told["bsl_flow_left_out"] == {"flow": "goods"}
        for language in ("uk", "en"):
            assert "goods" in Messages(language).say("bsl_flow_left_out", flow="goods")
    served = other.onec.url == BASE and other.onec.profile == "nomenclature" and not left_out
    assert (f'"{PATH}/goods"' in core_of(tmp_path)) == served


def test_the_composition_of_odata_is_that_of_all_flows_of_the_base(tmp_path: Path) -> None:
    rendered(
        tmp_path,
        flow("main", "accounting"),
        flow("goods", "nomenclature"),
        flow("prices", "prices"),
        flow("branch", "contracts", "http://1c.example/branch"),
    )
    listed = read(tmp_path / "processing" / "ObjectModule.bsl")
    for name in ("ШтрихкодыНоменклатуры", "ЦеныНоменклатуры", "ZvirkaOutbox"):
        assert f'"РегистрСведений.{name}"' in listed
    assert '"Справочник.Номенклатура"' in listed
    assert "ДоговорыКонтрагентов" not in listed


def test_the_erps_own_webhook_is_asked_for_counterparties_only(tmp_path: Path) -> None:
    webhook = {"url": "sqlite:///c.db", "webhook": {"url": f"https://erp.example{PATH}"}}
    made = rendered(
        tmp_path, flow("main", "accounting", erp=webhook), flow("contracts", "contracts")
    )
    assert dict(made.warnings)["bsl_flow_left_out"] == {"flow": "contracts"}
    assert "ДоговорыКонтрагентов" not in core_of(tmp_path)
