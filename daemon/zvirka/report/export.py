"""The runs of a period in one workbook, laid out as an акт звірки; or as JSON.

The workbook holds the act itself (what was compared, how often, with what result, between which
digests), the runs, and every difference and correction of the period with its run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, BinaryIO

from zvirka.domain import Command
from zvirka.errors import UsageError, sentence_of
from zvirka.i18n import N_
from zvirka.i18n.words import COMMANDS, TRIGGERS, Words
from zvirka.journal.journal import Journal
from zvirka.journal.queries import sealed_between
from zvirka.message import Message, coded
from zvirka.report import format_json, summary_text
from zvirka.report.assembly import content_of
from zvirka.report.columns import (
    CORRECTION_COLUMNS,
    DIFFERENCE_COLUMNS,
    Cell,
    Column,
    correction_rows,
    difference_rows,
    local_cell,
)
from zvirka.report.content import ReportContent
from zvirka.report.files import atomic
from zvirka.report.format_xlsx import Listing, Workbook

PERIOD_FORMATS = ("xlsx", "json")
_RUN_COLUMN = Column(N_("Run"), 8)
_RUN_COLUMNS = (
    _RUN_COLUMN,
    Column(N_("What"), 28),
    Column(N_("Status"), 18),
    Column(N_("Triggered by"), 24),
    Column(N_("Who"), 24),
    Column(N_("Why"), 32),
    Column(N_("Started"), 19),
    Column(N_("Ended"), 19),
    Column(N_("in 1C, read"), 12),
    Column(N_("in the ERP, owned"), 14),
    Column(N_("Differences"), 12),
    Column(N_("Corrected and verified"), 14),
    Column(N_("Left"), 10),
    Column(N_("Error"), 40),
    Column(N_("Digest of this run"), 66),
)


@dataclass(frozen=True, slots=True)
class Period:
    """The sealed runs begun from the first day to the last, both included, oldest first."""

    first: date
    last: date
    runs: tuple[int, ...]


def period_of(journal: Journal, first: date, last: date, zone: tzinfo) -> Period:
    """Find the runs of a period; days are days of ``zone``.

    Raises:
        UsageError: the last day is before the first.
    """
    if last < first:
        raise UsageError(
            coded("ZV3502", "the period ends before it begins"),
            place=f"--from {first} --to {last}",
            remedy=Message("give the earlier day first"),
        )
    begin = datetime.combine(first, time(), zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC)
    with journal.reading() as connection:
        return Period(first, last, sealed_between(connection, begin, end))


def export_period(
    journal: Journal,
    first: date,
    last: date,
    form: str,
    language: str,
    stream: BinaryIO,
    *,
    timezone: str | tzinfo = "Europe/Kyiv",
) -> int:
    """Write the period to a binary stream, in flat memory, and return how many runs it has.

    Raises:
        UsageError: an unknown form or language, or the period ends before it begins.
    """
    words = Words(language, timezone)
    if form not in PERIOD_FORMATS:
        raise UsageError(
            coded("ZV3507", "a period cannot be exported in the form {form}", form=repr(form)),
            place="--format",
            remedy=Message("choose one of: {names}", names=PERIOD_FORMATS),
        )
    period = period_of(journal, first, last, words.timezone)
    if form == "json":
        _write_json(journal, period, stream)
    else:
        _write_workbook(journal, period, words, stream)
    return len(period.runs)


def write_export(
    journal: Journal,
    first: date,
    last: date,
    path: Path,
    *,
    language: str,
    timezone: str | tzinfo = "Europe/Kyiv",
    form: str = "xlsx",
) -> int:
    """As :func:`export_period`, into a file that appears whole or not at all.

    Raises:
        ZvirkaError: the file cannot be written.
    """
    with atomic(path) as stream:
        return export_period(journal, first, last, form, language, stream, timezone=timezone)


def _write_json(journal: Journal, period: Period, stream: BinaryIO) -> None:
    head = f'{{"version": 1, "from": "{period.first}", "to": "{period.last}", "reports": ['
    stream.write(head.encode())
    for place, run in enumerate(period.runs):
        stream.write(b",\n" if place else b"\n")
        format_json.write(content_of(journal, run), stream)
    stream.write(b"]}\n")


def _write_workbook(journal: Journal, period: Period, words: Words, stream: BinaryIO) -> None:
    _ = words.gettext
    title = _("Reconciliation act, %(first)s to %(last)s") % {
        "first": words.day(datetime.combine(period.first, time(12), words.timezone)),
        "last": words.day(datetime.combine(period.last, time(12), words.timezone)),
    }
    created = datetime.combine(period.last, time(), UTC)
    workbook = Workbook(stream, words, title=title, created=created)
    act = workbook.sheet(_("Act"))
    runs = Listing(workbook, _("Runs"), _RUN_COLUMNS)
    differences = Listing(workbook, _("Differences"), (_RUN_COLUMN, *DIFFERENCE_COLUMNS))
    corrections = Listing(workbook, _("Corrections"), (_RUN_COLUMN, *CORRECTION_COLUMNS))
    summary = Act()
    for run in period.runs:
        findings = content_of(journal, run)
        summary.add(findings)
        runs.add([_run_row(findings, words)])
        for entry in findings.entries():
            number = entry.difference.number
            differences.add((run, *row) for row in difference_rows(entry, words))
            for write in entry.writes:
                corrections.add((run, *row) for row in correction_rows(number, write, words))
    for listing in (runs, differences, corrections):
        listing.finish()
    workbook.put(act, 0, 0, title, workbook.heading)
    workbook.blocks(act, 2, summary.blocks(words))
    workbook.close()


class Act:
    """The sums of a period, run by run."""

    def __init__(self) -> None:
        self._commands: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._failed = 0
        self._bases: dict[str, None] = {}
        self._stores: dict[str, None] = {}
        self._opening: ReportContent | None = None
        self._closing: ReportContent | None = None
        self._last_night: ReportContent | None = None

    def add(self, findings: ReportContent) -> None:
        """Count one run."""
        self._opening = self._opening or findings
        self._closing = findings
        self._commands[findings.run.command] += 1
        self._failed += findings.run.status.broke_off
        if findings.run.facts.base:
            self._bases[findings.run.facts.base] = None
            self._stores[findings.run.facts.store] = None
        if findings.run.command == Command.RECONCILE:
            self._causes.update({cause.value: n for cause, n in findings.causes.items()})
            if not findings.run.status.broke_off:
                self._last_night = findings
        self._outcomes.update({state.value: n for state, n in findings.outcomes.items()})

    def blocks(self, words: Words) -> Iterator[tuple[str, list[tuple[Cell, ...]]]]:
        """The act, block by block."""
        _ = words.gettext
        yield (
            _("What was compared"),
            [
                (_("1C base"), "; ".join(self._bases) or "—"),
                (_("Store of the ERP"), "; ".join(self._stores) or "—"),
            ],
        )
        runs: list[tuple[Cell, ...]] = [
            (words.word(COMMANDS, command), count) for command, count in self._commands.items()
        ]
        yield _("Runs"), [*runs, (_("of them failed"), self._failed)]
        yield (
            _("Differences by cause; one that lasts several nights counts each night"),
            [(words.cause(cause), count) for cause, count in self._causes.items()],
        )
        yield (
            _("Corrections by outcome"),
            [(words.outcome(state), count) for state, count in self._outcomes.items()],
        )
        if self._last_night:
            last = self._last_night
            yield (
                _("At the end of the period"),
                [
                    (_("Last reconciliation"), summary_text.title(last, words)),
                    *summary_text.counts(last, words),
                    (_("Left"), last.left),
                    *summary_text.left(last, words),
                ],
            )
        if self._opening and self._closing:
            yield (
                _("Seal"),
                [
                    (_("Digest before the period"), self._opening.run.previous_digest or "—"),
                    (_("Digest at the end of the period"), self._closing.run.digest),
                ],
            )
        yield (
            _("Signed"),
            [
                (_("For the accounting side (1C)"), "______________________"),
                (_("For the ERP side"), "______________________"),
            ],
        )


def _run_row(findings: ReportContent, words: Words) -> tuple[Any, ...]:
    fault = findings.run.error
    return (
        findings.run.id,
        words.word(COMMANDS, findings.run.command),
        words.status(findings.run.status),
        words.word(TRIGGERS, findings.run.trigger),
        findings.run.who,
        words.told(findings.run.reason),
        local_cell(findings.run.started_at, words),
        local_cell(findings.run.finished_at, words),
        findings.run.facts.source_rows,
        findings.run.facts.store_rows,
        findings.found if findings.counted else None,
        findings.applied if findings.counted else None,
        findings.left,
        words.told(sentence_of(fault.cause, fault.place, fault.remedy)) if fault else None,
        findings.run.digest,
    )
