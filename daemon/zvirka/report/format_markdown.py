"""The report as Markdown (GitHub's dialect): for a ticket, a wiki, a pull request.

Values from 1C and the ERP are written as code spans, where markup, links and HTML have no effect;
markup in sentences is escaped. A line break in a value is spelt out, since a table row is one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from zvirka.i18n.visible_text import one_line
from zvirka.i18n.words import Words
from zvirka.journal.records import DifferenceEntry
from zvirka.report import summary_text
from zvirka.report.content import ReportContent

_MARKUP = re.compile(r"([\\`*_\[\]<>|~#&@$])")
_TICKS = re.compile("`+")


def write(findings: ReportContent, words: Words, stream: BinaryIO) -> None:
    """Write the report to a binary stream, UTF-8, in flat memory."""
    for line in _lines(findings, words):
        stream.write(line.encode() + b"\n")


def escaped(text: str) -> str:
    """Outside text for a sentence or a table cell, with its markup escaped."""
    shown = _MARKUP.sub(r"\\\1", one_line(text))
    return shown.replace("://", ":\\//").replace("www.", "www\\.")


def code(text: str | None) -> str:
    """A value as a code span; a dash for one that is not set, nothing for an empty text."""
    if text is None:
        return "—"
    if not text:
        return ""
    shown = one_line(text).replace("|", "\\|")
    longest = max((len(run) for run in _TICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest or shown.strip() != shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _lines(findings: ReportContent, words: Words) -> Iterator[str]:
    _ = words.gettext
    yield f"# zvirka: {escaped(summary_text.title(findings, words))}"
    yield ""
    yield f"**{summary_text.headline(findings, words)}**"
    yield ""
    if lines := summary_text.fault(findings, words):
        yield from _section(_("Error"))
        yield from _list(lines)
    yield from _differences(findings, words)
    yield from _holds(findings, words)
    if notes := summary_text.notes(findings, words):
        yield from _section(_("Warnings"))
        yield from (f"- {escaped(note)}" for note in notes)
        yield ""
    yield from _section(_("Who asked, and when"))
    yield from _list(summary_text.request_lines(findings, words))
    if lines := summary_text.compared(findings, words):
        yield from _section(_("What was compared"))
        yield from _list(lines)
        yield from _list(
            [(label, words.number(count)) for label, count in summary_text.counts(findings, words)]
        )
    for heading, counts in summary_text.totals(findings, words):
        yield from _section(heading)
        yield from _list([(label, words.number(count)) for label, count in counts])
    if findings.run.facts.fields:
        yield from _section(_("Field mapping"))
        yield from _table(
            [_("Field"), _("In 1C"), _("Compared")],
            (
                [escaped(label), code(source), escaped(law)]
                for _n, label, source, law in summary_text.mapping(findings, words)
            ),
        )
    yield from _section(_("Seal"))
    yield from _seal(findings, words)


def _holds(findings: ReportContent, words: Words) -> Iterator[str]:
    _ = words.gettext
    if not findings.run.facts.held:
        return
    yield from _section(_("Limits that held the run"))
    yield from _table(
        [_("Limit"), _("Found"), _("Allowed"), _("What is held")],
        ([escaped(part) for part in hold] for hold in summary_text.holds(findings, words)),
    )
    yield summary_text.approval(findings, words)
    yield ""
    yield f"    {summary_text.approve_command(findings)}"
    yield f"    {summary_text.reject_command(findings)}"
    yield ""


def _differences(findings: ReportContent, words: Words) -> Iterator[str]:
    _ = words.gettext
    if not findings.found:
        return
    yield from _section(f"{_('Differences')} ({words.number(findings.found)})")
    yield from _table(
        [
            _("No."),
            _("Code"),
            _("Name"),
            _("Ref_Key"),
            _("Kind"),
            _("Cause"),
            f"{_('Field')}: {_('ERP before')} → {_('1C')} → {_('Read back')}",
            _("What was done"),
        ],
        (_difference(entry, words) for entry in findings.entries()),
    )


def _difference(entry: DifferenceEntry, words: Words) -> list[str]:
    difference = entry.difference
    fields = [
        f"{escaped(words.field(field.field))}: "
        f"{code(field.found)} → {code(field.wanted)} → "
        f"{code(field.read_back)}"
        for field in summary_text.told_fields(difference.fields)
    ]
    done = [summary_text.done(entry, words)]
    done += [words.clock(write.settled_at) for write in entry.writes[-1:] if write.settled_at]
    notes = [write.outcome.detail for write in entry.writes]
    notes += [difference.evidence, difference.note]
    done += [escaped(words.told(note)) for note in notes if note]
    return [
        str(difference.number),
        code(difference.key),
        escaped(difference.name),
        code(difference.ref),
        words.kind(difference.kind),
        words.cause(difference.cause),
        "<br>".join(fields),
        "<br>".join(done),
    ]


def _seal(findings: ReportContent, words: Words) -> Iterator[str]:
    return _list(
        [(label, value) for label, value in summary_text.seal(findings, words)], code_values=True
    )


def _section(heading: str) -> Iterator[str]:
    yield f"## {heading}"
    yield ""


def _list(lines: Iterable[summary_text.Line], *, code_values: bool = False) -> Iterator[str]:
    for label, value in lines:
        # An address is a code span: many viewers show the backslashes that keep it from a link.
        exact = code_values or "://" in value
        yield f"- {label}: {code(value) if exact else escaped(value)}"
    yield ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
