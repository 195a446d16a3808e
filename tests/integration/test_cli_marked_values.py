"""Marked values go through everything, well and badly; the log has none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.lines import PASSWORD, run
from zvirka.simulator import Simulator, SimulatorOptions

MARKS = {
    "name": "Позначенко",
    "tax_id": "3141592653",
    "phone": "+380 67 271-82-81",
    "email": "marked@example.com.ua",
    "address": "вул. Позначена",
}
FORMATS = ["systemd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("json", "human"))]

TABLE = """
table = "clients"
owned = "source = '1c'"
on_create = { source = "1c" }
"""


@pytest.fixture
def marked(settled: Path) -> Iterator[Simulator]:
    """1C with marked counterparties, two of them with one tax id."""
    with Simulator(SimulatorOptions(counterparties=5, password=PASSWORD)) as simulator:
        for _ in range(2):
            simulator.base.create(**MARKS)
        file = settled / "zvirka.toml"
        text = file.read_text(encoding="utf-8").replace("http://127.0.0.1:9/base", simulator.url)
        file.write_text(text + "\n[guard]\nmax_change_share = 1.0\n", encoding="utf-8")
        yield simulator


def assert_unmarked(log: str) -> None:
    hidden = [PASSWORD, *MARKS.values(), "271-82-81", "2718281", "67271"]
    for mark in hidden:
        for shape in (mark, mark.encode("unicode_escape").decode()):
            assert shape not in log, f"{mark} is in the log:\n{log}"


@pytest.mark.parametrize("mark", [*MARKS.values(), PASSWORD])
def test_the_search_finds_what_it_looks_for(mark: str) -> None:
    with pytest.raises(AssertionError):
        assert_unmarked(f"2026-11-25 INFO said detail={mark}")


@pytest.mark.long
@pytest.mark.parametrize("form", FORMATS)
def test_whole_job_at_debug_level_tells_nothing_marked(
    form: str,
    marked: Simulator,
    settled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("zvirka.logs.JOURNAL_SOCKET", settled / "none")
    monkeypatch.setenv("ZVIRKA_LOG__FORMAT", form)
    ref = next(r for r in marked.base.refs() if marked.base.get(r).values["name"] == MARKS["name"])
    for code, *line in (
        (1, "plan"),
        (0, "reconcile"),
        (0, "resync", "--ref", ref, "--reason", "x"),
        (0, "resync", "--tax-id", MARKS["tax_id"], "--reason", "x"),
        (0, "undo", "2", "--reason", "x"),
        (0, "audit", "verify"),
        (0, "report", "2", "--format", "md"),
        (0, "runs"),
        (0, "show", "2"),
    ):
        assert run(*line, "--log-level", "DEBUG") == code, line
        shown = capsys.readouterr()
        assert_unmarked(shown.err)
        assert PASSWORD not in shown.out
    run("reconcile", "--log-level", "DEBUG")
    assert "запуск завершується" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMATS)
def test_what_fails_tells_nothing_marked(
    form: str,
    marked: Simulator,
    settled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("zvirka.logs.JOURNAL_SOCKET", settled / "none")
    monkeypatch.setenv("ZVIRKA_LOG__FORMAT", form)
    with closing(sqlite3.connect(settled / "erp.db")) as erp, erp:
        erp.execute(
            "CREATE TABLE clients (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT, "
            "tax_id TEXT UNIQUE, phone TEXT, email TEXT, address TEXT, source TEXT, "
            "is_active BOOLEAN DEFAULT 1, CHECK (length(address) < 5 OR name NOT LIKE 'Поз%'))"
        )
    file = settled / "zvirka.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("\n[guard]", f"{TABLE}\n[guard]"), encoding="utf-8")
    assert run("reconcile", "--log-level", "DEBUG", "--lang", "en") == 1
    shown = capsys.readouterr()
    assert "run ends" in shown.err
    assert_unmarked(shown.err)

    (settled / "password").write_text("marked-wrong-password")
    assert run("reconcile", "--log-level", "DEBUG") == 2
    shown = capsys.readouterr()
    assert "marked-wrong-password" not in shown.out + shown.err
    assert_unmarked(shown.err)
