"""Every form of the report of one story, byte for byte and read back.

``ZVIRKA_UPDATE_GOLDEN=1 pytest tests/integration/test_report_forms.py`` writes the golden files
anew; look at the difference before committing it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openpyxl
import pytest

from tests.integration.databases import fresh
from tests.unit.report.sample import (
    failed_run,
    held_run,
    nights,
    quiet_run,
    sample_book,
    story_run,
)
from zvirka import __version__
from zvirka.errors import UsageError, ZvirkaError
from zvirka.i18n.words import Words
from zvirka.journal.journal import Journal
from zvirka.report import remove_reports, render, report_files, write_reports
from zvirka.report.embedded_data import SHEET
from zvirka.report.format_json import SCHEMA, schema

GOLDEN = Path(__file__).parent.parent / "golden" / "report"
UPDATE = bool(os.environ.get("ZVIRKA_UPDATE_GOLDEN"))
RUNS = {"story": story_run, "quiet": quiet_run, "held": held_run, "failed": failed_run}
EVERY_STORY = [
    *(("story", form, lang) for form in ("html", "md", "csv", "xlsx") for lang in ("uk", "en")),
    ("story", "csv-comma", "uk"),
    ("story", "json", "en"),
    *((story, "md", lang) for story in ("quiet", "held", "failed") for lang in ("uk", "en")),
]


@pytest.fixture(scope="module")
def twenty_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of twenty nights, made once and copied for each test."""
    directory = tmp_path_factory.mktemp("nights")
    made = sample_book(directory)
    nights(made, 20)
    made.close()
    return directory


@pytest.fixture
def journal(twenty_nights: Path, tmp_path: Path) -> Iterator[Journal]:
    shutil.copytree(twenty_nights, tmp_path / "state")
    made = sample_book(tmp_path / "state")
    yield made
    made.close()


def rendered(journal: Journal, run: int, form: str, language: str = "uk") -> bytes:
    stream = io.BytesIO()
    render(journal, run, form, language, stream)
    return stream.getvalue()


def cells(workbook: bytes) -> dict[str, list[tuple[Any, ...]]]:
    opened = openpyxl.load_workbook(io.BytesIO(workbook))
    return {
        sheet.title: [tuple(row) for row in sheet.iter_rows(values_only=True)] for sheet in opened
    }


def comparable(form: str, content: bytes) -> str:
    """The content as text, without what changes by version or by the journal's own seals."""
    if form == "xlsx":
        lines = []
        for title, rows in cells(content).items():
            if title == SHEET:  # tests/integration/test_report_proof.py
                continue
            lines.append(f"== {title}")
            lines += ["\t".join("" if cell is None else str(cell) for cell in row) for row in rows]
        text = "\n".join(lines) + "\n"
    else:
        text = content.decode("utf-8")
    text = text.replace(f"zvirka {__version__}", "zvirka VERSION")
    text = re.sub(r'(<template id="zvirka-data">)[^<]*', r"\1DATA", text)
    text = re.sub(r'"check":"[0-9a-f]{8,16}"', '"check":"DIGEST"', text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)
    return re.sub(r"\b[0-9a-f]{32}\b", "DIGEST", text).replace("\r\n", "\n")


@pytest.mark.parametrize(("story", "form", "language"), EVERY_STORY)
def test_a_form_is_as_it_was(journal: Journal, story: str, form: str, language: str) -> None:
    text = comparable(form, rendered(journal, RUNS[story](journal), form, language))
    ending = {"csv-comma": "comma.csv", "xlsx": "xlsx.txt"}.get(form, form)
    golden = GOLDEN / f"{story}.{language}.{ending}"
    if UPDATE:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, "utf-8", newline="\n")
    assert text == golden.read_text("utf-8")


def test_the_same_run_gives_the_same_bytes_in_every_form(journal: Journal, tmp_path: Path) -> None:
    run = story_run(journal)
    story_run(journal)
    for form in ("html", "json", "md", "csv", "csv-comma", "xlsx"):
        assert rendered(journal, run, form) == rendered(journal, run, form), form


@pytest.mark.long
@pytest.mark.parametrize("form", ["html", "json", "csv"])
def test_a_journal_on_postgresql_gives_the_same_report(
    journal: Journal, tmp_path: Path, form: str
) -> None:
    other = sample_book(tmp_path, fresh("postgresql", tmp_path))
    nights(other, 20)
    try:
        there = rendered(other, story_run(other), form)
        assert comparable(form, there) == comparable(
            form, rendered(journal, story_run(journal), form)
        )
    finally:
        other.close()


def test_a_later_run_changes_nothing_in_an_earlier_report(journal: Journal) -> None:
    run = held_run(journal)
    before = {form: rendered(journal, run, form) for form in ("html", "json", "xlsx")}
    story_run(journal)
    assert before == {form: rendered(journal, run, form) for form in ("html", "json", "xlsx")}


@pytest.mark.parametrize("story", RUNS)
def test_the_json_is_what_its_schema_says(journal: Journal, story: str) -> None:
    report = json.loads(rendered(journal, RUNS[story](journal), "json"))
    described = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.Draft202012Validator(described).validate(report)
    assert report["version"] == 3


def test_the_schema_shipped_is_the_one_of_the_code() -> None:
    if UPDATE:
        SCHEMA.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert json.loads(SCHEMA.read_text("utf-8")) == schema()


def test_the_schema_refuses_what_is_no_report(journal: Journal) -> None:
    report = json.loads(rendered(journal, story_run(journal), "json"))
    report["differences"][0]["cause"] = "bad luck"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(report)


def test_the_workbook_read_back_equals_the_json(journal: Journal) -> None:
    run = story_run(journal)
    words = Words("uk")
    report = json.loads(rendered(journal, run, "json"))
    sheets = cells(rendered(journal, run, "xlsx"))
    expected = []
    for one in report["differences"]:
        for field in one["fields"] or [dict.fromkeys(("field", "found", "wanted", "read_back"))]:
            last = one["corrections"][-1] if one["corrections"] else None
            expected.append(
                (
                    one["number"],
                    one["key"] or None,
                    one["name"],
                    words.cause(one["cause"]),
                    words.field(field["field"]) if field["field"] else None,
                    field["found"],
                    field["wanted"],
                    field["read_back"],
                    words.outcome(last["state"]) if last else None,
                )
            )
    assert [row[:9] for row in sheets[words.gettext("Differences")][1:]] == expected
    numbers = {row[0] for row in sheets[words.gettext("Corrections")][1:]}
    assert numbers == {c["id"] for one in report["differences"] for c in one["corrections"]}


def test_the_workbook_has_types_a_frozen_header_and_a_filter(journal: Journal) -> None:
    opened = openpyxl.load_workbook(io.BytesIO(rendered(journal, story_run(journal), "xlsx", "en")))
    assert opened.sheetnames == ["Summary", "Differences", "Corrections", SHEET]
    assert opened[SHEET].sheet_state == "veryHidden"
    sheet = opened["Differences"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:R{sheet.max_row}"
    assert isinstance(sheet["A2"].value, int)
    assert sheet["B2"].value == "000001249", "leading zeros are kept"
    assert sheet["J2"].is_date


def test_the_workbook_is_printed_in_letters_one_can_read(journal: Journal) -> None:
    opened = openpyxl.load_workbook(io.BytesIO(rendered(journal, story_run(journal), "xlsx", "en")))
    for sheet in opened:
        assert (sheet.page_setup.paperSize, sheet.page_setup.orientation) == (9, "landscape")
        footer = sheet.oddFooter
        assert footer is not None and footer.right is not None
        assert "&P" in str(footer.right.text)
    sheet = opened["Differences"]
    last = re.search(r"\$([A-Z])\$\d+$", sheet.print_area)
    assert last is not None
    widths = [sheet.column_dimensions[chr(letter)].width for letter in range(65, ord(last[1]) + 1)]
    # A4 landscape holds some 130 characters of 11 points beside each other.
    assert 11 * 130 / sum(widths) >= 7


def test_the_outcomes_of_the_workbook_are_coloured(journal: Journal) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(rendered(journal, story_run(journal), "xlsx", "en")))[
        "Differences"
    ]
    shades = {row[8].value: row[8].fill.fgColor.rgb for row in sheet.iter_rows(min_row=2)}
    told = {"applied and verified", "superseded by a newer change", "accepted, yet not stored"}
    assert len({shades[outcome] for outcome in told}) == 3


@pytest.mark.long
def test_the_pdf_numbers_its_pages_and_is_read_without_a_browser(
    journal: Journal, tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed: the PDF is not read")
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"WeasyPrint cannot be loaded ({error}): no PDF is written")
    run = story_run(journal)
    [path] = write_reports(journal, run, formats=["pdf"], language="uk", directory=tmp_path)
    text = subprocess.run(
        ["pdftotext", "-layout", path, "-"], check=True, capture_output=True, text=True
    ).stdout
    pages = text.split("\f")[:-1]
    for number, page in enumerate(pages, start=1):
        assert re.search(rf"\b{number}\s*/\s*{len(pages)}\b", page), page[-200:]
    assert "ПП «Дніпро-Сервіс Плюс»" in text
    assert "+380 67 555-01-02" in text


def test_the_csv_has_a_byte_order_mark_and_both_separators(journal: Journal) -> None:
    run = story_run(journal)
    semicolons, commas = rendered(journal, run, "csv"), rendered(journal, run, "csv-comma")
    assert semicolons.startswith(b"\xef\xbb\xbf")
    one = list(csv.reader(io.StringIO(semicolons.decode("utf-8-sig")), delimiter=";"))
    other = list(csv.reader(io.StringIO(commas.decode("utf-8-sig")), delimiter=","))
    assert one == other
    assert {len(row) for row in one} == {18}


def test_a_quiet_night_says_so_in_one_line_and_is_a_report_all_the_same(journal: Journal) -> None:
    text = rendered(journal, quiet_run(journal), "md").decode()
    assert "**Розбіжностей немає: дані 1С та ERP збігаються.**" in text
    assert "1 248" in text
    assert journal.get(21).digest in text


def test_a_held_run_names_the_limit_and_how_to_approve(journal: Journal) -> None:
    run = held_run(journal)
    text = rendered(journal, run, "html", "en").decode()
    assert "deletes a run" in text
    assert f"zvirka approve {run} --reason" in text
    assert journal.get(run).plan_digest in text


def test_a_failed_run_names_cause_place_and_remedy(journal: Journal) -> None:
    text = rendered(journal, failed_run(journal), "html", "en").decode()
    assert "1C answered 503 four times" in text
    assert "https://1c.example.ua/bas/odata/standard.odata" in text
    assert "see whether the publication runs" in text


@pytest.mark.parametrize("form", ["html", "json", "md"])
def test_a_report_prints_its_digest_and_the_previous_one(journal: Journal, form: str) -> None:
    run = story_run(journal)
    text = rendered(journal, run, form).decode()
    assert journal.get(run).digest in text
    assert journal.get(run - 1).digest in text


def test_files_appear_whole_readable_by_the_group_and_by_nobody_else(
    journal: Journal, tmp_path: Path
) -> None:
    run = story_run(journal)
    where = tmp_path / "new" / "reports"
    forms = ["html", "xlsx", "csv", "json", "md"]
    paths = write_reports(journal, run, formats=forms, language="uk", directory=where)
    names = [path.name for path in paths]
    stem = f"zvirka-run-{run:06}"
    assert names == [
        f"{stem}.html",
        f"{stem}.xlsx",
        f"{stem}.csv",
        f"{stem}-comma.csv",
        f"{stem}.json",
        f"{stem}.md",
    ]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o640}
    assert sorted(where.iterdir()) == sorted(paths), "no temporary file is left"
    assert report_files(where, run) == sorted(paths)


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    journal: Journal, tmp_path: Path
) -> None:
    run = story_run(journal)
    place = tmp_path / "reports"
    [path] = write_reports(journal, run, formats=["md"], language="uk", directory=place)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="docx"):
        write_reports(journal, run, formats=["docx"], language="uk", directory=place)
    (tmp_path / "file").write_text("")
    with pytest.raises(ZvirkaError, match="cannot be written"):
        write_reports(journal, run, formats=["md"], language="uk", directory=tmp_path / "file")
    assert [path.read_bytes() for path in place.iterdir()] == [before]


def test_the_files_of_pruned_runs_and_no_others_are_removed(
    journal: Journal, tmp_path: Path
) -> None:
    place = tmp_path / "reports"
    forms = ["html", "csv", "json"]
    gone = write_reports(journal, 2, formats=forms, language="uk", directory=place)
    kept = write_reports(journal, 20, formats=forms, language="uk", directory=place)
    assert remove_reports(place, [2, 3]) == sorted(gone)
    assert sorted(place.iterdir()) == sorted(kept)
    assert remove_reports(tmp_path / "no such directory", [2]) == []


def test_an_unknown_run_is_an_error_that_says_so(journal: Journal) -> None:
    with pytest.raises(UsageError, match="no run 4711"):
        rendered(journal, 4711, "md")
