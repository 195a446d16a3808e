"""The directory of a demo: kept once, never written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.lines import run


def test_demo_refuses_a_directory_that_holds_an_earlier_demo(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("demo", "--counterparties", "50", "--keep", "kept", "--lang", "en")
    assert run(*line) == 0
    store = (settled / "kept" / "erp.db").read_bytes()
    capsys.readouterr()
    assert run(*line) == 64
    shown = capsys.readouterr().err
    assert "the directory already holds a demo" in shown
    assert f"Where: {settled / 'kept'}" in shown
    assert "give another directory with --keep, or delete it" in shown
    assert (settled / "kept" / "erp.db").read_bytes() == store


def test_demo_may_use_an_existing_directory_and_names_one_it_cannot_make(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("demo", "--counterparties", "50", "--keep", ".", "--lang", "en") == 64
    assert "already holds a demo" in capsys.readouterr().err  # the fixture's own state directory
    (settled / "empty").mkdir()
    assert run("demo", "--counterparties", "50", "--keep", "empty") == 0
    assert run("demo", "--keep", "password/below", "--lang", "en") == 64
    assert "cannot be made: Not a directory" in capsys.readouterr().err
