"""The modules `zvirka bsl render` writes: they parse, pass every check, and run."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bsl.infobase import CatalogMeta
from tests.bsl.names import client_data_keys, unknown_names
from tests.bsl.syntax import errors, parse, read, string_value, walk
from tests.bsl.test_checks import CHECKS, FORM
from tests.bsl.world import KINDS, OBJECT, PARTNERS, Erp, World, contact, lines, running_erp
from zvirka.bsl.field_calls import literal, objects, payload_keys
from zvirka.bsl.render import address, render
from zvirka.errors import SettingsError, ZvirkaError
from zvirka.mapping import Attribute, ContactLine, Field, Mapping, RegisterLine
from zvirka.receiver.payload import PayloadReader
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of, profile_names

TRADE_MAPPING = Mapping(
    catalog="Контрагенты",
    key="ref",
    fields=(
        Field("name", Attribute("Description"), payload="Наименование"),
        Field("tax_id", Attribute("ИНН"), payload="ИНН"),
        Field(
            "phone",
            ContactLine("Телефон", via="Партнер_Key", catalog="Партнеры"),
            payload="Телефон",
        ),
        Field("email", RegisterLine("АдресЭлектроннойПочты"), payload="Email"),
        Field("note", Attribute("Комментарий")),
    ),
)


def settings(**tables: Any) -> Settings:
    base = {"onec": {"url": "http://1c/base"}, "erp": {"url": "sqlite:///clients.db"}}
    return Settings.model_validate(base | tables)


def rendered(directory: Path, mapping: Mapping = TRADE_MAPPING, **tables: Any) -> dict[str, str]:
    written = render(settings(**tables), mapping, directory)
    return {
        path.relative_to(directory).as_posix(): read(path)
        for path in written
        if path.suffix == ".bsl"
    }


def test_every_rendered_module_parses_and_passes_the_checks_of_the_shipped(tmp_path: Path) -> None:
    modules = rendered(tmp_path, bsl={"address": "https://erp.example.com:8443/hook?from=1c"})
    common = {
        "Zvirka": modules["dropin/Zvirka.bsl"],
        "ZvirkaOutbox": modules["extension/CommonModules/ZvirkaOutbox/Ext/Module.bsl"],
    }
    assert len(modules) == 6
    for name, source in modules.items():
        assert errors(parse(source)) == [], name
        assert unknown_names(source, common, FORM) == [], name
        for check in CHECKS:
            assert check(source) == [], (name, check.__name__)


def test_no_placeholder_is_left_and_the_keys_are_the_mappings_own(tmp_path: Path) -> None:
    core = rendered(tmp_path)["dropin/Zvirka.bsl"]
    assert "your-erp-domain.com" not in core
    assert "ЗАПОВНІТЬ" not in core
    assert client_data_keys(core) == set(payload_keys(TRADE_MAPPING))


@pytest.mark.parametrize("profile", profile_names())
def test_push_and_pull_agree_for_every_profile(tmp_path: Path, profile: str) -> None:
    made = settings(onec={"url": "http://1c/base", "profile": profile})
    mapping = mapping_of(made)
    render(made, mapping, tmp_path)
    core = read(tmp_path / "dropin" / "Zvirka.bsl")
    assert errors(parse(core)) == []
    schema = PayloadReader(mapping).schema()["properties"]["clientData"]
    assert client_data_keys(core) == set(schema["properties"])
    assert set(schema["required"]) <= client_data_keys(core)


def test_both_variants_are_filled_in_alike(tmp_path: Path) -> None:
    modules = rendered(tmp_path)
    assert modules["dropin/Zvirka.bsl"] == modules["extension/CommonModules/Zvirka/Ext/Module.bsl"]


def test_the_module_that_holds_the_token_is_its_owners_only(tmp_path: Path) -> None:
    core = rendered(tmp_path, receiver={"tokens": ["first", "second"]})["dropin/Zvirka.bsl"]
    assert 'Результат.Вставить("Токен", "first");' in core
    for name in ("dropin/Zvirka.bsl", "extension/CommonModules/Zvirka/Ext/Module.bsl"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_address_is_the_setting_else_the_erps_webhook_else_our_receiver() -> None:
    webhook = {"url": "sqlite:///c.db", "webhook": {"url": "https://erp/hook", "token": "theirs"}}
    assert address(settings()) == "http://127.0.0.1:8791/api/webhook/1c/clients"
    assert address(settings(erp=webhook)) == "https://erp/hook"
    assert address(settings(erp=webhook, bsl={"address": "https://x/y"})) == "https://x/y"


def test_the_erps_own_token_goes_with_the_erps_own_address(tmp_path: Path) -> None:
    webhook = {"url": "sqlite:///c.db", "webhook": {"url": "https://erp/hook", "token": "theirs"}}
    core = rendered(tmp_path, erp=webhook, receiver={"tokens": ["ours"]})["dropin/Zvirka.bsl"]
    assert '"Токен", "theirs"' in core
    assert "ours" not in core


@pytest.mark.parametrize("wrong", ["erp.example.com", "ftp://erp/x", "http://erp:port/x"])
def test_an_address_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: str
) -> None:
    with pytest.raises(SettingsError, match="not an HTTP URL"):
        rendered(tmp_path, bsl={"address": wrong})
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZvirkaError, match="cannot be written"):
        rendered(tmp_path / "file")


def test_the_processing_lists_what_the_pull_reads(tmp_path: Path) -> None:
    processing = rendered(tmp_path)["processing/ObjectModule.bsl"]
    for name in objects(TRADE_MAPPING):
        assert f'Имена.Добавить("{name}");' in processing
    assert objects(TRADE_MAPPING) == (
        "Справочник.Контрагенты",
        "Справочник.Партнеры",
        "Справочник.ВидыКонтактнойИнформации",
        "РегистрСведений.КонтактнаяИнформация",
        "РегистрСведений.ZvirkaOutbox",
    )


@given(st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), max_size=40))
def test_a_literal_is_one_string_of_that_value_whatever_is_in_it(value: str) -> None:
    tree = parse(f"Процедура А()\n\tБ = {literal(value)};\nКонецПроцедуры\n")
    assert errors(tree) == []
    assert [string_value(node) for node in walk(tree) if node.type == "string"] == [value]


@pytest.mark.parametrize("value", ["a\nb", "a\tb", "a\x00b"])
def test_a_control_character_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="control character"):
        literal(value)


def test_a_rendered_module_runs_with_fields_of_the_partner(tmp_path: Path) -> None:
    trade = CatalogMeta("Контрагенты", ("ИНН", "Партнер"), (), code_length=0)
    with running_erp() as erp:
        core = rendered(tmp_path, bsl={"address": f"http://127.0.0.1:{erp.port}/hook"})
        world = World(
            tmp_path,
            trade,
            PARTNERS,
            KINDS,
            modules={"Zvirka": core["dropin/Zvirka.bsl"]},
            object_module=read(OBJECT),
        )
        partner = world.new(
            "Партнеры", КонтактнаяИнформация=lines(contact(None, "Телефон", "+380 44 1"))
        )
        partner.Записать()
        made = world.new(Наименование="Альфа", ИНН="123", Партнер=partner.bsl_get("Ссылка"))
        made.Записать()
        assert_sent(erp, made)


def assert_sent(erp: Erp, made: Any) -> None:
    [message] = erp.messages
    assert erp.paths == ["/hook"]
    assert message["clientData"] == {
        "Наименование": "Альфа",
        "ИНН": "123",
        "Телефон": "+380 44 1",
        "Ссылка": str(made.guid),
        "ПометкаУдаления": False,
        "ВерсияДанных": made.bsl_get("ВерсияДанных"),
    }
