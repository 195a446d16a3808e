"""Reports in every form, and every page, hold no sentence of the other language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from starlette.routing import Route

from tests.foreign_words import cyrillic_in, latin_in, visible_in_page
from tests.unit.report.sample import failed_run, held_run, quiet_run, sample_book, story_run
from tests.unit.web.page_client import PageClient, open_page
from tests.unit.web.test_workers_page import busy_fleet
from zvirka.i18n import LANGUAGES
from zvirka.journal.journal import Journal
from zvirka.message import Message
from zvirka.report import FORMATS, render
from zvirka.report.export import export_period
from zvirka.report.history import render_history

DATA = frozenset({"json"})
"""Forms for programs: their names and messages are English for every reader."""


def fill(journal: Journal) -> list[int]:
    return [story_run(journal), quiet_run(journal), held_run(journal), failed_run(journal)]


def names(journal: Journal) -> set[str]:
    """What 1C, the ERP and people wrote, which is data in every language."""
    found: set[str] = set()
    for run in journal.runs(limit=50):
        found |= {run.who, str(run.reason)}
        if run.error is not None and not isinstance(run.error.remedy, Message):
            found.add(run.error.remedy)  # as an older version wrote it
        for batch in journal.differences(run.id or 0):
            for one in batch:
                found |= {one.name, one.key}
                for field in one.fields:
                    found |= {field.wanted or "", field.found or "", field.read_back or ""}
    return {name for name in found if name.strip()}


def foreign(language: str, text: str, known: set[str]) -> list[str]:
    return latin_in(text, known) if language == "uk" else cyrillic_in(text, known)


def text_of(form: str, content: bytes) -> str:
    """What a person reads of a file."""
    if form == "html":
        return visible_in_page(content.decode())
    if form == "xlsx":
        book = openpyxl.load_workbook(BytesIO(content))
        cells = (cell for sheet in book for row in sheet.iter_rows() for cell in row)
        return "\n".join([*book.sheetnames, *(str(one.value) for one in cells if one.value)])
    return content.decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_reports_are_in_one_language(tmp_path: Path, language: str) -> None:
    journal = sample_book(tmp_path)
    runs = fill(journal)
    known = names(journal)
    found = {}
    for form in set(FORMATS) - DATA - {"pdf"}:  # a PDF is printed from the same templates
        for run in runs:
            stream = BytesIO()
            render(journal, run, form, language, stream)
            found[f"{form} {run}"] = foreign(language, text_of(form, stream.getvalue()), known)
    act = BytesIO()
    export_period(journal, date(2026, 1, 1), date(2026, 12, 31), "xlsx", language, act)
    found["act"] = foreign(language, text_of("xlsx", act.getvalue()), known)
    for form in ("text", "html"):
        for key in ("000000642", "none"):
            history = BytesIO()
            render_history(journal, form, language, history, key=key)
            text = text_of(form, history.getvalue())
            found[f"history {form} {key}"] = foreign(language, text, known)
    journal.close()
    assert {name: words for name, words in found.items() if words} == {}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path, workers=busy_fleet) as made:
        fill(made.journal)
        made.sign_in("taras")
        yield made


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_in_one_language(page: PageClient, language: str) -> None:
    known = names(page.journal) | {"taras", "olena", "Русский"}
    page.client.headers["Accept-Language"] = language
    found = {}
    for path in paths(page):
        answer = page.get(path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            found[path] = foreign(language, visible_in_page(answer.text), known)
    for path, fields in (
        ("/runs/3/approve", {}),
        ("/runs/999/approve", {"reason": "x"}),
        ("/runs/1/undo", {"reason": ""}),
        ("/start", {"command": "plan", "reason": ""}),
        ("/resync", {"key": "1", "reason": ""}),
        ("/counterparty", {"text": "1"}),
        ("/counterparty/now", {"key": "000000642"}),
        ("/sign-in", {"name": "taras", "password": "wrong"}),
        ("/verify", {}),
    ):
        answer = page.follow(page.post(path, **fields))
        found[f"POST {path}"] = foreign(language, visible_in_page(answer.text), known)
    found["wrong token"] = foreign(language, page.post("/start", token="x").text, known)
    assert len(found) > 20
    assert {name: words for name, words in found.items() if words} == {}


def paths(page: PageClient) -> list[str]:
    """Every address that can be read, for runs of every kind, and some that are not there."""
    found = ["/none", "/runs/999", "/runs/x", "/runs?status=failed", "/export?from=x&to=y"]
    routes = [one for one in page.client.app.routes if isinstance(one, Route)]  # type: ignore[attr-defined]
    for route in routes:
        if "GET" in (route.methods or ()):
            for run in (1, 2, 3, 4):
                path = re.sub(r"{run:int}", str(run), route.path)
                path = path.replace("{number:int}", "1").replace("{form}", "html")
                found.append(path)
    return list(dict.fromkeys(found))
