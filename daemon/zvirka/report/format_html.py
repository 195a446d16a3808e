"""The report as HTML: one self-contained file that opens offline and prints on A4.

The style sheet filters by cause; a small script, which nothing depends on, adds a search. The
content security policy in the file allows nothing but this style sheet and this script, by their
hashes. All outside text is escaped by Jinja, and hidden characters are spelt out
(:mod:`zvirka.i18n.visible_text`).

A run with more differences than :data:`PAGE` is written as a summary file with one more file
for each page of them, so that a browser never has to hold 100,000 of them.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from zvirka import __version__
from zvirka.domain import Cause
from zvirka.i18n.visible_text import visible
from zvirka.i18n.words import Words
from zvirka.journal.records import DifferenceEntry
from zvirka.report import summary_text
from zvirka.report.chart import chart_of
from zvirka.report.content import ReportContent
from zvirka.report.embedded_data import packed
from zvirka.report.summary_text import tone_of

PAGE = 2000
"""Differences on one page."""
TEMPLATES = Path(__file__).parent / "templates"

_LONG = 600
_SHORT = 24
"""Characters of a value that is never broken over two lines: a phone, a tax id."""
_TALL_FIELDS = 12

Opener = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens a file of that name for writing, atomically."""


@dataclass(frozen=True, slots=True)
class Page:
    """One file of differences; ``first`` and ``last`` are keys, ``left`` were not settled."""

    name: str
    number: int
    count: int
    left: int
    causes: dict[Cause, int]
    first: str
    last: str


def write(findings: ReportContent, words: Words, stream: BinaryIO, *, name: str) -> None:
    """Write everything as one document; ``name`` is the file's own, printed in the seal."""
    emit("report.html", stream, words, file_name=name, **_summary(findings, words))


def write_files(findings: ReportContent, words: Words, open_file: Opener, *, stem: str) -> None:
    """Write ``stem.html``, and pages ``stem-p001.html`` … beside it when there are many."""
    index = f"{stem}.html"
    pages: tuple[Page, ...] = ()
    if findings.found > PAGE:
        pages = tuple(_write_pages(findings, words, open_file, stem, PAGE))
    with open_file(index) as stream:
        emit(
            "report.html",
            stream,
            words,
            file_name=index,
            **{**_summary(findings, words), "pages": pages},
        )


def prepare(language: str) -> None:
    """Load now what :func:`write_files` loads once: templates, names of months.

    An error in a template is left to the writing of the report, which raises it again.
    """
    with suppress(TemplateError, OSError):
        for name in ("report.html", "layout.html", "_parts.html"):
            _environment(language).get_template(name)
    Words(language).moment(datetime.fromtimestamp(0, UTC))


def emit(template: str, stream: BinaryIO, words: Words, **context: Any) -> None:
    """Render a template of :data:`TEMPLATES` piece by piece into a binary stream."""
    made = _environment(words.language).get_template(template)
    for piece in made.generate(words=words, **context):
        stream.write(piece.encode())


def environment(language: str) -> Environment:
    """The Jinja environment of the templates, for the report and for the web page."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=lambda value: value if isinstance(value, Markup) else _shown(value),
    )
    words = Words(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        words.gettext, words.ngettext, newstyle=True
    )
    made.filters["tone"] = tone_of
    made.filters["told"] = words.told
    made.filters["breakable"] = _breakable
    made.tests["tall"] = _tall
    made.tests["short"] = lambda text: len(text) <= _SHORT and "\n" not in text
    made.globals.update(
        texts=summary_text,
        version=__version__,
        css=style(),
        css_hash=_hash(style()),
        script=script(),
        script_hash=_hash(script()),
        layout="layout.html",
    )
    return made


@cache
def style() -> Markup:
    """The style sheet, with the rules that let check boxes hide the differences of a cause."""
    rules = "".join(
        f"body:has(#show-{cause.value}:not(:checked)) .c-{cause.value} {{ display: none; }}\n"
        for cause in Cause
    )
    rules += "body:has(#only-left:checked) .row:not(.left) { display: none; }\n"
    return Markup((TEMPLATES / "report.css").read_text("utf-8") + rules)  # noqa: S704 - our own file


@cache
def script() -> Markup:
    """The script that searches the list of a report file."""
    return Markup((TEMPLATES / "report.js").read_text("utf-8"))  # noqa: S704 - our own file


def _hash(text: str) -> str:
    """The source expression of a style sheet or script in a content security policy."""
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


_environment = cache(environment)


def _summary(findings: ReportContent, words: Words) -> dict[str, Any]:
    return {
        "findings": findings,
        "run": findings.run.id,
        "drawing": chart_of(findings.nights),
        "pages": (),
        "data": (Markup(piece) for piece in packed(findings, words)),  # noqa: S704 - base64
    }


def _write_pages(
    findings: ReportContent, words: Words, open_file: Opener, stem: str, size: int
) -> Iterator[Page]:
    page_count = ceil(findings.found / size)
    names = [f"{stem}-p{number + 1:03}.html" for number in range(page_count)]
    entries = findings.entries()
    for number, name in enumerate(names):
        held = list(islice(entries, size))
        page = _page(name, number + 1, held)
        with open_file(name) as stream:
            emit(
                "page.html",
                stream,
                words,
                findings=findings,
                run=findings.run.id,
                page=page,
                page_count=page_count,
                entries=held,
                index_name=f"{stem}.html",
                file_name=name,
                before=names[number - 1] if number else "",
                after=names[number + 1] if number + 1 < page_count else "",
            )
        yield page


def _page(name: str, number: int, held: list[DifferenceEntry]) -> Page:
    causes = Counter(entry.difference.cause for entry in held)
    return Page(
        name=name,
        number=number,
        count=len(held),
        left=sum(map(summary_text.is_still_left, held)),
        causes={cause: causes[cause] for cause in Cause if causes[cause]},
        first=held[0].difference.key,
        last=held[-1].difference.key,
    )


def _breakable(path: str) -> Markup:
    """A dotted path of 1C that a browser breaks at the dots and brackets only."""
    return Markup("<wbr>").join(re.split(r"(?<=[.\[\]=/])", visible(path)))


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def _tall(entry: DifferenceEntry) -> bool:
    """Whether a difference is too long to be kept on one printed page."""
    fields = entry.difference.fields
    return len(fields) > _TALL_FIELDS or any(
        len(text or "") > _LONG for field in fields for text in (field.wanted, field.found)
    )
