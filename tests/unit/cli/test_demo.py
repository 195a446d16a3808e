"""The directory of a demo: a second demo begins again in it, and nothing else is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.lines import run

pytestmark = pytest.mark.long


def test_demo_twice_in_one_directory_begins_again(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("demo", "--counterparties", "50", "--keep", "kept", "--lang", "en")
    for _ in range(2):
        assert run(*line) == 0
        assert "The ERP and 1C agree." in capsys.readouterr().out
    assert len(list((settled / "kept" / "reports").glob("*.html"))) == 5


def test_demo_refuses_a_directory_of_somebody_else_and_one_it_cannot_make(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (settled / "zvirka.toml").read_text("utf-8")
    assert run("demo", "--counterparties", "50", "--keep", ".", "--lang", "en") == 64
    assert "in use" in capsys.readouterr().err  # the fixture's own state directory
    assert (settled / "zvirka.toml").read_text("utf-8") == before
    (settled / "empty").mkdir()
    assert run("demo", "--counterparties", "50", "--keep", "empty") == 0
    assert run("demo", "--keep", "password/below", "--lang", "en") == 64
    assert "cannot be made: a part of the path is no directory" in capsys.readouterr().err
