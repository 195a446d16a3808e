"""The documentation: generated pages are current, links lead somewhere, command lines exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from zvirka.cli.app import app
from zvirka.cli.invocation import Invocation

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"])
GENERATED = {page for page in WRITTEN if page.parent.name == "reference"}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.long
def test_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "packaging/reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as Markdown renderers make them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", WRITTEN, ids=names)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} does not exist"
        if anchor and found.suffix == ".md" and found not in GENERATED:
            assert anchor in anchors(found), f"{target}: no such heading"


def command_lines(page: Path) -> Iterator[str]:
    """The lines of shell blocks, with continued lines joined."""
    for _, language, text in FENCE.findall(page.read_text("utf-8")):
        if language in {"sh", "console", "bash"}:
            yield from re.sub(r"\\\n\s*", "", text).splitlines()


def words_of(line: str) -> list[str]:
    """The words after ``zvirka`` in a line that runs it; none for any other line."""
    words = shlex.split(line, comments=True)
    while words and (words[0] == "sudo" or re.match(r"[A-Z_]+=", words[0])):
        words.pop(0)
    if not words or Path(words[0]).name != "zvirka":
        return []
    ends = [words.index(word) for word in words if word in {"|", ">", "&", "&&", ";", "<"}]
    return words[1 : min(ends, default=None)]


def parse(words: list[str]) -> None:
    """Let the command itself parse its words: what it does not know raises."""
    found: Any = get_command(app)
    if words in (["--help"], ["--version"]):
        return
    while getattr(found, "commands", None):
        assert words, "no command"
        word = words.pop(0)
        assert word in found.commands, f"no command {word}"
        found = found.commands[word]
    if "--help" not in words:
        found.make_context("zvirka", words, obj=Invocation({}))


@pytest.mark.long
@pytest.mark.parametrize("page", WRITTEN, ids=names)
def test_every_command_line_can_be_typed(page: Path) -> None:
    for line in command_lines(page):
        if words := words_of(line):
            try:
                parse([re.sub(r"^RUN$", "42", word) for word in words])
            except Exception as error:
                raise AssertionError(f"{line}: {error}") from error


@pytest.mark.long
@pytest.mark.parametrize("page", WRITTEN, ids=names)
def test_every_command_named_in_a_sentence_exists(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for said in re.findall(r"`(?:sudo )?zvirka ([^`]+)`", text):
        found: Any = get_command(app)
        rest = said.split()
        while rest and getattr(found, "commands", None):
            if rest[0].startswith("-"):
                break
            assert rest[0] in found.commands, f"zvirka {said}"
            found = found.commands[rest.pop(0)]
        context = found.make_context("x", [], obj=Invocation({}), resilient_parsing=True)
        known = {
            one for each in found.get_params(context) for one in [*each.opts, *each.secondary_opts]
        }
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", " ".join(rest)):
            assert option in known, f"zvirka {said}: {option}"


@pytest.mark.parametrize(
    "page", [p for p in WRITTEN if p.is_relative_to(DOCS) and p not in GENERATED], ids=names
)
def test_every_page_exists_in_both_languages(page: Path) -> None:
    plain = page.name.removesuffix(".md").removesuffix(".uk")
    assert {f"{plain}.md", f"{plain}.uk.md"} <= {beside.name for beside in page.parent.iterdir()}


def test_the_settings_named_in_the_pages_exist() -> None:
    known = (DOCS / "reference/settings.md").read_text("utf-8")
    keys = set(re.findall(r"^\| `([^`]+)` \|", known, re.MULTILINE))
    tables = {key.rpartition(".")[0].removesuffix(".NAME") for key in keys}
    first = {key.partition(".")[0] for key in keys if "." in key}
    for page in set(WRITTEN) - GENERATED:
        for said in re.findall(r"`([a-z]+\.[a-z_.]+)`", page.read_text("utf-8")):
            if said.partition(".")[0] in first and not said.endswith(
                (".toml", ".json", ".html", ".db", ".duckdb")
            ):
                assert said in keys | tables, f"{page.name}: {said}"
