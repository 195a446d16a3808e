"""Finds sentences of the other language in what a person reads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser

_LATIN = r"[A-Za-z]*[a-z](?:['’][a-z]+)?"  # an abbreviation in capitals is no word
_CYRILLIC = r"[А-Яа-яІіЇїЄєҐґʼ]+"
_SEPARATOR = r"[,;:]?\s+"
_CODE = [
    re.compile(one)
    for one in (
        r"`[^`]*`",
        r"«[^»]*»",
        r'"[^"\n]*"',
        r"'[^'\n]*'",
        r"\b(?:sudo )?(?:zvirka|systemctl|journalctl|openssl)(?: [a-z][a-z-]*)+",
        r"\b(?:GRANT|CREATE|ALTER|REVOKE|SELECT|UPDATE|INSERT|DELETE) [^;\n]*;?",
        r"\w+ (?:eq|ne) \w+",
        r"\S*[/\\@_=]\S*",  # paths, addresses, keys, options with values
    )
]
_READ_ATTRIBUTES = frozenset({"title", "aria-label", "placeholder", "alt"})


class _Visible(HTMLParser):
    """What a page shows: texts, and the attributes that a reader or a screen reader gets."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in {"script", "style"}
        self.texts += [value for name, value in attrs if name in _READ_ATTRIBUTES and value]
        self.texts.append("\n|\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"script", "style"}
        self.texts.append("\n|\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)


def visible_in_page(html: str) -> str:
    """What a person reads of a page."""
    reader = _Visible()
    reader.feed(html)
    return "".join(reader.texts)


def latin_in(text: str, names: Iterable[str] = ()) -> list[str]:
    """Runs of three and more Latin words outside names and code."""
    return _runs(_LATIN, 3, text, names)


def cyrillic_in(text: str, names: Iterable[str] = ()) -> list[str]:
    """Runs of two and more Cyrillic words outside names and code."""
    return _runs(_CYRILLIC, 2, text, names)


def _runs(word: str, least: int, text: str, names: Iterable[str]) -> list[str]:
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " · ")
    for code in _CODE:
        text = code.sub(" · ", text)
    more = rf"(?:{_SEPARATOR}{word}){{{least - 1},}}"
    found = re.findall(rf"(?<![\w@$<./=&-]){word}{more}(?![\w@/_=-])", text)
    # Words with a comma after each are a list of names.
    return [run for run in found if re.search(r"\w\s", run)]
