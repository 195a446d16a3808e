"""What people expect of a command line: it asks before it removes, it fits the terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest

from tests.integration.test_one_language import Demo, demo
from tests.unit.cli.lines import run

__all__ = ["demo"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(
    monkeypatch: pytest.MonkeyPatch, *line: str, columns: int = 200, answer: str = ""
) -> tuple[int, str]:
    """Call a command as a person at a terminal."""
    shown, typed = Terminal(), Terminal(answer)
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stdout", shown)
        patch.setattr(sys, "stdin", typed)
        code = run(*line, "--lang", "uk")
    return code, shown.getvalue()


@pytest.mark.long
def test_show_tells_names_before_and_after(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    one = demo.records()[7]
    code, name = one.values["code"] or "", one.values["name"]
    demo.edit_erp(code, phone="000")
    assert run("plan") == 1
    capsys.readouterr()
    assert run("show", str(demo.run_that("finished")), "--lang", "uk") == 0
    shown = capsys.readouterr().out
    assert re.search(rf"№ \d+  {code}  {re.escape(str(name))}\n", shown)
    assert f"    Телефон: «000» → «{one.values['phone']}»\n" in shown
    assert "  оновлення: виправити\n" in shown


@pytest.mark.long
def test_states_have_colours_on_a_terminal_only(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "\x1b[32m" in on_terminal(monkeypatch, "runs")[1]
    assert "\x1b[32m✓ гаразд\x1b[0m" in on_terminal(monkeypatch, "check")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in on_terminal(monkeypatch, "runs")[1]
    assert run("runs") == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("line", ["runs", "config show", "show 3", "explain ZV1203", "check"])
def test_sixty_columns_break_no_word(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    _, wide = on_terminal(monkeypatch, *line.split(), columns=2000)
    _, narrow = on_terminal(monkeypatch, *line.split(), columns=60)
    # A heading of a table becomes "heading: " where the table becomes blocks.
    words = {word.rstrip(":") for word in narrow.split()}
    assert {word.rstrip(":") for word in wide.split()} <= words
    assert [one for one in narrow.splitlines() if len(one) > 60 and " " in one.strip()] == []


def test_prune_shows_what_it_would_remove_and_asks(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("prune", "--older-than", "0d", "--reason", "строк минув")
    report = demo.directory / "reports/zvirka-run-000001.html"
    code, shown = on_terminal(monkeypatch, *line, answer="н\n")
    assert (code, report.exists()) == (0, True)
    assert "Запуски, що втратять персональні дані: " in shown
    assert f"Буде вилучено: {report}\n" in shown
    assert run(*line) == 64  # nobody is there to answer
    assert report.exists()
    code, shown = on_terminal(monkeypatch, *line, answer="так\n")
    assert (code, report.exists()) == (0, False)
    assert "Персональні дані вилучено із запусків: " in shown


def test_a_history_is_found_by_tax_id_and_name(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    one = next(each for each in demo.records() if each.values["tax_id"])
    demo.edit_erp(one.values["code"] or "", name="Перше Загублене", tax_id="99887766")
    other = demo.records()[9]
    demo.edit_erp(other.values["code"] or "", name="Друге Загублене")
    assert run("plan") == 1
    for asked in (("--tax-id", "99887766"), ("--name", "перше загублене")):
        capsys.readouterr()
        assert run("audit", "history", *asked, "--lang", "uk") == 0
        assert f"Історія контрагента: {one.values['code']}" in capsys.readouterr().out
    assert run("audit", "history", "--name", "загублене", "--lang", "uk") == 64
    shown = capsys.readouterr().out
    assert {str(one.values["code"]), str(other.values["code"])} <= set(shown.split())
