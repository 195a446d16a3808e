"""A period as an act, and the life of one counterparty."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import openpyxl
import pytest
from openpyxl.cell import Cell

from tests.unit.report.sample import (
    NIGHT,
    STORY,
    STORY_STATES,
    failed_run,
    missing,
    nights,
    quiet_run,
    sample_book,
    seal_run,
    story_run,
)
from zvirka.domain import Disposition
from zvirka.errors import UsageError
from zvirka.journal.journal import Journal
from zvirka.report.embedded_data import SHEET
from zvirka.report.export import export_period, period_of, write_export
from zvirka.report.history import render_history
from zvirka.settings.model import ActSettings

KYIV = ZoneInfo("Europe/Kyiv")
NOVEMBER = (date(2026, 11, 1), date(2026, 11, 30))


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Six quiet or busy nights, a story, a failure, and a correction of the story's conflict."""
    journal = sample_book(tmp_path_factory.mktemp("autumn"))
    nights(journal, 6)
    story_run(journal)
    failed_run(journal)
    seal_run(journal, STORY[1:3], at=NIGHT + timedelta(days=1), states=STORY_STATES[:1])
    yield journal
    journal.close()


def exported(
    journal: Journal, form: str, first: date, last: date, language: str = "en"
) -> io.BytesIO:
    stream = io.BytesIO()
    export_period(journal, first, last, form, language, stream)
    return stream


def test_a_day_is_a_day_in_kyiv(tmp_path: Path) -> None:
    journal = sample_book(tmp_path)
    midnight = datetime(2026, 11, 24, tzinfo=KYIV)
    for at in (-1, 0, 86399, 86400):
        seal_run(journal, (), at=(midnight + timedelta(seconds=at)).astimezone(UTC))
    day = date(2026, 11, 24)
    assert period_of(journal, day, day, KYIV).runs == (2, 3)
    journal.close()


def test_an_act_has_the_period_its_runs_and_a_line_for_every_client(autumn: Journal) -> None:
    opened = openpyxl.load_workbook(exported(autumn, "xlsx", *NOVEMBER))
    assert opened.sheetnames == ["Act", "Clients", "Runs", SHEET]
    assert opened["Act"]["A1"].value == (
        "Reconciliation act № 20261130/1-9, 1 Nov 2026 to 30 Nov 2026"
    )
    runs = [row[0] for row in opened["Runs"].iter_rows(min_row=2, values_only=True)]
    assert runs == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    told = {row[0]: row for row in opened["Clients"].iter_rows(min_row=2, values_only=True)}
    assert len(told) == opened["Clients"].max_row - 1
    assert {difference.key for difference in STORY} <= set(told)
    assert told["000000317"][3] == (
        "Name: «ПП «Дніпро-Сервіс»» → «ПП «Дніпро-Сервіс Плюс»»\n"
        "E-mail: — → «office@dnipro.example»"
    )
    assert told["000000317"][6] == 9, "as the last run left it"
    assert opened["Clients"].freeze_panes == "A2"


def test_an_act_stands_between_two_digests(autumn: Journal) -> None:
    first, last = date(2026, 11, 24), date(2026, 11, 24)
    act = openpyxl.load_workbook(exported(autumn, "xlsx", first, last))["Act"]
    told = {row[0]: row[1] for row in act.iter_rows(values_only=True)}
    assert told["Digest before the period"] == autumn.get(6).digest
    assert told["Digest at the end of the period"] == autumn.get(8).digest
    assert told["of them failed"] == 1
    assert told["Last reconciliation"] == "Reconciliation № 7"
    assert told["Left"] == 5
    assert told["For the accounting side (1C)"]


def test_an_act_names_the_parties_or_leaves_lines_for_them(autumn: Journal) -> None:
    parties = ActSettings(accounting_side="ТОВ «Ромашка»", place="Київ")
    stream = io.BytesIO()
    export_period(autumn, *NOVEMBER, "xlsx", "en", stream, parties=parties)
    act = openpyxl.load_workbook(stream)["Act"]
    told = {row[0]: row[1] for row in act.iter_rows(values_only=True)}
    assert told["Accounting side (1C)"] == "ТОВ «Ромашка»"
    assert told["Place"] == "Київ"
    assert set(str(told["ERP side"])) == {"_"}


def test_a_first_load_held_and_then_approved_counts_once(tmp_path: Path) -> None:
    journal = sample_book(tmp_path)
    load = [missing(number, f"ТОВ {number}", f"{number:05}") for number in range(1, 41)]
    held = [msgspec.structs.replace(one, disposition=Disposition.HELD) for one in load]
    seal_run(journal, held, status="held", exit_code=3)
    seal_run(journal, load, at=NIGHT + timedelta(hours=8), command="approve")
    opened = openpyxl.load_workbook(exported(journal, "xlsx", *NOVEMBER))
    assert opened["Clients"].max_row == 41
    told = [row[:2] for row in opened["Act"].iter_rows(values_only=True)]
    assert ("missed create", 40) in told
    assert ("applied and verified", 40) in told
    journal.close()


def test_no_row_of_an_act_is_printed_over_by_the_one_above(autumn: Journal) -> None:
    stream = io.BytesIO()
    parties = ActSettings(erp_side="Товариство з обмеженою відповідальністю «Ромашка» " * 5)
    export_period(autumn, *NOVEMBER, "xlsx", "uk", stream, parties=parties)
    act = openpyxl.load_workbook(stream)["Акт"]
    long = 0
    for row in act.iter_rows(min_row=2):
        for cell in row:
            assert isinstance(cell, Cell), "no cells are merged"
            width = act.column_dimensions[cell.column_letter].width
            if isinstance(cell.value, str) and len(cell.value) > width:
                long += 1
                height = act.row_dimensions[cell.row].height or 15
                assert height >= 15 * -(-len(cell.value) // int(width)), cell.value
    assert long


def test_the_act_speaks_ukrainian(autumn: Journal) -> None:
    opened = openpyxl.load_workbook(exported(autumn, "xlsx", *NOVEMBER, language="uk"))
    assert opened.sheetnames == ["Акт", "Клієнти", "Запуски", SHEET]
    assert opened["Акт"]["A1"].value == (
        "Акт звірки № 20261130/1-9 за період з 01.11.2026 по 30.11.2026"
    )


def test_a_period_as_json_holds_whole_reports(autumn: Journal) -> None:
    report = json.loads(exported(autumn, "json", *NOVEMBER).getvalue())
    assert [one["run"]["number"] for one in report["reports"]] == list(range(1, 10))
    assert report["from"] == "2026-11-01"


def test_a_period_without_runs_is_an_act_all_the_same(autumn: Journal) -> None:
    stream = exported(autumn, "xlsx", date(2020, 1, 1), date(2020, 1, 2))
    assert openpyxl.load_workbook(stream)["Runs"].max_row == 1


def test_an_act_written_twice_is_the_same_file(autumn: Journal, tmp_path: Path) -> None:
    paths = [tmp_path / "one.xlsx", tmp_path / "two.xlsx"]
    for path in paths:
        assert write_export(autumn, *NOVEMBER, path, language="uk") == 9
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_mode & 0o777 == 0o640


def test_a_period_may_be_the_whole_calendar(autumn: Journal) -> None:
    shown = period_of(autumn, date.min, date.max, KYIV)
    assert shown.runs
    assert period_of(autumn, date.min, date(1, 1, 2), KYIV).runs == ()


def test_a_period_that_ends_before_it_begins_is_refused(autumn: Journal) -> None:
    with pytest.raises(UsageError, match="ends before it begins"):
        exported(autumn, "xlsx", date(2026, 11, 2), date(2026, 11, 1))
    with pytest.raises(UsageError, match="pdf"):
        exported(autumn, "pdf", *NOVEMBER)


def life(journal: Journal, form: str, language: str = "en", **asked: str) -> str:
    stream = io.BytesIO()
    render_history(journal, form, language, stream, **asked)
    return stream.getvalue().decode()


def test_a_life_tells_what_1c_said_what_the_erp_held_and_which_run_changed_it(
    autumn: Journal,
) -> None:
    text = life(autumn, "text", key="000000317")
    assert text.index("Reconciliation № 7, zvirka.service") < text.index("Reconciliation № 9")
    assert "Name: «ПП «Дніпро-Сервіс»» → «ПП «Дніпро-Сервіс Плюс»»" in text
    assert "update: applied and verified, 24 Nov 2026 02:31:24" in text


def test_a_life_by_ref_key_is_the_same_life(autumn: Journal) -> None:
    by_key = life(autumn, "text", key="000000317").splitlines()[1:]
    by_ref = life(autumn, "text", ref=STORY[1].ref).splitlines()[1:]
    assert by_key == by_ref


def test_a_life_as_json_has_every_entry(autumn: Journal) -> None:
    told = json.loads(life(autumn, "json", key="000000317"))
    assert [entry["run"] for entry in told["entries"]] == [7, 9]
    assert told["entries"][0]["fields"][0]["wanted"] == "ПП «Дніпро-Сервіс Плюс»"


def test_a_life_as_html_is_one_page_in_the_report_dress(autumn: Journal) -> None:
    page = life(autumn, "html", "uk", key="000000317")
    assert "Історія контрагента" in page
    assert page.count("<article") == 2


def test_a_counterparty_the_journal_does_not_know_has_an_empty_life(autumn: Journal) -> None:
    assert "knows of no difference" in life(autumn, "text", key="no such code")
    with pytest.raises(UsageError, match="yaml"):
        life(autumn, "yaml", key="x")


def test_a_quiet_night_has_no_lines_in_an_act(tmp_path: Path) -> None:
    journal = sample_book(tmp_path)
    quiet_run(journal)
    opened = openpyxl.load_workbook(exported(journal, "xlsx", *NOVEMBER))
    assert opened["Clients"].max_row == 1
    assert opened["Runs"].max_row == 2
    journal.close()
