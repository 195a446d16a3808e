"""From profiles and overrides to one mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zvirka.errors import ExitCode, SettingsError
from zvirka.mapping import Attribute, Comparison, ContactLine, Mapping, RegisterLine
from zvirka.settings.model import ErpSettings, OnecSettings, Settings
from zvirka.settings.profiles import (
    counterparty_profiles,
    mapping_of,
    profile_names,
    read_profile,
)

PAYLOAD = {
    "code": "Код",
    "name": "Наименование",
    "tax_id": "ИНН",
    "phone": "Телефон",
    "email": "Email",
    "address": "Адрес",
}


def mapping(guard: dict[str, object] | None = None, **onec: Any) -> Mapping:
    return mapping_of(
        Settings.model_validate(
            {
                "onec": {"url": "https://h/b", **onec},
                "erp": {"url": "sqlite:///x"},
                "guard": guard or {},
            }
        )
    )


def refused(**onec: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        mapping(**onec)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def test_the_profiles_are_those_the_documentation_names() -> None:
    shipped = [
        "accounting",
        "contracts",
        "custom",
        "kz",
        "legacy",
        "nomenclature",
        "prices",
        "trade",
    ]
    assert profile_names() == shipped
    assert counterparty_profiles() == ["accounting", "custom", "kz", "legacy", "trade"]


@pytest.mark.parametrize("name", ["accounting", "custom", "kz", "legacy", "trade"])
def test_every_profile_gives_the_fields_of_the_webhook(name: str) -> None:
    found = mapping(profile=name)
    assert read_profile(name).title
    fields = {field.name: field.payload for field in found.fields}
    wanted = dict(PAYLOAD)
    if name == "trade":
        del wanted["code"]
    assert fields == wanted
    assert found.key_name == ("ref" if name == "trade" else "code")
    assert found.field("phone").compare is Comparison.PHONE
    assert found.field("email").compare is Comparison.EMAIL
    assert {found.field(n).compare for n in ("name", "tax_id", "address")} == {Comparison.TRIMMED}


def test_profiles_know_where_each_kind_of_base_keeps_contacts() -> None:
    assert mapping().field("phone").source == ContactLine("Телефон")
    assert mapping().field("address").source == ContactLine("Адрес", kind="ЮрАдресКонтрагента")
    assert mapping(profile="legacy").field("phone").source == RegisterLine("Телефон")
    assert mapping(profile="custom").field("address").source == Attribute("ЮридическийАдрес")
    assert mapping(profile="trade").field("email").source == ContactLine(
        "АдресЭлектроннойПочты", via="Партнер_Key", catalog="Партнеры"
    )


def test_override_keeps_what_it_does_not_mention() -> None:
    field = mapping(fields={"tax_id": {"compare": "digits"}}).field("tax_id")
    assert field.source == Attribute("КодПоЕДРПОУ")
    assert field.compare is Comparison.DIGITS
    assert field.payload == "ИНН"
    kind = mapping(fields={"address": {"kind": "ФактАдресКонтрагента"}}).field("address").source
    assert kind == ContactLine("Адрес", kind="ФактАдресКонтрагента")


def test_override_that_says_where_says_all_of_it() -> None:
    found = mapping(profile="trade", fields={"phone": {"attribute": "Телефон"}}).field("phone")
    assert found.source == Attribute("Телефон")
    assert found.compare is Comparison.PHONE
    assert mapping(fields={"address": {"contact": "Адрес"}}).field("address").source == ContactLine(
        "Адрес"
    )


@pytest.mark.parametrize("off", [False, "off", None])
def test_field_is_taken_away(off: object) -> None:
    assert "email" not in mapping(fields={"email": off}).names


def test_further_fields_come_after_those_of_the_profile() -> None:
    found = mapping(fields={"full_name": {"attribute": "НаименованиеПолное"}})
    assert found.names[-1] == "full_name"
    assert found.field("full_name").payload == ""


def test_any_field_can_pair_both_sides() -> None:
    assert mapping(profile="trade", key="tax_id").key == ("tax_id",)
    assert "onec.key" in refused(key="edrpou")
    assert "onec.key" in refused(fields={"code": False})


def test_several_fields_can_be_the_key_together() -> None:
    found = mapping(key=["tax_id", "name"])
    assert (found.key, found.key_name) == (("tax_id", "name"), "tax_id + name")
    assert mapping(key=["code"]).fingerprint() == mapping().fingerprint()
    for wrong in (["tax_id", "edrpou"], ["tax_id", "ref"], ["tax_id", "tax_id"]):
        assert "onec.key" in refused(key=wrong)


def test_a_key_of_several_fields_excludes_what_knows_one() -> None:
    onec = OnecSettings(url="http://1c/base", key=["tax_id", "name"])
    for erp in (
        ErpSettings(url="sqlite://", key="edrpou"),
        ErpSettings(url="sqlite://", writer="webhook"),
    ):
        with pytest.raises(SettingsError) as error:
            mapping_of(Settings(onec=onec, erp=erp))
        assert error.value.code == "ZV3209"


def test_catalogue_region_and_scope_reach_the_mapping() -> None:
    found = mapping(catalog="Клиенты", region="PL", scope="IsFolder eq false")
    assert (found.catalog, found.region, found.scope) == ("Клиенты", "PL", "IsFolder eq false")


def test_all_unclear_fields_are_told_at_once() -> None:
    message = refused(
        fields={
            "edrpou": {"compare": "digits"},
            "phone": {"attribute": "Телефон", "contact": "Телефон"},
            "Назва": {"attribute": "Description"},
            "ref": {"attribute": "Ref_Key"},
            "city": {"attribute": "Город", "via": "Партнер_Key"},
        }
    )
    assert "onec.fields.edrpou: found none, expected one of" in message
    assert "onec.fields.phone: found attribute, contact, expected one of" in message
    assert "onec.fields.Назва: expected a name of small Latin letters" in message
    assert "onec.fields.ref: expected a name" in message
    assert "onec.fields.city: expected via and catalog together" in message


def test_canary_must_be_able_to_be_a_key() -> None:
    with pytest.raises(SettingsError, match=r"guard\.canaries"):
        mapping({"canaries": ["000000001"]}, profile="trade")
    guid = "0f9e375d-6e83-11e5-96ed-0025907c0298"
    assert mapping({"canaries": [guid]}, profile="trade").key == ("ref",)


def test_unknown_profile_is_guessed_at() -> None:
    assert "did you mean trade?" in refused(profile="tarde")


def test_profile_of_ones_own_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('title = "Моя"\nkey = "ref"\n[fields.name]\nattribute = "Description"\n')
    assert mapping(profile=str(file)).names == ("name",)
    file.write_text('title = "Моя"\n[fields.name]\natribute = "Description"\n')
    assert "did you mean attribute?" in refused(profile=str(file))
    file.write_text("title = ")
    assert "not TOML" in refused(profile=str(file))
    file.unlink()
    assert "cannot be read" in refused(profile=str(file))


def test_a_field_may_refer_to_a_flow_or_list_its_values() -> None:
    found = mapping(profile="contracts", fields={"kind": {"values": {"Прочее": "other", "": 0}}})
    assert (found.catalog, found.key) == ("ДоговорыКонтрагентов", ("ref",))
    assert found.field("counterparty").reference == "main"
    assert found.field("kind").values == (("Прочее", "other"), ("", "0"))
    text = refused(
        fields={
            "phone": {"reference": "main"},
            "code": {"values": {"a": True}},
            "name": {"reference": "main", "values": {"a": "b"}},
        }
    )
    assert "onec.fields.phone: found reference, which only an attribute can have" in text
    assert "onec.fields.code: a reference or an enumeration cannot be the pairing key" in text
    assert "onec.fields.name: found reference and values, expected one of them" in text


def test_a_field_may_live_in_any_information_register() -> None:
    assert mapping(profile="nomenclature").field("barcode").source == RegisterLine(
        value="Штрихкод",
        register="ШтрихкодыНоменклатуры",
        object="Номенклатура",
        prefer_empty=("Характеристика_Key", "Упаковка_Key"),
    )
    other = {"owner": "Владелец", "prefer_empty": []}
    changed = mapping(profile="nomenclature", fields={"barcode": other}).field("barcode")
    assert changed.source == RegisterLine(
        value="Штрихкод", register="ШтрихкодыНоменклатуры", object="Владелец"
    )
    typed = {"information_register": "Связь", "register": "Телефон", "kind": "Рабочий"}
    assert mapping(fields={"phone": typed}).field("phone").source == RegisterLine(
        "Телефон", "Рабочий", register="Связь"
    )
    text = refused(
        fields={
            "barcode": {"information_register": "Штрихкоды"},
            "vat": {"information_register": "Ставки", "owner": "О", "value": "З", "payload": "С"},
            "rate": {"information_register": "Ставки", "owner": "О", "value": "З", "kind": "В"},
            "both": {"information_register": "Ставки", "attribute": "Ставка"},
        }
    )
    assert "onec.fields.barcode: expected owner and value" in text
    assert "onec.fields.vat: found payload" in text
    assert "onec.fields.rate: found kind without register" in text
    assert "onec.fields.both: found attribute, information_register" in text


def test_settings_that_are_newer_do_not_change_the_digest_of_an_older_mapping() -> None:
    assert mapping(profile="legacy").fingerprint() == (
        "ee1d63d8b00997c34bcc3b6fb39b99fc1371fa6fd02848c25621b32981371f5f"
    )
    changed = mapping(profile="legacy", fields={"tax_id": {"values": {"a": "b"}}})
    assert changed.fingerprint() != mapping(profile="legacy").fingerprint()


def test_a_register_has_a_key_of_dimensions_and_attributes_of_its_own() -> None:
    found = mapping(profile="prices")
    assert (found.slice, found.key) == (True, ("item", "kind", "variant"))
    assert "onec.key" in refused(profile="prices", key="ref")
    assert "onec.fields.phone" in refused(
        profile="prices", fields={"phone": {"contact": "Телефон"}}
    )
