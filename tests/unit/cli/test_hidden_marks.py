"""What people and 1C typed cannot draw on the terminal: hidden characters are spelt out."""

from __future__ import annotations

import pathlib

import pytest

from tests.unit.cli.lines import run
from tests.unit.journal.world import NOW, difference
from zvirka.cli.invocation import Invocation
from zvirka.domain import Command, RunStatus, Trigger
from zvirka.errors import ExitCode, ZvirkaError
from zvirka.journal.journal import open_journal
from zvirka.message import Message, coded
from zvirka.settings.loading import load_settings

HOSTILE = "\x1b[2K\x9b1m\u202eA\u2066\n9  forged"
HIDDEN = ("\x1b", "\x9b", "\u202e", "\u2066")


@pytest.fixture
def hostile_run(settled: pathlib.Path) -> int:
    """A failed run by a hostile login, for a hostile reason, about a hostile Код."""
    journal = open_journal(load_settings(None, {"ZVIRKA_CONFIG": "zvirka.toml"}).settings)
    try:
        number = journal.begin(
            command=Command.RECONCILE,
            trigger=Trigger.MANUAL,
            who=f"who{HOSTILE}",
            reason=f"reason{HOSTILE}",
            now=NOW,
        )
        journal.add_differences(number, [difference(1, key=f"key{HOSTILE}")])
        error = ZvirkaError(
            coded("ZV0000", f"cause{HOSTILE}"),
            place=f"place{HOSTILE}",
            remedy=Message(f"remedy{HOSTILE}"),
        )
        journal.finish(
            number, status=RunStatus.FAILED, exit_code=ExitCode.FAILED, now=NOW, error=error
        )
    finally:
        journal.close()
    return number


@pytest.mark.parametrize(
    ("line", "shown"),
    [(("runs",), ("who",)), (("show", "1"), ("who", "reason", "cause", "place", "remedy", "key"))],
)
def test_hidden_characters_are_spelt_out(
    hostile_run: int,
    line: tuple[str, ...],
    shown: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*line) == 0
    text = capsys.readouterr().out
    for word in shown:
        assert f"{word}⟨U+001B⟩[2K⟨U+009B⟩1m⟨U+202E⟩A⟨U+2066⟩⟨U+000A⟩9  forged" in text
    assert not any(mark in text for mark in HIDDEN)
    assert not any(one.startswith("9  forged") for one in text.splitlines())


def test_an_error_is_told_without_hidden_characters(
    settled: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Invocation) -> None:
        raise ZvirkaError(
            coded("ZV0000", f"cause{HOSTILE}"),
            place=f"place{HOSTILE}",
            remedy=Message(f"remedy{HOSTILE}"),
        )

    monkeypatch.setattr(Invocation, "journal", fail)
    assert run("runs") == 2
    text = capsys.readouterr().err
    assert "cause⟨U+001B⟩" in text
    assert "place⟨U+001B⟩" in text
    assert "remedy⟨U+001B⟩" in text
    assert not any(mark in text for mark in HIDDEN)
