"""The differences as CSV, for Excel and for scripts: UTF-8 with a byte order mark.

Two variants, because a spreadsheet splits by its own locale: ``;`` where the decimal sign is a
comma (Ukraine), ``,`` elsewhere. Every cell is quoted.

A cell that a spreadsheet would take for a formula (it begins with ``= + - @``, their full-width
forms, a tab or a line break) gets an apostrophe in front. So does such a sign behind a ``;``, a
``,``, a tab, a quote or a line break within a cell, for a file opened with the other separator is
split there. A phone (``+380 44 123-45-67``), a number and a dash alone stay as they are: they name
no function, cell or program, and a program that reads the file gets back what the journal holds.
Excel, opening the file by a double click, shows ``+380441234567`` and ``00123456`` as numbers; the
XLSX keeps them as text.
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
_PLAIN = re.compile(r"\+\d[\d ()-]*|[+-]?\d+(?:\.\d+)?|[+-]|")
"""A phone, a number, a dash."""
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
    plain = (_PLAIN.fullmatch(part.strip(" ")) for part in re.split("[;,]", shown))
    if not _SIGNS.search(shown) or all(plain):
        return shown
    return _FORMULA.sub(r"\1'", shown)
