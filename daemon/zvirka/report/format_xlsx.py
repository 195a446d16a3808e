"""The report as a workbook: a summary, the differences, the corrections, in flat memory.

Outside text is only ever written as a string cell: never a formula, never a link. A cell holds
32,767 characters; a longer value is cut and says how long it was. A sheet holds 1,048,576 rows;
what goes beyond continues on a further sheet of the same name and a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from zvirka.i18n.visible_text import cell
from zvirka.i18n.words import Words
from zvirka.report import format_json, summary_text
from zvirka.report.columns import (
    CORRECTION_COLUMNS,
    DIFFERENCE_COLUMNS,
    PRINTED,
    Cell,
    Column,
    correction_rows,
    difference_rows,
    headings,
)
from zvirka.report.content import ReportContent
from zvirka.report.embedded_data import SHEET, cells

SHEET_ROWS = 1_048_576
"""Rows a sheet holds, the header included."""
_BLOCK_WIDTHS = (40, 92, 22, 24)
"""Columns of the summary: the second holds a digest or a signature on one line."""
_FITTED_ROWS = 5000
"""Rows of a listing whose height is set: XlsxWriter remembers each, and nobody prints more."""
_LINE_POINTS = 15
_MOST_LINES = 27
"""Excel's rows are at most 409 points high."""
_TONES = {
    "good": ("#17523A", "#E4F1EA"),
    "warning": ("#6E4706", "#FAF0DC"),
    "bad": ("#8F2323", "#F9E6E6"),
}
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}


class Workbook:
    """A workbook being written: formats, and sheets that never hold more than one row."""

    def __init__(self, stream: BinaryIO, words: Words, *, title: str, created: datetime) -> None:
        """Begin a workbook; ``created`` rather than the clock, so that the bytes are repeatable."""
        self.words = words
        self._writer = xlsxwriter.Workbook(stream, dict(_OPTIONS))
        self._writer.set_properties(
            {"title": cell(title), "author": "zvirka", "created": created.replace(tzinfo=None)}
        )
        self.plain = self._writer.add_format({"valign": "top", "text_wrap": True})
        self.bold = self._writer.add_format({"bold": True, "valign": "top"})
        self.tones = {
            tone: self._writer.add_format(
                {"valign": "top", "text_wrap": True, "font_color": ink, "bg_color": paper}
            )
            for tone, (ink, paper) in _TONES.items()
        }
        self.heading = self._writer.add_format({"bold": True, "font_size": 14})
        self.header = self._writer.add_format(
            {"bold": True, "bg_color": "#E8ECE9", "bottom": 1, "valign": "top", "text_wrap": True}
        )
        self.number = self._writer.add_format({"num_format": "#,##0", "valign": "top"})
        self.moment = self._writer.add_format(
            {"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left", "valign": "top"}
        )

    def sheet(self, name: str) -> Any:
        """A new sheet, A4 landscape, one page wide, with page numbers."""
        sheet = self._writer.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer("&L&8zvirka · &A&R&8&P / &N")
        # A Код of digits is text on purpose; Excel need not mark every one of them in green.
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        return sheet

    def put(self, sheet: Any, row: int, column: int, value: Cell, text_format: Any = None) -> None:
        """Write one cell by its type; ``None`` and the empty text leave it blank."""
        if value is None or value == "":
            return
        if isinstance(value, int):
            sheet.write_number(row, column, value, self.number)
        elif isinstance(value, datetime):
            sheet.write_datetime(row, column, value, self.moment)
        else:
            sheet.write_string(row, column, cell(value), text_format or self.plain)

    def blocks(
        self, sheet: Any, row: int, blocks: Iterable[tuple[str, Sequence[Sequence[Cell]]]]
    ) -> None:
        """Headed blocks of lines below each other, from that row on; empty ones are left out."""
        for column, width in enumerate(_BLOCK_WIDTHS):
            sheet.set_column(column, column, width)
        for heading, lines in blocks:
            if not lines:
                continue
            self.fit_row(sheet, row, [heading], _BLOCK_WIDTHS)
            self.put(sheet, row, 0, heading, self.header)
            for line in lines:
                row += 1
                self.fit_row(sheet, row, line, _BLOCK_WIDTHS)
                for column, value in enumerate(line):
                    self.put(sheet, row, column, value)
            row += 2

    def fit_row(self, sheet: Any, row: int, values: Sequence[Cell], widths: Sequence[int]) -> None:
        """Make a row as high as its wrapped texts need: not every program does so by itself."""
        lines = max(
            (_lines_of(value, width) for value, width in zip(values, widths, strict=False)),
            default=1,
        )
        if lines > 1:
            sheet.set_row(row, _LINE_POINTS * min(lines, _MOST_LINES))

    def embed(self, pieces: Iterable[bytes]) -> None:
        """Put a JSON document into a hidden sheet, so that the workbook proves itself."""
        hidden = self.sheet(SHEET)
        hidden.very_hidden()
        for row, text in enumerate(cells(pieces, self.words)):
            hidden.write_string(row, 0, text)

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: it cannot be written.
        """
        try:
            self._writer.close()
        except FileCreateError as error:
            raise OSError(str(error)) from error


def _lines_of(value: Cell, width: int) -> int:
    """How many lines a cell of that width needs, words being broken between lines."""
    if not isinstance(value, str):
        return 1
    return sum(max(-(-len(line) * 23 // (width * 20)), 1) for line in value.split("\n"))


class Listing:
    """Rows under a frozen, filtered header, over as many sheets as they need."""

    def __init__(
        self, workbook: Workbook, name: str, columns: Sequence[Column], *, printed: int = 0
    ) -> None:
        self._workbook = workbook
        self._name = name
        self._columns = tuple(columns)
        self._widths = [column.width for column in columns]
        self._printed = printed or len(columns)
        self._outcome = next(
            (place for place, column in enumerate(columns) if column.heading == "Outcome"), None
        )
        self._sheets = 0
        self._begin()

    def add(self, rows: Iterable[tuple[Cell, ...]], tone: str = "") -> None:
        """Append rows; ``tone`` colours their outcome."""
        for row in rows:
            if self._row >= SHEET_ROWS:
                self.finish()
                self._begin()
            if self._row <= _FITTED_ROWS:
                self._workbook.fit_row(self._sheet, self._row, row[: self._printed], self._widths)
            for column, value in enumerate(row):
                toned = self._workbook.tones.get(tone) if column == self._outcome else None
                self._workbook.put(self._sheet, self._row, column, value, toned)
            self._row += 1

    def finish(self) -> None:
        """Set the filter over what was written, and what of it goes on paper."""
        self._sheet.print_area(0, 0, max(self._row - 1, 0), self._printed - 1)
        self._sheet.autofilter(0, 0, max(self._row - 1, 0), len(self._columns) - 1)

    def _begin(self) -> None:
        self._sheets += 1
        suffix = f" {self._sheets}" if self._sheets > 1 else ""
        self._sheet = self._workbook.sheet(self._name + suffix)
        self._sheet.freeze_panes(1, 0)
        self._sheet.repeat_rows(0)
        for index, column in enumerate(self._columns):
            self._sheet.set_column(index, index, column.width)
        for index, heading in enumerate(headings(self._columns, self._workbook.words)):
            self._workbook.put(self._sheet, 0, index, heading, self._workbook.header)
        self._row = 1


def write(findings: ReportContent, words: Words, stream: BinaryIO) -> None:
    """Write the workbook of one run."""
    _ = words.gettext
    workbook = Workbook(
        stream,
        words,
        title=summary_text.title(findings, words),
        created=words.local(findings.run.finished_at or findings.run.started_at),
    )
    summary(workbook, workbook.sheet(_("Summary")), findings)
    differences = Listing(workbook, _("Differences"), DIFFERENCE_COLUMNS, printed=PRINTED)
    corrections = Listing(workbook, _("Corrections"), CORRECTION_COLUMNS)
    for entry in findings.entries():
        tone = summary_text.tone_of(summary_text.state_of(entry))
        differences.add(difference_rows(entry, words), tone)
        for one in entry.writes:
            rows = correction_rows(entry.difference.number, one, words)
            corrections.add(rows, summary_text.tone_of(one.outcome.state))
    differences.finish()
    corrections.finish()
    workbook.embed(format_json.pieces(findings))
    workbook.close()


def summary(workbook: Workbook, sheet: Any, findings: ReportContent) -> None:
    """The first sheet: what was compared, who asked, totals, limits, errors, digests."""
    words = workbook.words
    workbook.put(sheet, 0, 0, summary_text.title(findings, words), workbook.heading)
    workbook.put(sheet, 1, 0, summary_text.headline(findings, words), workbook.bold)
    workbook.blocks(sheet, 3, _blocks(findings, words))


def _blocks(findings: ReportContent, words: Words) -> Iterable[tuple[str, list[tuple[Cell, ...]]]]:
    _ = words.gettext
    yield _("Who asked, and when"), [*summary_text.request_lines(findings, words)]
    yield _("Error"), [*summary_text.fault(findings, words)]
    yield _("What was compared"), [*summary_text.compared(findings, words)]
    yield _("Counts"), [*summary_text.counts(findings, words)]
    for heading, counts in summary_text.totals(findings, words):
        yield heading, [*counts]
    yield _("Limits that held the run"), [*summary_text.holds(findings, words)]
    yield _("Warnings"), [(note,) for note in summary_text.notes(findings, words)]
    yield (
        _("Field mapping"),
        [
            (label, source, compare)
            for _n, label, source, compare in summary_text.mapping(findings, words)
        ],
    )
    yield _("Seal"), [*summary_text.seal(findings, words)]
