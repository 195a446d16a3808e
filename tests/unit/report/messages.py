"""Every message of reports, pages, commands and alerts, extracted as a translator's tool would."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from typer.main import get_command

import zvirka.report
from zvirka.cli.app import app
from zvirka.cli.help import sentences

ROOT = Path(zvirka.report.__file__).parent
UKRAINIAN = ROOT.parent / "i18n" / "locale" / "uk" / "LC_MESSAGES" / "zvirka.po"
ROOT_COMMAND = get_command(app)
_KEYWORDS = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "Message": None,
    "coded": (2,),
    "plural": (1, 2),
}
_LOGGED = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
_ONLY_PARTS = re.compile(r"(\{\w+\}|\W)*")
_TEMPLATES = "report/templates/**.html"
_METHODS = [("**.py", "python"), (_TEMPLATES, "jinja2")]
_OPTIONS = {_TEMPLATES: {"trimmed": "true", "newstyle_gettext": "true"}}

Message = str | tuple[str, ...]


def named() -> Iterator[Message]:
    """The messages of the sources, in their order, each once."""
    seen: dict[Message, None] = {}
    found = extract_from_dir(
        ROOT.parent, method_map=_METHODS, options_map=_OPTIONS, keywords=_KEYWORDS
    )
    for _file, _line, message, _comments, _context in found:
        if not (isinstance(message, str) and _ONLY_PARTS.fullmatch(message)):
            seen[tuple(message) if isinstance(message, list | tuple) else message] = None
    seen |= dict.fromkeys(_logged())
    seen |= dict.fromkeys(sentences(ROOT_COMMAND, ROOT_COMMAND.context_class(ROOT_COMMAND)))
    return iter(seen)


def _logged() -> Iterator[str]:
    """The constant messages of the log, the first argument of ``logger.warning`` and its like."""
    for path in sorted(ROOT.parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
                name = ast.unparse(node.func).rpartition(".")[2]
                message = node.args[0] if node.args and name in _LOGGED else None
                if isinstance(message, ast.Constant):
                    yield str(message.value)


def translations(message: Entry) -> tuple[str, ...]:
    """The translation, or those of each number."""
    said: Any = message.string
    return said if isinstance(said, tuple) else (said,)


def ukrainian() -> Catalog:
    """The Ukrainian catalogue."""
    with UKRAINIAN.open("rb") as file:
        return read_po(file, locale="uk")
