"""The modules `zvirka bsl render` writes: they parse, pass every check, and run."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bsl.infobase import CatalogMeta
from tests.bsl.names import client_data_keys, payload_keys, unknown_names
from tests.bsl.syntax import errors, parse, read, string_value, walk
from tests.bsl.test_checks import CHECKS, FORM
from tests.bsl.world import (
    KINDS,
    OBJECT,
    PARTNERS,
    SHIPPED,
    Erp,
    World,
    contact,
    lines,
    running_erp,
)
from zvirka.bsl.field_calls import literal, objects
from zvirka.bsl.output_directory import MANIFEST
from zvirka.bsl.push_address import address
from zvirka.bsl.render import render
from zvirka.cli.texts import Messages
from zvirka.errors import SettingsError, ZvirkaError
from zvirka.mapping import Attribute, ContactLine, Field, Mapping, RegisterLine
from zvirka.receiver.payload import PayloadReader
from zvirka.receiver.run_receiver import receiver_app
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of, profile_names

TRADE_MAPPING = Mapping(
    catalog="Контрагенты",
    key=("ref",),
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
    written = render(settings(**tables), mapping, directory).paths
    return {
        path.relative_to(directory).as_posix(): read(path)
        for path in written
        if path.suffix == ".bsl"
    }


@pytest.mark.long
def test_every_rendered_module_parses_and_passes_the_checks_of_the_shipped(tmp_path: Path) -> None:
    modules = rendered(tmp_path, bsl={"address": "https://erp.example.com:8443/hook?from=1c"})
    common = {
        "Zvirka": modules["dropin/Zvirka.bsl"],
        "ZvirkaPush": modules["dropin/Zvirka.bsl"],
        "ZvirkaOutbox": modules["extension/CommonModules/ZvirkaOutbox/Ext/Module.bsl"],
    }
    assert len(modules) == len(SHIPPED) + 1
    for name, source in modules.items():
        assert errors(parse(source)) == [], name
        assert unknown_names(source, common, FORM) == [], name
        for check in CHECKS:
            assert check(source) == [], (name, check.__name__)


def test_no_placeholder_is_left_and_the_keys_are_the_mappings_own(tmp_path: Path) -> None:
    core = rendered(tmp_path)["dropin/Zvirka.bsl"]
    assert "your-erp-domain.com" not in core
    assert "ЗАПОВНІТЬ" not in core
    assert client_data_keys(core) == payload_keys(TRADE_MAPPING)


@pytest.mark.parametrize("profile", profile_names())
def test_push_and_pull_agree_for_every_profile(tmp_path: Path, profile: str) -> None:
    made = settings(onec={"url": "http://1c/base", "profile": profile})
    mapping = mapping_of(made)
    if not mapping.is_pushed:
        with pytest.raises(SettingsError, match=mapping.catalog), receiver_app(made, mapping):
            pass
        return
    render(made, mapping, tmp_path)
    core = read(tmp_path / "dropin" / "Zvirka.bsl")
    assert errors(parse(core)) == []
    schema = PayloadReader(mapping).schema()["properties"]["clientData"]
    assert client_data_keys(core) == set(schema["properties"])
    assert set(schema["required"]) <= client_data_keys(core)


def test_both_variants_are_filled_in_alike(tmp_path: Path) -> None:
    modules = rendered(tmp_path)
    assert (
        modules["dropin/Zvirka.bsl"] == modules["extension/CommonModules/ZvirkaPush/Ext/Module.bsl"]
    )


def test_the_module_that_holds_the_token_is_its_owners_only(tmp_path: Path) -> None:
    core = rendered(tmp_path, receiver={"tokens": ["first", "second"]})["dropin/Zvirka.bsl"]
    assert 'Результат.Вставить("Токен", "first");' in core
    for name in ("dropin/Zvirka.bsl", "extension/CommonModules/ZvirkaPush/Ext/Module.bsl"):
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


@pytest.mark.parametrize("listen", ["0.0.0.0:8791", "[::]:8791"])
def test_an_address_of_every_interface_is_refused_with_the_remedy(
    tmp_path: Path, listen: str
) -> None:
    with pytest.raises(SettingsError, match="cannot post to") as told:
        rendered(tmp_path, receiver={"listen": listen, "tokens": ["t"]})
    assert "bsl.address" in str(told.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bsl", "told"),
    [
        ({}, {"bsl_own_machine", "bsl_no_base"}),
        ({"address": "http://erp.example.com/hook"}, {"bsl_unencrypted", "bsl_no_base"}),
        ({"address": "https://erp.example.com/hook", "base": "x"}, set()),
        ({"address": "https://u:p@erp.example.com/hook", "base": "x"}, {"bsl_secrets"}),
    ],
)
def test_what_would_be_found_out_too_late_is_warned_of(
    tmp_path: Path, bsl: dict[str, str], told: set[str]
) -> None:
    made = render(settings(bsl=bsl), TRADE_MAPPING, tmp_path)
    assert {name for name, _ in made.warnings} == told
    for name, arguments in made.warnings:
        for language in ("uk", "en"):
            assert Messages(language).say(name, **arguments)
            assert "{" not in Messages(language).say(name, **arguments)


OLDER = {"compatibility": "8.3.17", "language": "Русский"}
NEWER = {"compatibility": "8.3.24", "language": "Українська"}


def test_another_rendering_deletes_its_own_files_only_and_tells_which(tmp_path: Path) -> None:
    """A scheduled job left over from mode 8.3.23 would keep an older base from loading it all."""
    render(settings(bsl=NEWER), TRADE_MAPPING, tmp_path)
    mine = {
        tmp_path / "extension" / name for name in ("notes.txt", "Catalogs/Own.xml", "Own.bsl")
    } | {tmp_path / "extension/ScheduledJobs/Own.xml"}
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    made = render(settings(bsl=OLDER), TRADE_MAPPING, tmp_path)
    found = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {*made.paths, *mine, tmp_path / MANIFEST}
    assert {path.relative_to(tmp_path).as_posix() for path in made.deleted} == {
        "extension/Languages/Українська.xml",
        "extension/ScheduledJobs/ZvirkaOutbox.xml",
        "extension/ScheduledJobs/ZvirkaOutbox/Ext/Schedule.xml",
    }
    assert not (tmp_path / "extension/ScheduledJobs/ZvirkaOutbox").exists()
    assert render(settings(bsl=OLDER), TRADE_MAPPING, tmp_path).deleted == []


def test_a_file_of_somebody_else_is_neither_replaced_nor_deleted(tmp_path: Path) -> None:
    theirs = tmp_path / "extension" / "Configuration.xml"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    with pytest.raises(ZvirkaError, match="in the way") as told:
        render(settings(), TRADE_MAPPING, tmp_path)
    assert str(theirs) in str(told.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [theirs]
    assert theirs.read_text() == "theirs"


def test_a_list_that_was_tampered_with_deletes_nothing_outside(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside.xml"
    outside.write_text("theirs")
    render(settings(), TRADE_MAPPING, out)
    (out / "link").symlink_to(tmp_path)
    with (out / MANIFEST).open("a") as listed:
        listed.write(f"../outside.xml\n{outside}\nlink/outside.xml\nabsent.xml\n")
    assert render(settings(), TRADE_MAPPING, out).deleted == []
    assert outside.read_text() == "theirs"


@pytest.mark.parametrize("own_webhook", [True, False])
def test_the_signature_key_goes_to_our_receiver_only(tmp_path: Path, own_webhook: bool) -> None:
    erp: dict[str, Any] = {"url": "sqlite:///c.db"}
    if own_webhook:
        erp["webhook"] = {"url": "https://erp/hook"}
    core = rendered(tmp_path, receiver={"signature_key": "k"}, erp=erp)["dropin/Zvirka.bsl"]
    assert f'"КлючПодписи", "{"" if own_webhook else "k"}"' in core


LOGIN = {"user": "1c", "password": "p@ss"}


@pytest.mark.parametrize(
    "tables",
    [
        {"bsl": {"address": "https://erp/hook", **LOGIN}},
        {"bsl": {"address": "https://1c:p%40ss@erp/hook"}},
        {"erp": {"url": "sqlite:///c.db", "webhook": {"url": "https://erp/hook", **LOGIN}}},
    ],
)
def test_user_and_password_travel_as_basic_authentication(
    tmp_path: Path, tables: dict[str, Any]
) -> None:
    core = rendered(tmp_path, receiver={"tokens": ["ours"]}, **tables)["dropin/Zvirka.bsl"]
    for name, value in (("Сервер", "erp"), ("Пользователь", "1c"), ("Пароль", "p@ss")):
        assert f'"{name}", "{value}"' in core
    assert '"Токен", ""' in core


def test_proxy_certificates_and_the_base_are_filled_in(tmp_path: Path) -> None:
    bsl = {
        "address": "https://erp/hook",
        "proxy": "proxy.local:3128",
        "server_ca": "/etc/ca.pem",
        "client_certificate": "/etc/1c.pem",
        "certificate_password": "secret",
        "base": 'Srvr="srv";Ref="base";',
    }
    core = rendered(tmp_path, bsl=bsl)["dropin/Zvirka.bsl"]
    for line in (
        '"ПроксиСервер", "proxy.local"',
        '"ПроксиПорт", 3128',
        '"ФайлСертификатов", "/etc/ca.pem"',
        '"ФайлСертификатаКлиента", "/etc/1c.pem"',
        '"ПарольСертификатаКлиента", "secret"',
        '"РабочаяБаза", "Srvr=""srv"";Ref=""base"";"',
    ):
        assert line in core


@pytest.mark.parametrize(
    ("mode", "has_job"), [("8.3.17", False), ("8.3.22", False), ("8.3.24", True)]
)
def test_older_compatibility_modes_get_an_extension_without_the_job(
    tmp_path: Path, mode: str, has_job: bool
) -> None:
    written = render(settings(bsl={"compatibility": mode}), TRADE_MAPPING, tmp_path).paths
    root = (tmp_path / "extension" / "Configuration.xml").read_text(encoding="utf-8-sig")
    assert f"<ConfigurationExtensionCompatibilityMode>Version{mode.replace('.', '_')}<" in root
    assert ("<ScheduledJob>" in root) == has_job
    assert any("ScheduledJobs" in str(path) for path in written) == has_job


def test_a_base_of_another_default_language_gets_its_own(tmp_path: Path) -> None:
    made = settings(bsl={"language": "Українська", "language_code": "uk"})
    render(made, TRADE_MAPPING, tmp_path)
    languages = list((tmp_path / "extension" / "Languages").iterdir())
    assert [path.name for path in languages] == ["Українська.xml"]
    language = languages[0].read_text(encoding="utf-8-sig")
    assert "<Name>Українська</Name>" in language
    assert "<LanguageCode>uk</LanguageCode>" in language
    root = (tmp_path / "extension" / "Configuration.xml").read_text(encoding="utf-8-sig")
    assert "<DefaultLanguage>Language.Українська</DefaultLanguage>" in root
    assert "<Language>Українська</Language>" in root
    assert "Русский" not in root


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


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=40))
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
