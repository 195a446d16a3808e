"""Differences and corrections as rows of a table, the same for CSV and XLSX.

One row a field: a spreadsheet filters by field, and a difference of three fields is three rows
with one number. A difference without fields (a superfluous client) is one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from zvirka.i18n import N_
from zvirka.i18n.words import Words
from zvirka.journal.records import DifferenceEntry, Write
from zvirka.report.summary_text import changes

Cell = str | int | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading (a message of the catalogue) and its width in characters."""

    heading: str
    width: int


DIFFERENCE_COLUMNS = (
    Column(N_("No."), 5),
    Column(N_("Code"), 12),
    Column(N_("Name"), 28),
    Column(N_("Cause"), 16),
    Column(N_("Field"), 13),
    Column(N_("ERP before"), 22),
    Column(N_("1C"), 22),
    Column(N_("Read back"), 22),
    Column(N_("Outcome"), 16),
    Column(N_("When"), 19),
    Column(N_("Kind"), 18),
    Column(N_("Action"), 14),
    Column(N_("Decision"), 18),
    Column(N_("ERP row"), 12),
    Column(N_("Ref_Key"), 38),
    Column(N_("Detail"), 40),
    Column(N_("Evidence"), 40),
    Column(N_("Note"), 40),
)
PRINTED = 10
"""How many of the first columns go on paper: more would be too small to read on A4."""
CORRECTION_COLUMNS = (
    Column(N_("Correction"), 12),
    Column(N_("Difference"), 12),
    Column(N_("Action"), 14),
    Column(N_("Code"), 14),
    Column(N_("Ref_Key"), 38),
    Column(N_("ERP row"), 12),
    Column(N_("New code"), 14),
    Column(N_("Field"), 18),
    Column(N_("Before"), 32),
    Column(N_("After"), 32),
    Column(N_("Outcome"), 28),
    Column(N_("Detail"), 40),
    Column(N_("Begun"), 19),
    Column(N_("Settled"), 19),
)


def difference_rows(entry: DifferenceEntry, words: Words) -> Iterator[tuple[Cell, ...]]:
    """The rows of one difference, a cell for each of :data:`DIFFERENCE_COLUMNS`."""
    difference = entry.difference
    last = entry.writes[-1] if entry.writes else None
    head: tuple[Cell, ...] = (
        difference.number,
        difference.key,
        difference.name,
        words.cause(difference.cause),
    )
    tail: tuple[Cell, ...] = (
        words.outcome(last.outcome.state) if last else None,
        local_cell(last.settled_at, words) if last else None,
        words.kind(difference.kind),
        words.action(difference.action) if difference.action else None,
        # «to be corrected» beside «applied and verified» reads as still to be done.
        None if last else words.disposition(difference.disposition),
        ", ".join(difference.rows) or difference.row,
        difference.ref,
        words.told(last.outcome.detail) if last else None,
        words.told(difference.evidence),
        words.told(difference.note),
    )
    if not difference.fields:
        yield (*head, None, None, None, None, *tail)
    for field in difference.fields:
        label = words.field(field.field)
        yield (*head, label, field.found, field.wanted, field.read_back, *tail)


def correction_rows(number: int, write: Write, words: Words) -> Iterator[tuple[Cell, ...]]:
    """The rows of one correction, a cell for each of :data:`CORRECTION_COLUMNS`."""
    correction = write.correction
    head: tuple[Cell, ...] = (
        correction.id,
        number,
        words.action(correction.action),
        correction.key,
        correction.ref,
        write.outcome.row or correction.row,
        correction.new_key,
    )
    tail: tuple[Cell, ...] = (
        words.outcome(write.outcome.state),
        words.told(write.outcome.detail),
        local_cell(write.intended_at, words),
        local_cell(write.settled_at, words),
    )
    touched = changes(write)
    if not touched:
        yield (*head, None, None, None, *tail)
    for name, before, after in touched:
        yield (*head, words.field(name), before, after, *tail)


def headings(columns: tuple[Column, ...], words: Words) -> list[str]:
    """The headings in the report's language."""
    translate: Callable[[str], str] = words.gettext
    return [translate(column.heading) for column in columns]


def local_cell(moment: datetime | None, words: Words) -> datetime | None:
    """The wall clock of the report's zone: a spreadsheet knows no zones."""
    return words.local(moment).replace(tzinfo=None, microsecond=0) if moment else None
