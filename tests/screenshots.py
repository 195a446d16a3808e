"""The pictures of the report and of every page.

``python -m tests.screenshots [REPORT.html] [--to DIR] [--lang uk]``. Without a report it makes
one of its own, through a journal, of sixty nights, and photographs every page over that journal at
1280 and 390 pixels, in light and in dark, into ``DIR/pages``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Literal

from tests.integration.browser import ARGUMENTS, chromium_path
from tests.integration.sample_site import sample_site
from tests.integration.web_site import sign_in
from tests.unit.report.sample import nights, sample_book, story_run
from zvirka.report import write_reports

ROOT = Path(__file__).parent.parent
WIDTH, HEIGHT = 1180, 1460
SHOTS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (1280, "light"),
    (1280, "dark"),
    (390, "light"),
    (390, "dark"),
)


def sample_report(directory: Path, language: str) -> Path:
    """A report with something of everything."""
    journal = sample_book(directory)
    nights(journal, 60)
    run = story_run(journal)
    [path] = write_reports(journal, run, formats=["html"], language=language, directory=directory)
    journal.close()
    return path


def take(report: Path, to: Path) -> list[Path]:
    """Photograph the top of a report in light and in dark."""
    from playwright.sync_api import sync_playwright

    to.mkdir(parents=True, exist_ok=True)
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                color_scheme=scheme,
                viewport={"width": WIDTH, "height": HEIGHT},
                device_scale_factor=1.5,
            )
            page = context.new_page()
            page.goto(report.resolve().as_uri())
            path = to / f"report-{scheme}.png"
            page.screenshot(path=path)
            taken.append(path)
            context.close()
        browser.close()
    return taken


def take_pages(directory: Path, to: Path, language: str) -> list[Path]:
    """Photograph every page, whole, over a journal with something of everything."""
    from playwright.sync_api import sync_playwright

    to.mkdir(parents=True, exist_ok=True)
    taken = []
    with sample_site(directory, many=30) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        for width, scheme in SHOTS:
            context = browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": 900}
            )
            page = context.new_page()
            sign_in(page, site.address, "taras")
            for name, path in site.pages.items():
                sign = "&" if "?" in path else "?"
                page.goto(f"{site.address}{path}{sign}lang={language}")
                picture = to / f"{name}-{width}-{scheme}.png"
                page.screenshot(path=picture, full_page=True)
                taken.append(picture)
            context.close()
        browser.close()
    return taken


def main() -> None:
    """Take the pictures and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", nargs="?", type=Path, help="an HTML report; else a sample")
    parser.add_argument("--to", type=Path, default=ROOT / "docs", help="the directory to write to")
    parser.add_argument("--lang", choices=("uk", "en"), default="en", help="of the sample")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zvirka-screenshots-") as directory:
        report = asked.report or sample_report(Path(directory), asked.lang)
        for path in take(report, asked.to):
            print(path)
        if asked.report is None:
            pages = take_pages(Path(directory) / "pages", asked.to / "pages", asked.lang)
            print(f"{len(pages)} pictures of pages in {asked.to / 'pages'}")


if __name__ == "__main__":
    main()
