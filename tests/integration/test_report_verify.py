"""A report file that was touched is found."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.report.sample import nights, quiet_run, sample_book, story_run
from zvirka import __version__
from zvirka.errors import UsageError
from zvirka.journal.journal import Journal
from zvirka.report import format_html, render, write_reports
from zvirka.report.embedded_data import embedded_in
from zvirka.report.file_check import Authenticity, verify_report

FORMS = ("html", "xlsx", "csv", "json", "md")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journal, int, Path]]:
    directory = tmp_path_factory.mktemp("told")
    journal = sample_book(directory)
    nights(journal, 2)
    run = story_run(journal)
    write_reports(journal, run, formats=FORMS, language="uk", directory=directory / "reports")
    yield journal, run, directory / "reports"
    journal.close()


def copied(told: tuple[Journal, int, Path], name: str, to: Path) -> Path:
    return Path(shutil.copy(told[2] / name, to / name))


NAMES = [
    "zvirka-run-000003.html",
    "zvirka-run-000003.xlsx",
    "zvirka-run-000003.csv",
    "zvirka-run-000003-comma.csv",
    "zvirka-run-000003.json",
    "zvirka-run-000003.md",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_as_it_was_written_is_genuine(told: tuple[Journal, int, Path], name: str) -> None:
    check = verify_report(told[0], told[2] / name)
    assert check.authenticity is Authenticity.GENUINE
    assert check.run == 3


@pytest.mark.parametrize("language", ["uk", "en"])
@pytest.mark.parametrize("form", FORMS)
def test_the_language_a_file_is_in_does_not_matter(
    told: tuple[Journal, int, Path], tmp_path: Path, language: str, form: str
) -> None:
    [*_, path] = write_reports(told[0], 3, formats=[form], language=language, directory=tmp_path)
    assert verify_report(told[0], path).authenticity is Authenticity.GENUINE


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("xlsx")])
def test_one_byte_changed_anywhere_is_found(
    told: tuple[Journal, int, Path], tmp_path: Path, name: str
) -> None:
    path = copied(told, name, tmp_path)
    content = path.read_bytes()
    for place in (len(content) // 7, len(content) // 2, len(content) - 2):
        changed = bytearray(content)
        changed[place] ^= 0x01
        path.write_bytes(bytes(changed))
        check = verify_report(told[0], path)
        assert check.authenticity is Authenticity.ALTERED
        assert check.line == content[:place].count(b"\n") + 1


@pytest.mark.parametrize("name", NAMES[:1] + NAMES[2:])
def test_a_line_taken_out_or_put_in_is_found(
    told: tuple[Journal, int, Path], tmp_path: Path, name: str
) -> None:
    path = copied(told, name, tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (lines[:-1], [*lines, lines[-1]], lines[1:]):
        path.write_bytes(b"".join(changed))
        assert verify_report(told[0], path).authenticity is Authenticity.ALTERED


@pytest.mark.long
@pytest.mark.parametrize(
    ("offset", "damage"),
    [(0, b"\xff" * 8), (8, b"\x01"), (10, b"\x0c"), (10, b"\x0e")],
    ids=["data", "encrypted", "bzip2", "lzma"],
)
def test_a_damaged_workbook_is_told(
    told: tuple[Journal, int, Path], tmp_path: Path, offset: int, damage: bytes
) -> None:
    path = copied(told, "zvirka-run-000003.xlsx", tmp_path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as workbook:
        members = workbook.infolist()
        central = workbook.start_dir
    for member in members:
        altered = bytearray(whole)
        name = member.filename.encode()
        if offset == 0:
            place = member.header_offset + 30 + len(name)
        else:  # the flags or the method in the central directory
            place = whole.index(name, central) - 46 + offset
        altered[place : place + len(damage)] = damage
        path.write_bytes(altered)
        embedded_in(path)
        assert verify_report(told[0], path).authenticity is not Authenticity.GENUINE


def test_a_cell_changed_in_a_workbook_is_found(
    told: tuple[Journal, int, Path], tmp_path: Path
) -> None:
    path = copied(told, "zvirka-run-000003.xlsx", tmp_path)
    with zipfile.ZipFile(told[2] / path.name) as whole, zipfile.ZipFile(path, "w") as changed:
        for part in whole.namelist():
            content = whole.read(part)
            changed.writestr(part, content.replace("Зелений Гай".encode(), "Зелений Ліс".encode()))
    assert verify_report(told[0], path).authenticity is Authenticity.ALTERED
    path.write_bytes(b"not a workbook")
    assert verify_report(told[0], path).authenticity is Authenticity.ALTERED


def test_a_workbook_packed_anew_with_the_same_parts_is_genuine(
    told: tuple[Journal, int, Path], tmp_path: Path
) -> None:
    path = copied(told, "zvirka-run-000003.xlsx", tmp_path)
    with zipfile.ZipFile(told[2] / path.name) as whole, zipfile.ZipFile(path, "w") as packed:
        for part in whole.namelist():
            packed.writestr(part, whole.read(part))
    assert verify_report(told[0], path).authenticity is Authenticity.GENUINE


def test_a_report_of_another_run_under_this_name_is_found(
    told: tuple[Journal, int, Path], tmp_path: Path
) -> None:
    [other] = write_reports(told[0], 2, formats=["json"], language="uk", directory=tmp_path)
    path = other.rename(tmp_path / "zvirka-run-000003.json")
    check = verify_report(told[0], path)
    assert check.authenticity is Authenticity.ALTERED
    assert check.text == "run 2: the file is named as a report of run 3"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_under_the_name_a_browser_gave_it_is_genuine(
    told: tuple[Journal, int, Path], tmp_path: Path, name: str
) -> None:
    stem, _, ending = name.rpartition(".")
    path = copied(told, name, tmp_path).rename(tmp_path / f"{stem} (1).{ending}")
    check = verify_report(told[0], path)
    assert (check.run, check.authenticity) == (3, Authenticity.GENUINE)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("csv")])
def test_a_file_under_any_name_says_itself_which_run_it_is_of(
    told: tuple[Journal, int, Path], tmp_path: Path, name: str
) -> None:
    path = copied(told, name, tmp_path)
    path = path.rename(tmp_path / f"звіт за листопад{path.suffix}")
    check = verify_report(told[0], path)
    assert (check.run, check.authenticity) == (3, Authenticity.GENUINE)


def test_every_page_of_a_large_report_is_checked(
    told: tuple[Journal, int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format_html, "PAGE", 2)
    paths = write_reports(told[0], 3, formats=["html"], language="uk", directory=tmp_path)
    assert len(paths) > 3
    for path in paths:
        assert verify_report(told[0], path).authenticity is Authenticity.GENUINE
    page = tmp_path / "zvirka-run-000003-p001.html"
    page.write_text(page.read_text("utf-8").replace("Дніпро", "Десна", 1), "utf-8")
    assert verify_report(told[0], page).authenticity is Authenticity.ALTERED


def test_the_one_document_that_goes_to_a_stream_is_genuine_too(
    told: tuple[Journal, int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format_html, "PAGE", 2)
    path = tmp_path / "zvirka-run-000003.html"
    with path.open("wb") as stream:
        render(told[0], 3, "html", "en", stream)
    assert verify_report(told[0], path).authenticity is Authenticity.GENUINE


def test_a_file_of_another_version_is_checked_by_its_data(
    told: tuple[Journal, int, Path], tmp_path: Path
) -> None:
    for name in ("zvirka-run-000003.json", "zvirka-run-000003.html"):
        path = copied(told, name, tmp_path)
        text = path.read_text("utf-8").replace(f"zvirka {__version__}", "zvirka 99.1")
        path.write_text(text, "utf-8")
        check = verify_report(told[0], path)
        assert check.authenticity is Authenticity.GENUINE
        assert "data are what the journal yields" in check.text
    assert "layout is that of zvirka 99.1" in check.text
    text_only = copied(told, "zvirka-run-000003.md", tmp_path)
    text_only.write_text(text_only.read_text("utf-8") + "x", "utf-8")
    assert verify_report(told[0], text_only).authenticity is Authenticity.ALTERED


def older(document: dict[str, Any]) -> dict[str, Any]:
    """The document as version 2 of the format wrote it."""
    del document["seal"]
    document |= {"version": 2, "generator": "zvirka 0.1.0"}
    document["run"]["pruned"] = document["run"].pop("pruned_at") is not None
    del document["run"]["phase"]
    for difference in document["differences"]:
        del difference["check"]
        for one in difference["corrections"]:
            one["row"] = one.pop("written_row") or one["row"]
            del one["check"]
    return document


def test_a_json_report_of_an_earlier_format_is_checked_by_its_data(
    told: tuple[Journal, int, Path], tmp_path: Path
) -> None:
    path = copied(told, "zvirka-run-000003.json", tmp_path)
    document = older(json.loads(path.read_text("utf-8")))
    path.write_text(json.dumps(document), "utf-8")
    assert verify_report(told[0], path).authenticity is Authenticity.GENUINE
    document["facts"]["source_count_after"] = 7
    path.write_text(json.dumps(document), "utf-8")
    assert verify_report(told[0], path).authenticity is Authenticity.ALTERED
    document["facts"]["source_count_after"] = 1248
    document["differences"][8]["name"] = "АТ «Інше»"
    path.write_text(json.dumps(document), "utf-8")
    assert verify_report(told[0], path).authenticity is Authenticity.ALTERED


def test_a_pruned_run_cannot_vouch_for_the_values_of_an_old_file(tmp_path: Path) -> None:
    from datetime import timedelta

    from zvirka.journal.retention import prune

    journal = sample_book(tmp_path)
    run = story_run(journal)
    [path] = write_reports(journal, run, formats=["json"], language="uk", directory=tmp_path)
    quiet_run(journal)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    prune(journal, timedelta(days=365), now, "auditor", "retention")
    check = verify_report(journal, path)
    assert check.authenticity is Authenticity.UNKNOWN
    assert "pruned" in check.text
    [anew] = write_reports(journal, run, formats=["html"], language="en", directory=tmp_path)
    assert "Зелений Гай" not in anew.read_text("utf-8")
    assert "personal values of this run were removed" in anew.read_text("utf-8")
    assert verify_report(journal, anew).authenticity is Authenticity.GENUINE
    journal.close()


def test_what_cannot_be_checked_is_refused_with_the_way_out(
    told: tuple[Journal, int, Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no such report file"):
        verify_report(told[0], tmp_path / "zvirka-run-000003.html")
    odd = tmp_path / "report.html"
    odd.write_text("x")
    with pytest.raises(UsageError, match="which run"):
        verify_report(told[0], odd)
    unknown = tmp_path / "zvirka-run-000099.md"
    unknown.write_text("x")
    with pytest.raises(UsageError, match="no run 99"):
        verify_report(told[0], unknown)
