"""The examples of the documentation: shell lines and settings, as a reader copies them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n)(?:    (?:zvirka|openssl) [^\n]*\n)+")


@dataclass(frozen=True)
class Line:
    """One line of a shell block, in words, without ``sudo`` and variables before the command."""

    text: str
    environ: dict[str, str]
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """The program and its arguments, as one text to look up."""
        return shlex.join(self.words)


def pages() -> list[Path]:
    """Every page with examples, in English; the Ukrainian one has the same (a test checks it)."""
    written = [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    plain = [page for page in written if not page.name.endswith(".uk.md")]
    return sorted(page for page in plain if shell_lines(page) or blocks(page, "toml"))


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in one of the languages, without their indentation."""
    found = []
    for indent, language, text in _BLOCK.findall(page.read_text("utf-8")):
        if language in languages:
            found.append(re.sub(f"^{indent}", "", text, flags=re.MULTILINE))
    return found


def shell_lines(page: Path) -> list[Line]:
    """The lines a reader types, in the order of the page."""
    text = page.read_text("utf-8")
    found = []
    for block in [*blocks(page, "sh"), *_INDENTED.findall(text)]:
        found += [parsed(line) for line in block.splitlines() if line.strip()]
    if page.name == "README.md":
        for block in blocks(page, ""):
            found += [parsed(line) for line in block.splitlines() if line.strip()]
    return found


def parsed(text: str) -> Line:
    """Take a line apart."""
    words = shlex.split(text, comments=True)
    environ = {}
    if words and words[0] == "sudo":
        words.pop(0)
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    return Line(text.strip(), environ, tuple(words))
