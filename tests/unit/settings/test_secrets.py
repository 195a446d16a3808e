"""Where secrets may come from, and that they never come out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.settings.files import SMALLEST, written
from zvirka.errors import SettingsError
from zvirka.settings.effective import effective_values
from zvirka.settings.loading import Loaded, load_settings
from zvirka.settings.secrets import resolve_secrets, secret_values

WITH_USER = SMALLEST.replace("[erp]", 'user = "Адмін"\n{more}\n[erp]')


def loaded(tmp_path: Path, more: str = "", environ: dict[str, str] | None = None) -> Loaded:
    return load_settings(written(tmp_path, WITH_USER.format(more=more)), environ or {})


def password(found: Loaded) -> str:
    assert found.settings.onec.password is not None
    return found.settings.onec.password.get_secret_value()


def secret_file(tmp_path: Path, text: str = "таємниця\n") -> Path:
    file = tmp_path / "secret"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_secret_comes_from_its_file_without_the_trailing_newline(tmp_path: Path) -> None:
    file = secret_file(tmp_path, " пароль з пробілом \r\n")
    found = loaded(tmp_path, f'password_file = "{file}"')
    assert password(found) == " пароль з пробілом "
    assert found.origins["onec.password"] == f"file {file}"
    assert found.warnings == ()


def test_path_of_a_secret_is_relative_to_the_settings_file(tmp_path: Path) -> None:
    secret_file(tmp_path)
    assert password(loaded(tmp_path, 'password_file = "secret"')) == "таємниця"


def test_systemd_credential_comes_before_the_file(tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "onec.password").write_text("з облікових даних\n")
    (directory / "receiver.tokens").write_text("one\n\ntwo\n")
    (directory / "report.signing_key").write_text("key")
    found = loaded(
        tmp_path,
        'password_file = "/nonexistent"',
        {"CREDENTIALS_DIRECTORY": str(directory)},
    )
    assert password(found) == "з облікових даних"
    assert found.origins["onec.password"] == "credential onec.password"
    assert [t.get_secret_value() for t in found.settings.receiver.tokens] == ["one", "two"]
    assert found.settings.report.signing_key_file == directory / "report.signing_key"


def test_environment_comes_before_everything(tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "onec.password").write_text("credential")
    environ = {"CREDENTIALS_DIRECTORY": str(directory), "ZVIRKA_ONEC__PASSWORD": "змінна"}
    assert password(loaded(tmp_path, environ=environ)) == "змінна"
    environ = {"ZVIRKA_ONEC__PASSWORD_FILE": str(secret_file(tmp_path)), **environ}
    del environ["ZVIRKA_ONEC__PASSWORD"]
    assert password(loaded(tmp_path, 'password = "inline"', environ)) == "таємниця"


def test_credential_nobody_asked_for_is_warned_of(tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "onec.pasword").write_text("x")
    (directory / "erp.webhook.token").write_text("x")
    found = loaded(tmp_path, environ={"CREDENTIALS_DIRECTORY": str(directory)})
    assert {finding.subject for finding in found.warnings} == {"onec.pasword", "erp.webhook.token"}
    assert found.settings.erp.webhook is None


def test_inline_secret_works_and_is_warned_of(tmp_path: Path) -> None:
    found = loaded(tmp_path, 'password = "tainted"')
    assert password(found) == "tainted"
    assert [finding.subject for finding in found.warnings] == ["onec.password"]
    assert "tainted" not in repr(found)


def test_secret_readable_by_everybody_is_warned_of(tmp_path: Path) -> None:
    secret_file(tmp_path).chmod(0o644)
    found = loaded(tmp_path, 'password_file = "secret"')
    assert [finding.subject for finding in found.warnings] == ["onec.password_file"]


def test_signing_key_readable_by_everybody_is_warned_of(tmp_path: Path) -> None:
    key = tmp_path / "signing.pem"
    key.write_text("key")
    table: dict[str, Any] = {"report": {"signing_key_file": str(key)}}
    for mode, told in ((0o600, []), (0o644, ["report.signing_key_file"])):
        key.chmod(mode)
        found = resolve_secrets(table, {}, {})
        assert [finding.subject for finding in found.warnings] == told


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "it does not exist"), (b"", "is empty"), (b"\xff\xfe", "not UTF-8")],
)
def test_secret_file_that_cannot_be_used_names_key_and_file(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, 'password_file = "secret"')
    assert "onec.password_file" in str(caught.value)
    assert str(tmp_path / "secret") in str(caught.value)
    assert reason in str(caught.value)


def test_secret_given_twice_is_refused(tmp_path: Path) -> None:
    secret_file(tmp_path)
    with pytest.raises(SettingsError, match=r"onec\.password"):
        loaded(tmp_path, 'password = "inline"\npassword_file = "secret"')


def test_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    text = SMALLEST + '\n[receiver]\ntokens = "tainted-token"\n[alerts]\nurls = [7731]\n'
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text), {})
    assert "receiver.tokens: found a value that is not shown" in str(caught.value)
    assert "tainted" not in str(caught.value)
    assert "7731" not in str(caught.value)


def test_effective_values_mask_secrets_and_passwords_in_addresses(tmp_path: Path) -> None:
    text = WITH_USER.format(more='password = "tainted-1"').replace(
        "sqlite:////var/lib/zvirka/erp.db", "postgresql://erp:tainted-2@db/erp"
    )
    text += '\n[alerts]\nurls = ["tgram://tainted-3/1"]\n'
    found = load_settings(written(tmp_path, text), {})
    shown = {value.key: value.value for value in effective_values(found)}
    assert shown["onec.password"] == "********"
    assert shown["erp.url"] == "postgresql://erp:********@db/erp"
    assert shown["alerts.urls"] == "[********]"
    assert "tainted" not in str(shown)
    assert secret_values(found.settings) == {"tainted-1", "tainted-2", "tgram://tainted-3/1"}


def test_a_password_with_a_slash_is_masked_in_an_address(tmp_path: Path) -> None:
    text = SMALLEST.replace("sqlite:////var/lib/zvirka/erp.db", "postgresql://e:tain/ted@db/erp")
    found = load_settings(written(tmp_path, text), {})
    shown = {value.key: value.value for value in effective_values(found)}
    assert shown["erp.url"] == "postgresql://e:********@db/erp"


@pytest.mark.parametrize("address", ["?user=e&password=tainted", "?PASSWD=tainted"])
def test_a_password_in_the_query_of_an_address_is_refused(tmp_path: Path, address: str) -> None:
    text = SMALLEST.replace("sqlite:////var/lib/zvirka/erp.db", f"postgresql://db/erp{address}")
    with pytest.raises(SettingsError, match=r"erp\.url: found a password") as caught:
        load_settings(written(tmp_path, text), {})
    assert "tainted" not in str(caught.value)
