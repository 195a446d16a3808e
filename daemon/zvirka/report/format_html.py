"""The report as HTML: one self-contained file that opens offline and prints on A4.

There is no script: the style sheet filters, the browser searches. The content
security policy in the file allows nothing but its own style sheet, by hash. All outside text is
escaped by Jinja, and hidden characters are spelt out (:mod:`zvirka.i18n.visible_text`).

A run with more differences than :data:`PAGE` is written as a summary file with one more file
for each page of one kind, so that a browser never has to hold 100,000 of them.
"""

from __future__ import annotations

from base64 import b64encode
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
from zvirka.domain import Cause, Kind, OutcomeState
from zvirka.i18n.visible_text import visible
from zvirka.i18n.words import Words
from zvirka.journal.records import DifferenceEntry
from zvirka.report import summary_text
from zvirka.report.chart import chart_of
from zvirka.report.content import ReportContent
from zvirka.report.embedded_data import packed

PAGE = 2000
"""Differences on one page."""
TEMPLATES = Path(__file__).parent / "templates"

_LONG = 600
_TALL_FIELDS = 12
_TONES: dict[str, str] = {
    OutcomeState.APPLIED: "good",
    OutcomeState.FAILED: "bad",
    OutcomeState.NOT_CONVERGING: "bad",
}

Opener = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens a file of that name for writing, atomically."""


@dataclass(frozen=True, slots=True)
class Page:
    """One file of differences of one kind; ``first`` and ``last`` are keys."""

    name: str
    number: int
    kind: Kind
    count: int
    causes: dict[Cause, int]
    first: str
    last: str


def write(findings: ReportContent, words: Words, stream: BinaryIO, *, name: str) -> None:
    """Write everything as one document; ``name`` is the file's own, printed in the seal."""
    emit("report.html", stream, words, file_name=name, pages=(), **_summary(findings, words))


def write_files(findings: ReportContent, words: Words, open_file: Opener, *, stem: str) -> None:
    """Write ``stem.html``, and pages ``stem-p001.html`` … beside it when there are many."""
    index = f"{stem}.html"
    pages: tuple[Page, ...] = ()
    if findings.found > PAGE:
        pages = tuple(_write_pages(findings, words, open_file, stem, PAGE))
    with open_file(index) as stream:
        emit(
            "report.html", stream, words, file_name=index, pages=pages, **_summary(findings, words)
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
    made.filters["tone"] = lambda state: _TONES.get(state, "warning")
    made.filters["told"] = words.told
    made.tests["tall"] = _tall
    made.globals.update(
        texts=summary_text,
        version=__version__,
        css=style(),
        css_hash=style_hash(),
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
    return Markup((TEMPLATES / "report.css").read_text("utf-8") + rules)  # noqa: S704 - our own file


@cache
def style_hash() -> str:
    """The style sheet's source expression in a content security policy."""
    return "sha256-" + b64encode(sha256(style().encode()).digest()).decode()


_environment = cache(environment)


def _summary(findings: ReportContent, words: Words) -> dict[str, Any]:
    return {
        "findings": findings,
        "run": findings.run.id,
        "drawing": chart_of(findings.nights),
        "data": (Markup(piece) for piece in packed(findings, words)),  # noqa: S704 - base64
    }


def _write_pages(
    findings: ReportContent, words: Words, open_file: Opener, stem: str, size: int
) -> Iterator[Page]:
    shares = {kind: ceil(count / size) for kind, count in findings.kinds.items()}
    page_count = sum(shares.values())
    names = [f"{stem}-p{number + 1:03}.html" for number in range(page_count)]
    number = 0
    for kind, share in shares.items():
        entries = findings.entries([kind])
        for _ in range(share):
            held = list(islice(entries, size))
            page = _page(names[number], number + 1, kind, held)
            with open_file(page.name) as stream:
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
                    file_name=page.name,
                    before=names[number - 1] if number else "",
                    after=names[number + 1] if number + 1 < page_count else "",
                )
            yield page
            number += 1


def _page(name: str, number: int, kind: Kind, held: list[DifferenceEntry]) -> Page:
    causes = dict.fromkeys(Cause, 0)
    for entry in held:
        causes[entry.difference.cause] += 1
    return Page(
        name=name,
        number=number,
        kind=kind,
        count=len(held),
        causes={cause: count for cause, count in causes.items() if count},
        first=held[0].difference.key if held else "",
        last=held[-1].difference.key if held else "",
    )


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def _tall(entry: DifferenceEntry) -> bool:
    """Whether a difference is too long to be kept on one printed page."""
    fields = entry.difference.fields
    return len(fields) > _TALL_FIELDS or any(
        len(text or "") > _LONG for field in fields for text in (field.wanted, field.found)
    )
