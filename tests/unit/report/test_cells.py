"""Cells of a CSV that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.report.sample import HOSTILE_VALUES
from zvirka.report.format_csv import neutral

DANGEROUS = tuple("=+-@\t\r\n＝＋－＠")
CELLS = st.text(alphabet=st.sampled_from("=+-@\t\r\n;,\"' ＝＠a1")) | st.sampled_from(
    HOSTILE_VALUES
)


@given(CELLS)
def test_no_cell_begins_with_a_formula_sign(text: str) -> None:
    assert not str(neutral(text)).lstrip(" ").startswith(DANGEROUS)


@given(CELLS, st.sampled_from(";,"), st.sampled_from(";,\t"))
def test_a_file_split_by_the_wrong_sign_has_no_formula_either(
    text: str, written: str, read: str
) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=written, quoting=csv.QUOTE_ALL).writerow(["1", neutral(text), "x"])
    for row in csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=read):
        for cell in row:
            assert not cell.lstrip(' "').startswith(DANGEROUS)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", ""),
        (42, 42),
        (datetime(2026, 11, 24, 2, 30), "2026-11-24 02:30:00"),  # noqa: DTZ001 - a cell has no zone
        ("+380441234567", "'+380441234567"),
        ("ТОВ «Ромашка»", "ТОВ «Ромашка»"),
        ("A-1", "A-1"),
        ("a;=1", "a;'=1"),
    ],
)
def test_what_a_cell_reads(value: str | int | datetime | None, cell: str | int) -> None:
    assert neutral(value) == cell
