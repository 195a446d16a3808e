"""A report of 100,000 differences: pages, flat memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from lxml import html

from tests.unit.report.sample import NIGHT, facts, quiet_run, sample_book
from zvirka.domain import (
    Action,
    Cause,
    Command,
    Difference,
    FieldDifference,
    Kind,
    RunStatus,
    Trigger,
)
from zvirka.journal.journal import Journal
from zvirka.report import format_html, format_xlsx, write_reports

ROOT = Path(__file__).parent.parent.parent
MANY = 100_000
FEW = 2_000
FORMS = ("html", "json", "md", "csv", "xlsx")
KINDS = (Kind.MISSING, Kind.DIFFERENT, Kind.DIFFERENT, Kind.EXTRA)
CAUSES = (Cause.MISSED_CREATE, Cause.MISSED_UPDATE, Cause.ERP_EDIT, Cause.MISSED_DELETE)

MEASURE = r"""
import re, sys
from pathlib import Path
from tests.unit.report.sample import sample_book
from zvirka.report import write_reports
state, run, form, out = sys.argv[1:]
book = sample_book(Path(state))
write_reports(book, int(run), formats=[form], language="uk", directory=Path(out))
status = Path("/proc/self/status").read_text()
print(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
"""


def large_run(journal: Journal, count: int) -> int:
    """A run of so many differences, recorded in batches as the engine does."""
    run = journal.begin(
        command=Command.RECONCILE, trigger=Trigger.SCHEDULE, who="zvirka", reason="", now=NIGHT
    )
    journal.save_facts(run, facts(source_rows=count))
    for start in range(1, count + 1, 5000):
        numbers = range(start, min(start + 5000, count + 1))
        journal.add_differences(run, [difference(number) for number in numbers])
    journal.finish(run, status=RunStatus.FINISHED, exit_code=1, now=NIGHT)
    return run


def difference(number: int) -> Difference:
    name = f"ТОВ «Підприємство з довгою назвою № {number}»"
    return Difference(
        number=number,
        kind=KINDS[number % 4],
        cause=CAUSES[number % 4],
        key=f"{number:09}",
        ref=f"6f1c2d34-8a5b-11ee-9c3d-{number:012x}",
        name=name,
        row=str(number),
        fields=(
            FieldDifference("name", name, f"ТОВ «Підприємство {number}»", name),
            FieldDifference("phone", "+380 44 123-45-67", None, "+380 44 123-45-67"),
        ),
        action=Action.UPDATE,
        evidence=f"push log 2026-11-23T14:02:11+00:00 update 503: Service Unavailable, {number}",
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, int]]:
    """The state directory, a run of few and a run of many differences."""
    state = tmp_path_factory.mktemp("large")
    journal = sample_book(state)
    few, many = large_run(journal, FEW), large_run(journal, MANY)
    journal.close()
    yield state, few, many


def peak(state: Path, run: int, form: str, out: Path) -> int:
    """The most megabytes a process of its own took to write the report."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(state), str(run), form, str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("form", FORMS)
def test_memory_stays_flat_whatever_the_number_of_differences(
    large: tuple[Path, int, int], tmp_path: Path, form: str
) -> None:
    state, few, many = large
    small = peak(state, few, form, tmp_path / "few")
    big = peak(state, many, form, tmp_path / "many")
    print(f"{form}: {small} MB for {FEW}, {big} MB for {MANY}")
    assert big < small + 40


def test_many_differences_stand_on_pages_by_number_that_the_summary_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format_html, "PAGE", 10)
    journal = sample_book(tmp_path)
    run = large_run(journal, 56)
    paths = write_reports(journal, run, formats=["html"], language="en", directory=tmp_path)
    pages = [html.fromstring(path.read_text("utf-8")) for path in paths]
    summary = pages.pop()
    assert paths[-1].name == "zvirka-run-000001.html"
    links = [a.get("href") for a in summary.xpath("//table//a")]
    assert links == [path.name for path in paths[:-1]]
    assert summary.xpath("//article") == []
    numbers = [a.get("id") for page in pages for a in page.xpath("//article")]
    assert numbers == [f"d{number}" for number in range(1, 57)]
    assert max(len(page.xpath("//article")) for page in pages) == 10
    for page in pages:
        assert {a.get("href") for a in page.xpath("//nav//a | //p//a")} <= {
            path.name for path in paths
        }
    journal.close()


def test_more_rows_than_a_sheet_holds_go_on_to_a_further_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format_xlsx, "SHEET_ROWS", 11)
    journal = sample_book(tmp_path)
    run = large_run(journal, 12)
    [path] = write_reports(journal, run, formats=["xlsx"], language="en", directory=tmp_path)
    opened = openpyxl.load_workbook(path)
    names = [name for name in opened.sheetnames if name.startswith("Differences")]
    assert names == ["Differences", "Differences 2", "Differences 3"]
    rows = [list(opened[name].iter_rows(values_only=True)) for name in names]
    assert {sheet[0] for sheet in map(tuple, rows)} == {rows[0][0]}, "every sheet has the header"
    numbers = [row[0] for sheet in rows for row in sheet[1:]]
    assert numbers == [number for number in range(1, 13) for _ in range(2)]
    assert [opened[name].auto_filter.ref for name in names] == ["A1:R11", "A1:R11", "A1:R5"]
    journal.close()


def test_a_run_without_differences_needs_no_pages(tmp_path: Path) -> None:
    journal = sample_book(tmp_path)
    run = quiet_run(journal)
    paths = write_reports(journal, run, formats=["html", "json"], language="uk", directory=tmp_path)
    assert [path.suffix for path in paths] == [".html", ".json"]
    assert json.loads(paths[1].read_text("utf-8"))["differences"] == []
    journal.close()
