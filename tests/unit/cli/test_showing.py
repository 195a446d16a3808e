"""What commands show: in both languages, as JSON, without secrets; bars only for people."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from tests.unit.cli.lines import PASSWORD, run
from zvirka.cli.invoker import who
from zvirka.cli.progress_bars import TerminalProgress
from zvirka.cli.texts import Messages, language_of
from zvirka.i18n import LANGUAGES


def test_language_is_what_was_asked_for_then_the_settings_then_the_locale() -> None:
    def unset() -> None:
        return None

    assert language_of("uk", {"ZVIRKA_LANG": "en"}, lambda: "en") == "uk"
    assert language_of(None, {"ZVIRKA_LANG": "uk"}, lambda: "en") == "uk"
    assert language_of(None, {"LANG": "uk_UA.UTF-8"}, lambda: "en") == "en"
    assert language_of(None, {"LANG": "en_GB.UTF-8"}, unset) == "en"
    assert language_of(None, {"LANG": "en_GB.UTF-8", "LC_ALL": "uk_UA"}, unset) == "uk"
    assert language_of(None, {"LANG": "C.UTF-8"}, unset) == "uk"


def test_help_and_errors_are_in_the_language_of_the_settings_also_of_unusable_ones(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settled / "zvirka.toml"
    file.write_text(f'wrong = 1\n{file.read_text("utf-8")}\n[report]\nlanguage = "en"\n', "utf-8")
    assert run("runs", "--help") == 0
    assert capsys.readouterr().out.startswith("Usage: zvirka runs [OPTIONS]\n")
    assert run("runs") == 64
    assert "Error: the settings cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("line", [["--lang", "en"], ["--lang=en"]])
def test_lang_counts_for_help_and_usage_errors_wherever_it_stands(
    line: list[str], settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for asked in (["runs", "--help", *line], [*line, "runs", "--help"]):
        assert run(*asked) == 0
        assert "List the last runs, newest first." in capsys.readouterr().out
    assert run("nonsense", *line) == 64
    assert capsys.readouterr().err.startswith("Error: there is no command nonsense\n")


def test_config_show_masks_secrets_and_names_origins(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZVIRKA_LOG__LEVEL", "ERROR")
    assert run("config", "show", "--json") == 0
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert content["onec.password"] == {"value": "********", "origin": f"file {settled}/password"}
    assert content["log.level"] == {"value": "ERROR", "origin": "$ZVIRKA_LOG__LEVEL"}
    assert content["erp.batch"] == {"value": "500", "origin": "default"}
    assert run("config", "show", "--lang", "en") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["Key", "Value", "From"]
    assert any(line.split() == ["erp.batch", "500", "default"] for line in table)
    assert all(line == line.rstrip() for line in table)
    assert PASSWORD not in shown.out + shown.err + str(table)


def test_config_check_tells_file_and_warnings(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "password").chmod(0o644)
    assert run("config", "check", "--lang", "en") == 0
    shown = capsys.readouterr().out
    assert f"Settings file: {settled / 'zvirka.toml'}" in shown
    assert "! warning: onec.password_file: everybody on this machine can read" in shown
    assert "The settings are valid." in shown


def test_empty_journal_has_no_runs(settled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("runs", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"runs": []}
    assert run("runs", "--lang", "uk") == 0
    assert capsys.readouterr().out == "Запусків ще не було.\n"
    assert run("runs", "--held", "--lang", "en") == 0
    assert capsys.readouterr().out == "Nothing waits for a decision.\n"


def test_password_hash_is_what_the_settings_take(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from argon2 import PasswordHasher

    monkeypatch.setattr("sys.stdin", io.StringIO("довгий пароль аудитора\n"))
    assert run("web", "hash-password") == 0
    hashed = capsys.readouterr().out.strip()
    assert PasswordHasher().verify(hashed, "довгий пароль аудитора")
    monkeypatch.setattr("sys.stdin", io.StringIO("короткий\n"))
    assert run("web", "hash-password") == 64


def test_push_module_is_written_for_the_configuration(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bsl", "render", "--out", "for-1c", "--json") == 0
    written = [Path(path) for path in json.loads(capsys.readouterr().out)["files"]]
    assert written
    assert all(path.is_file() for path in written)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("language", LANGUAGES)
def test_progress_names_phases_and_tells_rates_on_a_terminal(language: str) -> None:
    messages = Messages(language)  # type: ignore[arg-type]
    stream = Terminal()
    progress = TerminalProgress(stream, name_of=messages.phase, per_second=messages.per_second)
    progress.phase("pull", 2000)
    for _ in range(4):
        progress.advance(500)
    progress.phase("apply")
    progress.advance(7)
    progress.done()
    progress.done()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert messages.phase("pull") in shown
    assert messages.phase("apply") in shown
    assert "2000/2000" in shown
    assert "7/7" in shown
    assert ("/с" if language == "uk" else "/s") in shown


def test_progress_is_silent_where_nobody_looks() -> None:
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    progress.phase("pull", 10)
    progress.advance(10)
    progress.done()
    assert stream.getvalue() == ""


def test_who_asks_is_the_person_behind_sudo_or_the_unit(tmp_path: Path) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.write_text("0::/system.slice/system-zvirka.slice/zvirka-resync@000123.service\n")
    assert who({"SUDO_USER": "olena"}, cgroup).startswith("olena (sudo)")
    assert who({"SUDO_USER": "root"}, cgroup).split()[0] == who({}, cgroup).split()[0]
    assert who({}, cgroup)
    asked = who({"INVOCATION_ID": "x"}, cgroup)
    assert asked == "zvirka-resync@000123.service" or " on " in asked
    assert who({"INVOCATION_ID": "x"}, tmp_path / "none")
