"""The report as PDF: A4 landscape with page numbers, readable without a browser.

WeasyPrint is the extra ``zvirka[pdf]``; it lays everything out in memory, so a run of more than
:data:`MOST` differences gets a PDF without their list.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

from markupsafe import Markup
from msgspec import structs

from zvirka.domain import FieldDifference
from zvirka.errors import UsageError
from zvirka.i18n.words import Words
from zvirka.journal.records import DifferenceEntry
from zvirka.message import Message, coded
from zvirka.report import format_html
from zvirka.report.content import ReportContent

MOST = 2000
"""Differences listed."""
_LONGEST = 600


def write(findings: ReportContent, words: Words, stream: BinaryIO) -> None:
    """Write the report.

    Raises:
        UsageError: WeasyPrint, or a library of the system it needs, is not installed.
    """
    try:
        from weasyprint import HTML
    except (ImportError, OSError) as error:
        raise UsageError(
            coded(
                "ZV4403",
                "PDF needs WeasyPrint, which cannot be loaded ({details})",
                details=str(error),
            ),
            place="report.formats",
            remedy=Message(
                "pip install 'zvirka[pdf]'; on Debian also apt install libpango-1.0-0"
                " libpangoft2-1.0-0"
            ),
        ) from error
    page = BytesIO()
    format_html.emit(
        "pdf.html",
        page,
        words,
        findings=replace(
            findings, entries=lambda numbers=None: map(_short, findings.entries(numbers))
        ),
        listed=findings.found <= MOST,
        pdf_css=Markup((format_html.TEMPLATES / "pdf.css").read_text("utf-8")),  # noqa: S704
    )
    HTML(string=page.getvalue().decode(), url_fetcher=_nothing).write_pdf(stream)


def _short(entry: DifferenceEntry) -> DifferenceEntry:
    """The entry with its longest texts cut, saying so: WeasyPrint needs minutes to break them."""
    texts = {"name", "note", "evidence", "key", "ref", "row"}
    difference = entry.difference
    fields = tuple(
        FieldDifference(one.field, _cut(one.wanted), _cut(one.found), _cut(one.read_back))
        for one in difference.fields
    )
    cut = {name: _cut(getattr(difference, name)) for name in texts}
    return structs.replace(entry, difference=structs.replace(difference, fields=fields, **cut))


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _LONGEST else f"{text[:_LONGEST]}… ⟨{len(text)}⟩"


def _nothing(url: str, *_arguments: Any, **_named: Any) -> dict[str, Any]:
    """The report is whole in itself: whatever an address in a value names is not fetched."""
    raise ValueError(f"not fetched: {len(url)} characters")
