"""docs/auditor.*: the same checks in both languages, with options that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from zvirka.cli.app import app
from zvirka.settings.model import ReportSettings

DOCS = Path(__file__).parents[2] / "docs"
LANGUAGES = ("uk", "en")


def text_of(language: str) -> str:
    name = "auditor.md" if language == "en" else f"auditor.{language}.md"
    return (DOCS / name).read_text("utf-8")


def test_both_languages_have_the_same_parts_rows_and_commands() -> None:
    ukrainian, english = map(text_of, LANGUAGES)
    for pattern in (r"^## ", r"^\| ", r"^- ", r"^    \w"):
        counts = [len(re.findall(pattern, text, re.MULTILINE)) for text in (ukrainian, english)]
        assert counts[0] == counts[1], pattern
    options = [set(re.findall(r"--[a-z-]+", text)) for text in (ukrainian, english)]
    assert options[0] == options[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_and_setting_named_exists(language: str) -> None:
    text = text_of(language)
    audit = get_command(app).commands["audit"].commands  # type: ignore[attr-defined]
    known = {option for one in audit.values() for item in one.params for option in item.opts}
    for line in re.findall(r"zvirka audit .*", text):
        assert set(re.findall(r"--[a-z-]+", line)) <= known, line
    for name in re.findall(r"`report\.(\w+)`", text):
        assert name in ReportSettings.model_fields
    for link in re.findall(r"\]\(([\w.-]+)\)", text):
        assert (DOCS / link).is_file()
