"""Cells of a CSV that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.report.sample import HOSTILE_VALUES
from zvirka.report.format_csv import neutral

DANGEROUS = tuple("=+-@\t\r\n＝＋－＠")
HARMLESS = re.compile(r"[\d ()+;,.-]*")
"""Phones, numbers, dashes: nothing that could name a function, a cell or a program."""
CELLS = st.text(alphabet=st.sampled_from("=+-@\t\r\n;,\"' ＝＠a1")) | st.sampled_from(
    HOSTILE_VALUES
)


def is_formula(cell: str) -> bool:
    return cell.startswith(DANGEROUS) and not HARMLESS.fullmatch(cell)


@given(CELLS)
def test_no_cell_begins_with_a_formula_sign(text: str) -> None:
    assert not is_formula(str(neutral(text)).lstrip(" "))


@given(CELLS, st.sampled_from(";,"), st.sampled_from(";,\t"))
def test_a_file_split_by_the_wrong_sign_has_no_formula_either(
    text: str, written: str, read: str
) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=written, quoting=csv.QUOTE_ALL).writerow(["1", neutral(text), "x"])
    for row in csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=read):
        for cell in row:
            assert not is_formula(cell.lstrip(' "'))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", ""),
        (42, 42),
        (datetime(2026, 11, 24, 2, 30), "2026-11-24 02:30:00"),  # noqa: DTZ001 - a cell has no zone
        ("+380441234567", "+380441234567"),
        ("+380 (44) 123-45-67", "+380 (44) 123-45-67"),
        ("+380441234567; +380671234567", "+380441234567; +380671234567"),
        ("-12.50", "-12.50"),
        ("-", "-"),
        ("=1+1", "'=1+1"),
        ("+A1", "'+A1"),
        ("-2+cmd|' /C calc'!A0", "'-2+cmd|' /C calc'!A0"),
        ("+1+HYPERLINK(A1)", "'+1+HYPERLINK(A1)"),
        ("+380441234567;=1+1", "'+380441234567;'=1+1"),
        ("ТОВ «Ромашка»", "ТОВ «Ромашка»"),
        ("A-1", "A-1"),
        ("a;=1", "a;'=1"),
    ],
)
def test_what_a_cell_reads(value: str | int | datetime | None, cell: str | int) -> None:
    assert neutral(value) == cell


@pytest.mark.parametrize("separator", [";", ","])
def test_phones_numbers_and_names_come_back_as_they_were(separator: str) -> None:
    values = ["+380 50 7621411", "+380441234567", "00123456", "-7", "ТОВ «А; Б, В»", 'a "b" c', "-"]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerow([neutral(value) for value in values])
    file.seek(0)
    assert next(csv.reader(file, delimiter=separator)) == values
