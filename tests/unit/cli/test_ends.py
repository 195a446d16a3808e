"""How a command line ends: exit codes as promised, a sentence for a person, nothing secret."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.cli.lines import PASSWORD, run
from zvirka.errors import ExitCode, HeldError, StoreError
from zvirka.message import Message, coded
from zvirka.settings.profiles import mapping_of


@pytest.mark.parametrize(
    "line",
    [
        ["plann"],
        ["plan", "--no-such-option"],
        ["show"],
        ["show", "nought"],
        ["resync", "--code", "1"],
        ["resync", "--reason", "x"],
        ["resync", "--reason", "x", "--all", "--code", "1"],
        ["audit", "history"],
        ["audit", "export", "--from", "2026-10-01", "--to", "2026-09-01"],
        ["audit", "export", "--from", "1/10/2026", "--to", "2026-10-31"],
        ["prune", "--older-than", "old", "--reason", "x"],
        ["prune", "--older-than", "-1d", "--reason", "x", "--yes"],
        ["prune", "--older-than", "99999999999", "--reason", "x", "--yes"],
        ["show", "2147483648"],
        ["approve", "9223372036854775808", "--reason", "x"],
        ["runs", "--limit", "9223372036854775808"],
        ["audit", "verify", "--from", "9223372036854775808"],
        ["resync", "--reason", " \n", "--all"],
        ["approve", "3", "--reason", ""],
        ["resync", "--reason", "x", "--code", "\udcff"],
        ["approve", "3", "--reason", "\udcff"],
        ["audit", "history", "--name", "\udcff"],
        ["runs", "--config", "x" * 5000],
        ["backup", "x" * 5000],
        ["simulate", "--host", "256.1.1.1"],
        ["simulated", "list", "--limit", "9223372036854775808"],
        ["init", "--yes", "--onec-url", "http://[::1", "--onec-user", "", "--out", "new.toml"],
        ["report", "1", "--format", "pdf"],
        [],
        ["config"],
    ],
    ids=lambda line: ascii(" ".join(line))[:80] or "nothing",
)
def test_wrong_usage_is_64_and_nothing_on_standard_output(
    line: list[str], settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line) == ExitCode.USAGE.value == 64
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.strip()
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    "more",
    [f"x = {'[' * 3000}", f"x = {'9' * 5000}", 'journal.url = "postgresql://u:p@h:port/db"'],
    ids=["deep", "long number", "no port"],
)
@pytest.mark.parametrize("line", [["config", "show"], ["runs"]], ids=" ".join)
def test_odd_settings_are_told_without_a_traceback(
    more: str, line: list[str], settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settled / "zvirka.toml"
    file.write_text(f"{more}\n{file.read_text()}")
    run(*line)
    assert "Traceback" not in capsys.readouterr().err


def test_settings_may_begin_with_a_byte_order_mark(settled: Path) -> None:
    file = settled / "zvirka.toml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert run("config", "check") == 0


def test_a_name_that_is_not_utf8_is_shown_in_json(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("config", "check", "--config", "\udcff.toml", "--json") == 64
    assert json.loads(capsys.readouterr().out)["error"]["place"] == "\ufffd.toml"


def test_wrong_settings_are_64_with_key_and_remedy(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (settled / "zvirka.toml").write_text('[onec]\nurll = "x"\n')
    assert run("plan", "--lang", "en") == 64
    shown = capsys.readouterr().err
    assert "onec.urll: unknown key (did you mean url?)" in shown
    assert f"Where: {settled / 'zvirka.toml'}" in shown
    assert "What to do: " in shown


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            StoreError(
                coded("ZV0000", "the table is gone"), place="erp", remedy=Message("bring it back")
            ),
            2,
        ),
        (HeldError(coded("ZV0000", "waits"), place="run 3"), 3),
    ],
)
def test_error_of_zvirka_is_a_sentence_with_its_exit_code(
    error: Exception,
    code: int,
    settled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("zvirka.settings.profiles.mapping_of", fail)
    assert run("config", "check") == code
    shown = capsys.readouterr()
    assert str(error.args[0]) in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_secret_in_an_error_is_masked(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise StoreError(coded("ZV0000", f"refused for {PASSWORD}"))

    monkeypatch.setattr("zvirka.settings.profiles.mapping_of", fail)
    assert run("config", "check") == 2
    assert PASSWORD not in capsys.readouterr().err


def test_unexpected_error_is_one_message_and_a_traceback_without_local_values(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(settings: object) -> None:
        nickname = "Шеф"[::-1] * 2
        raise RuntimeError(f"broken by {PASSWORD}, tell office@example.com", len(nickname))

    monkeypatch.setattr("zvirka.settings.profiles.mapping_of", fail)
    assert run("config", "check", "--lang", "en") == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "Unexpected error RuntimeError." in shown.splitlines()[-1]
    for hidden in (PASSWORD, "office@example.com", "фешШ", "феШ"):
        assert hidden.casefold() not in shown.casefold()


def test_ctrl_c_is_130(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zvirka.settings.profiles.mapping_of", stop)
    assert run("config", "check", "--lang", "en") == 130
    assert capsys.readouterr().err.strip() == "Interrupted."


@pytest.mark.long
def test_simulator_ends_by_sigint_in_good_order(settled: Path) -> None:
    environ = {**os.environ, "ZVIRKA_SIMULATOR_PASSWORD": "marked"}
    line = [sys.executable, "-m", "zvirka.cli", "simulate", "--counterparties", "5", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=environ, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        door = json.loads(text)
        assert door["url"].startswith("http://127.0.0.1:")
        assert "password" not in door
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.long
@pytest.mark.parametrize("line", [["config", "show"], ["runs"], ["--help"], ["plan", "--help"]])
def test_closed_output_is_141_as_in_shells_and_never_means_differences(
    line: list[str], settled: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "zvirka.cli", *line]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert ended.returncode == 128 + signal.SIGPIPE
    assert ended.stderr == ""


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_output_to_a_full_disk_is_told(more: list[str], settled: Path) -> None:
    command = [sys.executable, "-m", "zvirka.cli", "config", "show", "--lang", "en", *more]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: the output cannot be written: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(closed: str, settled: Path) -> None:
    command = f"exec {sys.executable} -m zvirka.cli config show {closed}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_broken_connection_of_a_command_is_not_taken_for_a_closed_output(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("zvirka.settings.profiles.mapping_of", fail)
    assert run("config", "check", "--lang", "en") == 2
    assert "Unexpected error BrokenPipeError" in capfd.readouterr().err


def test_mapping_is_only_read_where_it_is_needed(
    settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def count(settings: object) -> object:
        asked.append(settings)
        return mapping_of(settings)  # type: ignore[arg-type]

    monkeypatch.setattr("zvirka.settings.profiles.mapping_of", count)
    assert run("config", "show") == 0
    assert asked == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251"])
def test_a_terminal_that_cannot_show_a_character_ends_no_command(
    settled: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """`check` prints ✓, and reports hold Ukrainian: it was "a bug in zvirka"."""
    shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert run("check", "--lang", "uk") in {0, 2}
    shown.seek(0)
    assert "\\u2713" in shown.read()
