"""Every message of reports, pages, commands and alerts, extracted as a translator's tool would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import zvirka.report

ROOT = Path(zvirka.report.__file__).parent
WEB = ROOT.parent / "web"
UKRAINIAN = ROOT.parent / "i18n" / "locale" / "uk" / "LC_MESSAGES" / "zvirka.po"
_KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
_OPTIONS = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}

Message = str | tuple[str, ...]


def named() -> Iterator[Message]:
    """The messages of the sources, in their order, each once."""
    seen: dict[Message, None] = {}
    for directory in (ROOT, WEB, *(ROOT.parent / name for name in ("i18n", "cli", "service"))):
        found = extract_from_dir(
            directory, method_map=_METHODS, options_map=_OPTIONS, keywords=_KEYWORDS
        )
        for _file, _line, message, _comments, _context in found:
            seen[tuple(message) if isinstance(message, list | tuple) else message] = None
    return iter(seen)


def ukrainian() -> Catalog:
    """The Ukrainian catalogue."""
    with UKRAINIAN.open("rb") as file:
        return read_po(file, locale="uk")
