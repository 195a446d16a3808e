"""The report in the programs people open it with: a browser, a printer, LibreOffice."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from msgspec.structs import replace

from tests.integration.browser import chromium
from tests.integration.test_report_large import large_run
from tests.integration.web_site import follow
from tests.unit.report.sample import (
    STORY,
    STORY_STATES,
    failed_run,
    held_run,
    hostile_run,
    nights,
    quiet_run,
    ref,
    sample_book,
    seal_run,
    story_run,
)
from zvirka.report import write_reports
from zvirka.report.history import render_history

STORIES = (quiet_run, story_run, held_run, failed_run, hostile_run)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The reports of every story by its name, the history of one counterparty, a large page."""
    directory = tmp_path_factory.mktemp("programs")
    journal = sample_book(directory)
    nights(journal, 12)
    made = {}
    for story in STORIES:
        run = story(journal)
        html, xlsx, *_ = write_reports(
            journal, run, formats=["html", "xlsx"], language="uk", directory=directory / "reports"
        )
        made[story.__name__] = html
        made[f"{story.__name__} workbook"] = xlsx
    many = [
        replace(STORY[place % 9], number=place + 1, key=f"{place:09}", ref=ref(place))
        for place in range(18)
    ]
    run = seal_run(journal, many, states=STORY_STATES)
    [made["eighteen"]] = write_reports(
        journal, run, formats=["html"], language="uk", directory=directory / "reports"
    )
    history = directory / "history.html"
    with history.open("wb") as stream:
        render_history(journal, "html", "uk", stream, key="000000317")
    made["history"] = history
    run = large_run(journal, 8001)
    paths = write_reports(
        journal, run, formats=["html"], language="uk", directory=directory / "reports"
    )
    made["large page"], made["large summary"] = paths[1], paths[-1]
    journal.close()
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


PAGES = [*(story.__name__ for story in STORIES), "history", "large summary"]


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_and_breaks_no_rule_of_its_own(
    browser: Any, reports: dict[str, Path], name: str
) -> None:
    page = browser.new_page()
    asked, told = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(reports[name].as_uri())
    page.wait_for_load_state("networkidle")
    assert asked == [reports[name].as_uri()]
    assert told == []
    page.close()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PAGES)
def test_axe_has_no_finding(browser: Any, reports: dict[str, Path], name: str, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(reports[name].as_uri())
    violations = axe.Axe().run(page).response["violations"]
    found = [
        (one["id"], one["help"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in violations
    ]
    assert found == [], json.dumps(found, ensure_ascii=False, indent=1)
    context.close()


def test_a_cause_can_be_hidden_and_shown_without_any_script(
    browser: Any, reports: dict[str, Path]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(reports["story_run"].as_uri())
    shown = page.locator("article:visible")
    assert shown.count() == 9
    page.uncheck("#show-missed_update")
    assert shown.count() == 7
    assert page.locator("#d2").is_hidden()
    page.check("#show-missed_update")
    assert shown.count() == 9
    page.check("#only-left")
    assert shown.count() == 5
    assert page.locator("#find").is_hidden(), "it needs a script"
    context.close()


def test_a_list_is_searched_by_name_and_by_phone(browser: Any, reports: dict[str, Path]) -> None:
    page = browser.new_page()
    page.goto(reports["story_run"].as_uri())
    for text, numbers in (("дніпро", ["d2"]), ("+380675550199", ["d3"]), ("0675550102", ["d3"])):
        page.fill("#find", text)
        shown = page.locator("article:visible")
        assert [one.get_attribute("id") for one in shown.all()] == numbers
    page.fill("#find", "")
    assert page.locator("article:visible").count() == 9
    page.close()


def test_eighteen_differences_fit_a_screen_and_a_half(
    browser: Any, reports: dict[str, Path]
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(reports["eighteen"].as_uri())
    bottom = "document.getElementById('d18').getBoundingClientRect().bottom"
    assert page.evaluate(bottom) <= 900 * 1.5
    page.close()


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
def test_no_phone_tax_id_or_word_of_a_name_is_broken(
    browser: Any, reports: dict[str, Path], width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(reports["story_run"].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    broken = page.evaluate("""
        [...document.querySelectorAll("article *, table *")].flatMap((element) =>
            [...element.childNodes].filter((node) => node.nodeType === 3).flatMap((node) =>
                [...node.data.matchAll(/[\\p{L}\\p{N}]{2,30}/gu)].filter((word) => {
                    const range = document.createRange();
                    range.setStart(node, word.index);
                    range.setEnd(node, word.index + word[0].length);
                    return new Set([...range.getClientRects()].map((box) => box.top)).size > 1;
                }).map((word) => word[0])))
    """)
    assert broken == []
    page.close()


@pytest.mark.long
def test_dark_is_dark_and_paper_is_white(browser: Any, reports: dict[str, Path]) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(reports["story_run"].as_uri())
        shade = "getComputedStyle(document.body).backgroundColor"
        shades[scheme] = page.evaluate(shade)
        page.emulate_media(media="print")
        assert page.evaluate(shade) == "rgb(255, 255, 255)"
        assert page.locator(".filter").is_hidden()
        context.close()
    assert shades["light"] != shades["dark"]


@pytest.mark.long
def test_a_narrow_window_needs_no_scrolling_to_the_side(
    browser: Any, reports: dict[str, Path]
) -> None:
    for name in ("story_run", "hostile_run", "history"):
        page = browser.new_page(viewport={"width": 360, "height": 780})
        page.goto(reports[name].as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        page.close()


def test_the_printed_report_is_a_few_pages_of_a4(
    browser: Any, reports: dict[str, Path], tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(reports["story_run"].as_uri())
    path = tmp_path / "report.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    page.close()
    if shutil.which("pdfinfo") is None:
        pytest.skip("pdfinfo (poppler-utils) is not installed: the pages are not counted")
    told = subprocess.run(["pdfinfo", path], check=True, capture_output=True, text=True).stdout
    facts = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    assert "A4" in facts["Page size"]
    assert 2 <= int(facts["Pages"]) <= 6


@pytest.mark.long
def test_a_page_of_two_thousand_differences_is_whole(
    browser: Any, reports: dict[str, Path]
) -> None:
    page = browser.new_page()
    page.goto(reports["large page"].as_uri())
    assert page.locator("article").count() == 2000
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"first paint of 2,000 differences: {paint:.0f} ms")
    follow(page, page.get_by_role("link", name="наступна сторінка"))
    assert page.locator("article").count() == 2000
    page.close()


@pytest.mark.parametrize(
    "story", [pytest.param("story_run", marks=pytest.mark.slow), "hostile_run"]
)
@pytest.mark.slow
def test_libreoffice_opens_the_workbook_and_reads_the_same(
    reports: dict[str, Path], tmp_path: Path, story: str
) -> None:
    web = shutil.which("soffice") or shutil.which("libreoffice")
    if web is None:
        pytest.skip("LibreOffice is not installed: no program to open the workbook with")
    path = reports[f"{story} workbook"]
    every_sheet = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    subprocess.run(
        [
            web,
            f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
            "--headless",
            "--convert-to",
            every_sheet,
            "--outdir",
            tmp_path,
            path,
        ],
        check=True,
        capture_output=True,
        timeout=110,
    )
    journal = openpyxl.load_workbook(path)
    for sheet in journal:
        exported = tmp_path / f"{path.stem}-{sheet.title}.csv"
        csv.field_size_limit(10_000_000)
        rows = list(csv.reader(io.StringIO(exported.read_text("utf-8"), newline="")))
        texts = {cell for row in rows for cell in row}
        for row in sheet.iter_rows(values_only=True):
            for cell in row:
                if isinstance(cell, str):
                    assert cell.replace("_x005F_", "_") in texts, cell[:80]
