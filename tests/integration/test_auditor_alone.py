"""An auditor with a browser and a spreadsheet, without a shell: finds, exports, verifies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.integration.browser import chromium
from tests.integration.web_site import follow, press_enter, serving, sign_in
from tests.unit.journal.world import key_pair
from tests.unit.report.sample import NIGHT, nights, story_run
from tests.unit.web.page_client import open_page
from zvirka.journal.signing import read_signer

pytestmark = pytest.mark.long

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

VERIFY_PAGE = Path(__file__).parents[2] / "docs" / "verify.html"
CLIENT = "ФОП Коваленко"
MONTH = (f"{NIGHT:%Y-%m}-01", f"{NIGHT:%Y-%m}-30")


@dataclass
class Office:
    """The page over five quiet nights and one with differences, all signed."""

    site: str
    key: Path


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    private, public = key_pair(tmp_path)
    key = tmp_path / "zvirka.pub.pem"
    key.write_bytes(public)
    with open_page(tmp_path / "page") as made:
        made.journal.signer = read_signer(private)
        nights(made.journal, 5)
        story_run(made.journal)
        with serving(made.client.app) as site:
            yield Office(site, key)


@pytest.fixture
def page() -> Iterator[Any]:
    with chromium() as browser:
        context = browser.new_context(accept_downloads=True, locale="uk-UA")
        yield context.new_page()
        context.close()


def exported(page: Any, office: Office, form: str, into: Path) -> Path:
    """The act of the month, as the page gives it."""
    page.goto(f"{office.site}/records")
    page.fill("input[name=from]", MONTH[0])
    page.fill("input[name=to]", MONTH[1])
    page.select_option("select[name=format]", form)
    with page.expect_download() as download:
        page.locator("form[action='/export'] button").click()
    path: Path = into / download.value.suggested_filename
    download.value.save_as(path)
    return path


def verdict(page: Any, report: Path, key: Path) -> str:
    """What the page for verification says of a file."""
    page.goto(VERIFY_PAGE.as_uri())
    page.set_input_files("#key_file", key)
    page.set_input_files("#report", report)
    page.wait_for_selector("#verdict.good, #verdict.bad")
    return str(page.get_attribute("#verdict", "class"))


def test_differences_of_one_client_are_found_in_two_steps(page: Any, office: Office) -> None:
    sign_in(page, office.site, "olena")
    follow(page, page.locator("main a[href='/runs/6']").first)
    page.fill("input[name=text]", "коваленко")
    press_enter(page)
    rows = page.locator("article.d")
    assert rows.count() == 1
    assert CLIENT in rows.first.inner_text()


@pytest.mark.parametrize("form", ["xlsx", "json"])
def test_a_month_is_exported_read_and_verified(
    page: Any, office: Office, form: str, tmp_path: Path
) -> None:
    sign_in(page, office.site, "olena")
    act = exported(page, office, form, tmp_path)
    assert verdict(page, act, office.key) == "good"
    if form == "xlsx":
        cells = [
            str(cell)
            for sheet in load_workbook(act, read_only=True)
            for row in sheet.iter_rows(values_only=True)
            for cell in row
        ]
        assert any(CLIENT in cell for cell in cells)


def test_a_month_that_was_altered_after_the_export_is_refused(
    page: Any, office: Office, tmp_path: Path
) -> None:
    sign_in(page, office.site, "olena")
    act = exported(page, office, "json", tmp_path)
    text = act.read_text("utf-8")
    assert CLIENT in text
    act.write_text(text.replace(CLIENT, "ФОП Ковальчук"), "utf-8")
    assert verdict(page, act, office.key) == "bad"
