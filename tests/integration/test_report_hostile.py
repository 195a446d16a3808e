"""Hostile values stay values, in every form of the report."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator

import openpyxl
import pytest
from lxml import html
from markdown_it import MarkdownIt

from tests.unit.report.sample import HOSTILE_VALUES, hostile_run, nights, sample_book
from tests.unit.report.test_cells import is_formula
from zvirka.i18n.visible_text import cell, visible
from zvirka.journal.journal import Journal
from zvirka.report import render
from zvirka.report.export import export_period
from zvirka.report.format_html import script
from zvirka.report.history import render_history

NAMES = [value for value in HOSTILE_VALUES if value]
MARKS = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ufeff\x00-\x08\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journal, int]]:
    journal = sample_book(tmp_path_factory.mktemp("hostile"))
    nights(journal, 3)
    run = hostile_run(journal)
    yield journal, run
    journal.close()


def rendered(hostile: tuple[Journal, int], form: str, language: str = "uk") -> bytes:
    stream = io.BytesIO()
    render(*hostile, form, language, stream)
    return stream.getvalue()


def stored(value: str) -> str:
    """What the journal keeps of a name: U+0000 and lone surrogates cannot be kept in a column."""
    return value.replace("\x00", "\ufffd")


def unescaped(value: object) -> object:
    """An inline string as Excel reads it (ECMA-376, ST_Xstring), which openpyxl leaves undone."""
    return value.replace("_x005F_", "_") if isinstance(value, str) else value


@pytest.mark.parametrize("language", ["uk", "en"])
def test_no_html_of_outside_is_html(hostile: tuple[Journal, int], language: str) -> None:
    text = rendered(hostile, "html", language).decode()
    assert not MARKS.search(text)
    document = html.document_fromstring(text)
    assert document.xpath("//img|//iframe|//object|//embed|//link|//form") == []
    assert document.xpath("//script/text()") == [str(script())]
    assert document.xpath("//@*[starts-with(name(), 'on')]") == []
    assert document.xpath("//@style") == []
    assert {link.get("href") for link in document.xpath("//a")} == {"#content", "#waits"}
    names = [heading.text_content() for heading in document.xpath("//article//h3")]
    assert names == [visible(stored(value)) or "—" for value in HOSTILE_VALUES]


def test_the_page_allows_nothing_but_its_own_style_sheet_and_script(
    hostile: tuple[Journal, int],
) -> None:
    document = html.document_fromstring(rendered(hostile, "html").decode())
    [policy] = document.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    [style] = document.xpath("//style/text()")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [own] = document.xpath("//script/text()")
    script_digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        f"script-src 'sha256-{script_digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "url(" not in style
    assert "@import" not in style


def test_no_cell_of_the_workbook_is_a_formula_or_a_link(hostile: tuple[Journal, int]) -> None:
    opened = openpyxl.load_workbook(io.BytesIO(rendered(hostile, "xlsx")))
    values = set()
    for sheet in opened:
        for row in sheet.iter_rows():
            for one in row:
                assert one.data_type != "f", one.coordinate
                assert one.hyperlink is None, one.coordinate
                values.add(unescaped(one.value))
    assert {cell(stored(value)) for value in NAMES} <= values


@pytest.mark.parametrize(("form", "separator"), [("csv", ";"), ("csv-comma", ",")])
def test_no_cell_of_the_csv_is_a_formula(
    hostile: tuple[Journal, int], form: str, separator: str
) -> None:
    csv.field_size_limit(10_000_000)  # the other separator finds few, long fields
    text = rendered(hostile, form).decode("utf-8-sig")
    assert not MARKS.search(text.replace("\r\n", "\n"))
    for sign in (separator, ",", ";", "\t"):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=sign):
            for value in row:
                assert not is_formula(value.lstrip(' "'))
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    assert {len(row) for row in rows} == {18}
    assert max(len(value) for row in rows for value in row) <= 32_767


def test_the_json_has_the_very_values(hostile: tuple[Journal, int]) -> None:
    report = json.loads(rendered(hostile, "json"))
    names = [one["name"] for one in report["differences"]]
    assert names == [stored(value) for value in HOSTILE_VALUES]
    fields = [one["fields"][0]["wanted"] for one in report["differences"]]
    assert fields == list(HOSTILE_VALUES)


def test_no_markup_of_outside_is_markup(hostile: tuple[Journal, int]) -> None:
    text = rendered(hostile, "md").decode()
    assert not MARKS.search(text)
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = [token for one in reader.parse(text) for token in (one, *(one.children or ()))]
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_block", "fence", "blockquote_open"}
    assert {t.content for t in tokens if t.type == "html_inline"} == {"<br>"}
    bold = [token for token in tokens if token.type == "strong_open"]
    assert len(bold) == 1, "the verdict only"
    rows = sum(1 for token in tokens if token.type == "tr_open")
    assert rows >= len(HOSTILE_VALUES)


def test_nothing_steers_the_terminal_of_who_reads_a_history(hostile: tuple[Journal, int]) -> None:
    journal, _ = hostile
    for value in NAMES:
        stream = io.BytesIO()
        assert render_history(journal, "text", "uk", stream, key=value[:60]) >= 1
        assert not MARKS.search(stream.getvalue().decode())


def test_a_history_page_has_no_html_of_outside_either(hostile: tuple[Journal, int]) -> None:
    journal, _ = hostile
    for value in NAMES:
        stream = io.BytesIO()
        render_history(journal, "html", "en", stream, key=value[:60])
        document = html.document_fromstring(stream.getvalue().decode())
        assert document.xpath("//script|//img|//form|//@style") == []
        assert {link.get("href") for link in document.xpath("//a")} == {"#content"}


def test_no_cell_of_an_act_is_a_formula(hostile: tuple[Journal, int]) -> None:
    from datetime import date

    journal, _ = hostile
    stream = io.BytesIO()
    assert export_period(journal, date(2026, 11, 1), date(2026, 11, 30), "xlsx", "uk", stream) == 4
    for sheet in openpyxl.load_workbook(stream):
        for row in sheet.iter_rows():
            assert {one.data_type for one in row} <= {"s", "n", "d", "inlineStr"}
