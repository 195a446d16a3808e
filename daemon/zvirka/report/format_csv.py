"""The differences as CSV, for Excel and for scripts: UTF-8 with a byte order mark.

Two variants, because a spreadsheet splits by its own locale: ``;`` where the decimal sign is a
comma (Ukraine), ``,`` elsewhere. Every cell is quoted.

A cell that a spreadsheet would take for a formula (it begins with ``= + - @``, their full-width
forms, a tab or a line break) gets an apostrophe in front. So does such a sign behind a ``;``, a
``,``, a tab, a quote or a line break within a cell, for a file opened with the other separator is
split there. A phone number thus reads ``'+380441234567``; use the JSON where
the exact values are needed.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from typing import BinaryIO, Literal

from zvirka.i18n.visible_text import cell
from zvirka.i18n.words import Words
from zvirka.report.columns import DIFFERENCE_COLUMNS, Cell, difference_rows, headings
from zvirka.report.content import ReportContent

Separator = Literal[";", ","]
_SIGNS = re.compile(r"[=+\-@\t\n＝＋－＠]")
_FORMULA = re.compile(r"(^|[;,\t\n\"])(?=[ ]*[=+\-@\t\n＝＋－＠])")


def write(
    findings: ReportContent, words: Words, stream: BinaryIO, separator: Separator = ";"
) -> None:
    """Write the differences, one row a field, in flat memory."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="", write_through=True)
    try:
        writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writerow(headings(DIFFERENCE_COLUMNS, words))
        for entry in findings.entries():
            for row in difference_rows(entry, words):
                writer.writerow([neutral(value) for value in row])
    finally:
        text.detach()


def neutral(value: Cell) -> str | int:
    """The cell as no spreadsheet takes it for anything but text or a number."""
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    shown = cell(value)
    return _FORMULA.sub(r"\1'", shown) if _SIGNS.search(shown) else shown
