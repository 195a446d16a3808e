"""Settings from a file and the environment, and everything that can be wrong with them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from tests.unit.settings.files import SMALLEST, written
from zvirka.errors import ExitCode, SettingsError
from zvirka.settings.effective import duration_text, effective_values
from zvirka.settings.loading import load_settings
from zvirka.settings.model import Settings
from zvirka.settings.places import find_settings
from zvirka.settings.value_types import Duration, SqlExpression


def refused(text: str, tmp_path: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text), environ or {})
    assert caught.value.exit_code.value == ExitCode.USAGE.value == 64
    return str(caught.value)


def test_two_addresses_are_enough(tmp_path: Path) -> None:
    loaded = load_settings(written(tmp_path), {})
    assert loaded.settings.onec.url == "https://1c.example.com/base"
    assert loaded.settings.onec.read_timeout == timedelta(seconds=180)
    assert loaded.path == tmp_path / "zvirka.toml"


def test_environment_overrides_the_file_and_says_so(tmp_path: Path) -> None:
    environ = {
        "ZVIRKA_ONEC__URL": "https://other.example.com/b",
        "ZVIRKA_GUARD__CANARIES": '["000000001", "000000002"]',
        "ZVIRKA_POLICY": '{"deletion_mark": "delete"}',
        "ZVIRKA_ERP__BATCH": "7",
        "ZVIRKA_SCHEDULE__RETRY_PAUSE": "90s",
        "PATH": "/usr/bin",
    }
    loaded = load_settings(written(tmp_path), environ)
    settings = loaded.settings
    assert settings.onec.url == "https://other.example.com/b"
    assert settings.guard.canaries == ["000000001", "000000002"]
    assert settings.policy.deletion_mark == "delete"
    assert settings.erp.batch == 7
    assert settings.schedule.retry_pause == timedelta(seconds=90)
    assert loaded.origins["onec.url"] == "$ZVIRKA_ONEC__URL"
    assert loaded.origins["policy.deletion_mark"] == "$ZVIRKA_POLICY"
    assert loaded.origins["erp.url"] == str(tmp_path / "zvirka.toml")
    assert "guard.max_deletes" not in loaded.origins


@pytest.mark.parametrize("value", ['"-1d"', "-1", "1e12", '"-P3Y"', '"999999999 days"'])
def test_a_duration_is_neither_negative_nor_longer_than_a_century(
    tmp_path: Path, value: str
) -> None:
    said = refused(f"{SMALLEST}\n[policy]\napproval_expires = {value}\n", tmp_path)
    assert "policy.approval_expires" in said
    assert "a duration of at least 0s and at most 100y" in said


def test_process_environment_is_not_read_behind_the_callers_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZVIRKA_ONEC__URL", "https://process.example.com/")
    assert load_settings(written(tmp_path), {}).settings.onec.url == "https://1c.example.com/base"


def test_all_problems_are_told_at_once_by_their_dotted_path(tmp_path: Path) -> None:
    message = refused(
        """
        state_dri = "x"
        [onec]
        url = "https://h/b"
        retries = "many"
        read_timeout = "soon"
        [onec.fields.phone]
        atribute = "Телефон"
        [erp]
        writer = "webhok"
        batch = 0
        [erp.columns]
        name = 5
        tax_id = { colum = "x" }
        """,
        tmp_path,
    )
    for line in (
        "state_dri: unknown key (did you mean state_dir?)",
        'onec.retries: found "many", expected a whole number',
        'onec.read_timeout: found "soon", expected a duration such as 90s, 15m, 12h, 7d or 3y',
        "onec.fields.phone.atribute: unknown key (did you mean attribute?)",
        "erp.url: a value is required, and none was found",
        "erp.writer: found \"webhok\", expected one of 'sql', 'webhook'",
        "erp.batch: found 0, expected at least 1",
        "erp.columns.name: found 5, expected a table or a text in quotes",
        "erp.columns.tax_id.colum: unknown key (did you mean column?)",
    ):
        assert f"\n  {line}\n" in message
    assert str(tmp_path / "zvirka.toml") in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[epr]\nurl = 'x'", "epr: unknown key (did you mean erp?)"),
        ("[erp]\nulr = 'x'", "erp.ulr: unknown key (did you mean url?)"),
        ("[erp]\nbatc = 5", "erp.batc: unknown key (did you mean batch?)"),
        ("[polcy]\nrekey = 'x'", "polcy: unknown key (did you mean policy?)"),
        (
            "[erp.delete]\nactive = []",
            "erp.delete.active: found a list, expected a text, a",
        ),
        (
            "[erp.on_create]\nat = { sq = 'x' }",
            "erp.on_create.at: found a table, expected a table",
        ),
        (
            "[erp.on_create]\nat = []",
            "erp.on_create.at: found a list, expected a text, a",
        ),
    ],
)
def test_a_wrong_key_or_type_gets_the_nearest_suggestion(
    text: str, line: str, tmp_path: Path
) -> None:
    assert f"\n  {line}" in refused(text, tmp_path)


def test_constants_are_taken_from_the_environment_as_well(tmp_path: Path) -> None:
    environ = {
        "ZVIRKA_ERP__TABLE": "clients",
        "ZVIRKA_ERP__COLUMNS__NAME": "title",
        "ZVIRKA_ERP__COLUMNS__PHONE": '{"column": "tel", "max_length": "20"}',
        "ZVIRKA_ERP__ON_CREATE__MADE": '{"sql": "CURRENT_TIMESTAMP"}',
        "ZVIRKA_ERP__ON_CREATE__SOURCE": "[1c]",
    }
    erp = load_settings(written(tmp_path), environ).settings.erp
    assert erp.columns["name"].column == "title"
    assert erp.columns["phone"].max_length == 20
    assert erp.on_create == {"made": SqlExpression(sql="CURRENT_TIMESTAMP"), "source": "[1c]"}


def test_password_of_an_sqlite_file_is_refused_wherever_it_comes_from(tmp_path: Path) -> None:
    for environ in ({"ZVIRKA_ERP__PASSWORD": "tainted"}, {"ZVIRKA_JOURNAL__PASSWORD": "tainted"}):
        message = refused(SMALLEST, tmp_path, environ)
        assert "password: found a password, and " in message
        assert ".url is an SQLite file, which takes none; remove it" in message
        assert "tainted" not in message
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "erp.password").write_text("tainted")
    message = refused(SMALLEST, tmp_path, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert "erp.password: found a password" in message


def test_invalid_toml_names_the_line(tmp_path: Path) -> None:
    message = refused('[onec]\nurl = "https://h/b"\nuser = Адмін\n', tmp_path)
    assert "line 3" in message
    assert "zvirka.toml" in message


def test_file_that_is_not_utf8_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "zvirka.toml"
    file.write_bytes("[onec]\nuser = 'Адмін'\n".encode("cp1251"))
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(file, {})


def test_file_asked_for_must_exist(tmp_path: Path) -> None:
    for path, environ in (
        (tmp_path / "none.toml", {}),
        (None, {"ZVIRKA_CONFIG": str(tmp_path / "none.toml")}),
    ):
        with pytest.raises(SettingsError, match=r"none\.toml"):
            load_settings(path, environ)


def test_file_is_looked_for_in_the_documented_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = written(tmp_path)
    other = tmp_path / "other.toml"
    other.write_text(SMALLEST)
    third = tmp_path / "third.toml"
    third.write_text(SMALLEST)
    monkeypatch.chdir(tmp_path)
    assert find_settings(None, {}) == here
    assert find_settings(None, {"ZVIRKA_CONFIG": str(other)}) == other
    assert find_settings(third, {"ZVIRKA_CONFIG": str(other)}) == third


def test_without_a_file_the_environment_alone_can_be_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"ZVIRKA_ONEC__URL": "https://h/b", "ZVIRKA_ERP__URL": "sqlite:////x.db"}
    assert load_settings(None, environ).settings.erp.url == "sqlite:////x.db"
    with pytest.raises(SettingsError, match="there is no settings file") as caught:
        load_settings(None, {"ZVIRKA_ONEC__URL": "https://h/b"})
    assert "erp.url" in str(caught.value)
    assert "zvirka.example.toml" in caught.value.remedy


def test_misspelt_variable_is_refused_and_a_foreign_one_is_left_alone(tmp_path: Path) -> None:
    message = refused(
        SMALLEST, tmp_path, {"ZVIRKA_ONECC__URL": "x", "ZVIRKA_STATEDIR": "/x", "ZVIRKA_LANG": "uk"}
    )
    assert "$ZVIRKA_ONECC__URL: unknown table or key onecc (did you mean onec?)" in message
    assert "$ZVIRKA_STATEDIR: unknown table or key statedir (did you mean state_dir?)" in message
    assert "ZVIRKA_LANG" not in message
    load_settings(written(tmp_path), {"ZVIRKA_RECORDINGS": "/somewhere"})


def test_wrong_value_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    message = refused(SMALLEST, tmp_path, {"ZVIRKA_GUARD__CANARIES": '["1"'})
    assert "guard.canaries" in message
    assert "$ZVIRKA_GUARD__CANARIES" in message


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = 'state_dir = "state"\n' + SMALLEST + '\n[report]\ndir = "../reports"\n'
    text = text.replace("[erp]", 'profile = "mine.toml"\n[erp]')
    settings = load_settings(written(tmp_path, text), {}).settings
    assert settings.state_dir == tmp_path / "state"
    assert settings.onec.profile == str(tmp_path / "mine.toml")
    assert settings.report.dir == tmp_path / "../reports"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[erp]\nwriter = "webhook"', "erp.writer"),
        ('[erp]\nwriter = "webhook"\nwebhook = { url = "erp.example.com" }', "erp.webhook.url"),
        ('[erp]\nowned = "a = 1"', "erp.table"),
        ('[guard]\ncanaries = [""]', "guard.canaries"),
        ('[schedule]\nat = "2:30"', "schedule.at"),
        ('[schedule]\nalso_at = ["24:00"]', "schedule.also_at"),
        ('[schedule]\nquiet_from = "08:00"', "schedule.quiet_from"),
        ('[schedule]\ntimezone = "Europe/Kiew"', "schedule.timezone"),
        ('[receiver]\nlisten = "0.0.0.0:8791"', "receiver.tokens"),
        ('[receiver]\nlisten = "8791"', "receiver.listen"),
        ('[receiver]\npath = "hook"', "receiver.path"),
        ('[metrics]\nlisten = "127.0.0.1:99999"', "metrics.listen"),
        ("[web]\nenabled = true", "web.users"),
        ('[web]\nenabled = true\npublic_url = "https://erp.example.com/zvirka/"', "web.public_url"),
        ('[web]\ntrusted_proxies = ["*"]', "web.trusted_proxies"),
        ('[web]\ntrusted_proxies = ["10.0.0.1/24"]', "web.trusted_proxies"),
        ('[web]\ntrusted_header = "X-Remote-User"', "web.trusted_proxies"),
        (
            '[web]\nenabled = true\nusers = [{name = "a", role = "admin", password_hash = "x"}]',
            "web.users.0.password_hash",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(table: str, key: str, tmp_path: Path) -> None:
    text = SMALLEST + table if not table.startswith("[erp]") else SMALLEST + table[5:]
    assert f"\n  {key}: " in refused(text, tmp_path)


@pytest.mark.parametrize(
    "url", ["1c.example.com/base", "ftp://h/b", "https://", "https://user:tainted@h/b"]
)
def test_address_of_1c_must_be_whole_and_without_a_password(url: str, tmp_path: Path) -> None:
    message = refused(SMALLEST.replace("https://1c.example.com/base", url), tmp_path)
    assert "onec.url" in message
    assert "tainted" not in message


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("onec", "total_timeout", "999999999y"),
        ("onec", "read_timeout", "0s"),
        ("onec", "connect_timeout", "30d"),
        ("onec", "proxy", "nonsense"),
        ("onec", "proxy", "socks5://10.0.0.1:1080"),
        ("onec", "proxy", "http://[::1"),
        ("onec", "proxy", "http://proxy:99999"),
        ("schedule", "jitter", "99999999y"),
    ],
)
def test_a_value_that_a_library_would_choke_on_is_refused(
    table: str, key: str, value: str, tmp_path: Path
) -> None:
    """They reached a library unchecked: a traceback, "this is a fault of zvirka"."""
    head = f"[{table}]\n"
    text = SMALLEST if head in SMALLEST else SMALLEST + head
    text = text.replace(head, f'{head}{key} = "{value}"\n')
    assert f"\n  {table}.{key}: " in refused(text, tmp_path)


@pytest.mark.parametrize("proxy", ["", "environment", "http://proxy:3128", "http://u:p@[::1]:8"])
def test_a_proxy_is_an_address(proxy: str, tmp_path: Path) -> None:
    text = SMALLEST.replace("[onec]\n", f'[onec]\nproxy = "{proxy}"\n')
    assert load_settings(written(tmp_path, text), {}).settings.onec.proxy == proxy


def test_effective_values_name_every_key_its_value_and_its_origin(tmp_path: Path) -> None:
    loaded = load_settings(written(tmp_path), {"ZVIRKA_LOG__LEVEL": "DEBUG"})
    shown = {value.key: (value.value, value.origin) for value in effective_values(loaded)}
    assert shown["onec.url"] == ("https://1c.example.com/base", str(loaded.path))
    assert shown["log.level"] == ("DEBUG", "$ZVIRKA_LOG__LEVEL")
    assert shown["onec.read_timeout"] == ("3m", "default")
    assert shown["erp.schema"] == ("", "default")
    assert shown["onec.full_pull_every"] == ("7d", "default")


def test_doubtful_settings_are_warned_of(tmp_path: Path) -> None:
    text = SMALLEST.replace("https:", "http:").replace(
        "[erp]", 'user = "Адмін"\npassword = "p"\nverify_tls = false\n[erp]'
    )
    subjects = {finding.subject for finding in load_settings(written(tmp_path, text), {}).warnings}
    assert subjects == {"onec.url", "onec.password", "onec.verify_tls"}


def test_databases_on_other_machines_are_warned_of_unless_encrypted(tmp_path: Path) -> None:
    file = written(tmp_path)
    remote, local = "postgresql://zvirka@db.example.com/x", "postgresql://zvirka@127.0.0.1/x"
    for erp, journal, told in (
        (remote, remote, ["erp.url", "journal.url"]),
        (local, f"{remote}?sslmode=verify-full", []),
        ("mariadb+pymysql://zvirka@db.example.com/x", local, ["erp.url"]),
    ):
        environ = {"ZVIRKA_ERP__URL": erp, "ZVIRKA_JOURNAL__URL": journal}
        environ["ZVIRKA_ERP__TABLE"] = "clients"
        warnings = load_settings(file, environ).warnings
        assert [finding.subject for finding in warnings] == told
        assert all("db.example.com" in finding.text for finding in warnings)
        assert all("zvirka" not in finding.text for finding in warnings)


def test_settings_that_everybody_can_change_are_warned_of(tmp_path: Path) -> None:
    """They hold SQL that is run as the user of the service."""
    file = written(tmp_path)
    for mode, told in ((0o644, []), (0o666, ["zvirka.toml"])):
        file.chmod(mode)
        assert [finding.subject for finding in load_settings(file, {}).warnings] == told


@given(seconds=st.integers(min_value=0, max_value=10 * 31536000))
def test_duration_is_shown_as_it_can_be_written(seconds: int) -> None:
    shown = duration_text(timedelta(seconds=seconds))
    assert TypeAdapter(Duration).validate_python(shown) == timedelta(seconds=seconds)


def test_every_key_is_among_the_effective_values(tmp_path: Path) -> None:
    shown = {value.key for value in effective_values(load_settings(written(tmp_path), {}))}
    for table, info in Settings.model_fields.items():
        assert any(key == table or key.startswith(f"{table}.") for key in shown)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            for name, field in info.annotation.model_fields.items():
                key = f"{table}.{field.alias or name}"
                assert any(one == key or one.startswith(f"{key}.") for one in shown), key
