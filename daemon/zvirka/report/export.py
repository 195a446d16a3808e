"""The runs of a period in one workbook, laid out as an акт звірки; or as JSON.

The workbook holds the act itself (the parties, what was compared, with what result, between which
digests), the clients on which the sides differed, and the runs. A client is there once, as the last
run of the period left it, also when several nights or a held run and its approval named it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path
from typing import Any, BinaryIO

from zvirka.domain import Cause, Command, Disposition, OutcomeState
from zvirka.errors import UsageError, sentence_of
from zvirka.i18n import N_
from zvirka.i18n.words import COMMANDS, TRIGGERS, Words
from zvirka.journal.difference_queries import last_differences
from zvirka.journal.journal import Journal
from zvirka.journal.queries import sealed_between
from zvirka.journal.records import DifferenceEntry
from zvirka.message import Message, coded
from zvirka.now import day_begins, day_ends
from zvirka.report import format_json, summary_text
from zvirka.report.assembly import content_of
from zvirka.report.columns import (
    Cell,
    Column,
    local_cell,
)
from zvirka.report.content import ReportContent
from zvirka.report.files import atomic
from zvirka.report.format_xlsx import Listing, Workbook
from zvirka.settings.model import ActSettings

PERIOD_FORMATS = ("xlsx", "json")
NO_PARTIES = ActSettings()
"""Lines to fill in by hand."""
_RUN_COLUMN = Column(N_("Run"), 8)
_RUN_COLUMNS = (
    _RUN_COLUMN,
    Column(N_("What"), 20),
    Column(N_("Status"), 14),
    Column(N_("Triggered by"), 20),
    Column(N_("Who"), 16),
    Column(N_("Why"), 24),
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

_RUNS_PRINTED = len(_RUN_COLUMNS) - 2
_CLIENT_COLUMNS = (
    Column(N_("Code"), 14),
    Column(N_("Name"), 34),
    Column(N_("Cause"), 18),
    Column(N_("ERP before → 1C"), 54),
    Column(N_("Outcome"), 20),
    Column(N_("When"), 19),
    Column(N_("Run"), 8),
    Column(N_("No."), 8),
)
_BLANK = "____________________"
_BATCH = 500


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
    begin = day_begins(first, zone)
    end = day_ends(last, zone)
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
    parties: ActSettings = NO_PARTIES,
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
        for piece in _pieces(journal, period):
            stream.write(piece)
    else:
        _write_workbook(journal, period, parties, words, stream)
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
    parties: ActSettings = NO_PARTIES,
) -> int:
    """As :func:`export_period`, into a file that appears whole or not at all.

    Raises:
        ZvirkaError: the file cannot be written.
    """
    with atomic(path) as stream:
        return export_period(
            journal, first, last, form, language, stream, timezone=timezone, parties=parties
        )


def _pieces(journal: Journal, period: Period) -> Iterator[bytes]:
    """The JSON document of the period, its reports in the order of the chain."""
    yield f'{{"version": 1, "from": "{period.first}", "to": "{period.last}", "reports": ['.encode()
    for place, run in enumerate(period.runs):
        yield b",\n" if place else b"\n"
        yield from format_json.pieces(content_of(journal, run))
    yield b"]}\n"


def _write_workbook(
    journal: Journal, period: Period, parties: ActSettings, words: Words, stream: BinaryIO
) -> None:
    _ = words.gettext
    title = _("Reconciliation act № %(number)s, %(first)s to %(last)s") % {
        "number": act_number(period),
        "first": words.day(datetime.combine(period.first, time(12), words.timezone)),
        "last": words.day(datetime.combine(period.last, time(12), words.timezone)),
    }
    created = datetime.combine(period.last, time(), UTC)
    workbook = Workbook(stream, words, title=title, created=created)
    sheet = workbook.sheet(_("Act"))
    clients = Listing(workbook, _("Clients"), _CLIENT_COLUMNS)
    runs = Listing(workbook, _("Runs"), _RUN_COLUMNS, printed=_RUNS_PRINTED)
    act = Act(parties)
    with journal.reading() as connection:
        last = last_differences(connection, period.runs)
    for run in period.runs:
        findings = content_of(journal, run)
        act.add(findings)
        runs.add([_run_row(findings, words)])
        numbers_here = last.get(run, [])
        for start in range(0, len(numbers_here), _BATCH):
            numbers = numbers_here[start : start + _BATCH]
            for entry in findings.entries(numbers):
                act.add_client(entry)
                tone = summary_text.tone_of(summary_text.state_of(entry))
                clients.add([_client_row(run, entry, words)], tone)
    for listing in (clients, runs):
        listing.finish()
    workbook.put(sheet, 0, 0, title, workbook.heading)
    workbook.blocks(sheet, 2, act.blocks(words))
    workbook.embed(_pieces(journal, period))
    workbook.close()


def act_number(period: Period) -> str:
    """The number of the act: of its last day and the runs it covers, the same whenever written."""
    day = f"{period.last:%Y%m%d}"
    return f"{day}/{period.runs[0]}-{period.runs[-1]}" if period.runs else day


class Act:
    """The sums of a period, added up run by run and client by client."""

    def __init__(self, parties: ActSettings) -> None:
        self._parties = parties
        self._commands: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._endings: Counter[OutcomeState | Disposition] = Counter()
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
        if findings.run.command == Command.RECONCILE and not findings.run.status.broke_off:
            self._last_night = findings

    def add_client(self, entry: DifferenceEntry) -> None:
        """Count one client."""
        self._causes[entry.difference.cause] += 1
        self._endings[summary_text.state_of(entry)] += 1

    def blocks(self, words: Words) -> Iterator[tuple[str, list[tuple[Cell, ...]]]]:
        """The act, block by block."""
        _ = words.gettext
        yield (
            _("The parties"),
            [
                (_("Accounting side (1C)"), self._parties.accounting_side or _BLANK),
                (_("ERP side"), self._parties.erp_side or _BLANK),
                (_("Place"), self._parties.place or _BLANK),
                (_("Date of signing"), _BLANK),
            ],
        )
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
            _("Clients on which the sides differed, by cause"),
            [(words.cause(cause), self._causes[cause]) for cause in Cause if self._causes[cause]],
        )
        yield (
            _("The same clients by how it ended"),
            [
                (summary_text.state_word(state, words), count)
                for state, count in self._endings.items()
            ],
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
        signature = _("position, name: %(line)s   signature: %(line)s") % {"line": _BLANK}
        yield (
            _("Signed"),
            [
                (_("For the accounting side (1C)"), signature),
                (_("For the ERP side"), signature),
            ],
        )


def _client_row(run: int, entry: DifferenceEntry, words: Words) -> tuple[Cell, ...]:
    difference = entry.difference
    settled = entry.writes[-1].settled_at if entry.writes else None
    changed = (
        f"{words.field(one.field)}: {_value(one.found)} → {_value(one.wanted)}"
        for one in summary_text.glimpsed(difference)
    )
    return (
        difference.key,
        difference.name,
        words.cause(difference.cause),
        "\n".join(changed) or words.kind(difference.kind),
        summary_text.ending(entry, words),
        local_cell(settled, words),
        run,
        difference.number,
    )


def _value(text: str | None) -> str:
    return "—" if text is None else f"«{text}»"


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
