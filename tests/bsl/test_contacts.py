"""Attributes, contact lines and kinds: what travels, and what is left out."""

from __future__ import annotations

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
    extended,
    lines,
    queued,
    world_for,
    written,
)


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


def test_a_base_that_can_remember_is_told_of_a_missing_kind_once(erp: Erp, tmp_path: Path) -> None:
    world = extended(erp, tmp_path, ACCOUNTING, KINDS)
    for key in [key for key in world.base.committed.rows if key[0] == KINDS.name]:
        del world.base.committed.rows[key]
    for code in ("1", "2", "3"):
        queued(world, code)
        world.send_queue()
    assert all("Адрес" not in message["clientData"] for message in erp.messages)
    assert [line[6] for line in world.log_lines()].count(NOT_FOUND) == 1
    assert erp.actions == ["create"] * 3


def test_a_kind_found_without_a_line_still_clears(erp: Erp, world: World) -> None:
    written(world)
    assert erp.messages[0]["clientData"]["Адрес"] == ""
