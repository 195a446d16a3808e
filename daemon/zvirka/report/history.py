"""The history of one counterparty across runs: for a terminal, as JSON, as HTML.

What 1C held, what the ERP held, what was changed and by which run (:meth:`Journal.history`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import BinaryIO

import msgspec

from zvirka import __version__
from zvirka.errors import UsageError
from zvirka.i18n.visible_text import one_line
from zvirka.i18n.words import COMMANDS, Words
from zvirka.journal.journal import Journal
from zvirka.journal.records import HistoryEntry
from zvirka.message import Message, coded
from zvirka.report.format_html import emit

HISTORY_FORMATS = ("text", "json", "html")


class HistoryPart(msgspec.Struct, frozen=True):
    """The JSON form: what was asked for, and the entries, oldest first."""

    version: int
    generator: str
    key: str
    ref: str
    entries: list[HistoryEntry]


def render_history(
    journal: Journal,
    form: str,
    language: str,
    stream: BinaryIO,
    *,
    key: str = "",
    ref: str = "",
    timezone: str | tzinfo = "Europe/Kyiv",
) -> int:
    """Write one counterparty's history to a binary stream, and return how many entries it has.

    Raises:
        UsageError: an unknown form or language.
    """
    words = Words(language, timezone)
    entries = journal.history(key=key, ref=ref)
    if form == "json":
        part = HistoryPart(1, f"zvirka {__version__}", key, ref, entries)
        stream.write(msgspec.json.format(msgspec.json.encode(part, enc_hook=str), indent=1) + b"\n")
    elif form == "text":
        for line in history_lines(entries, words, key=key, ref=ref):
            stream.write(line.encode() + b"\n")
    elif form == "html":
        emit(
            "history.html",
            stream,
            words,
            entries=entries,
            key=key,
            ref=ref,
            history_head=history_head,
            history_done=history_done,
        )
    else:
        raise UsageError(
            coded("ZV3507", "there is no history in the form {form}", form=repr(form)),
            place="--format",
            remedy=Message("choose one of: {names}", names=HISTORY_FORMATS),
        )
    return len(entries)


def history_lines(
    entries: Sequence[HistoryEntry], words: Words, *, key: str, ref: str
) -> Iterator[str]:
    """The history for a terminal; no character of outside text can steer it."""
    _ = words.gettext
    asked = " · ".join(part for part in (key, ref) if part)
    yield f"{_('The life of a counterparty')}: {one_line(asked)}"
    if not entries:
        yield _("The journal knows of no difference on it.")
        return
    for entry in entries:
        yield ""
        yield f"{words.clock(entry.at)}  {history_head(entry, words)}"
        yield f"    {words.kind(entry.kind)}; {words.cause(entry.cause)}"
        for field in entry.fields:
            values = [_shown(field.found), _shown(field.wanted)]
            if field.read_back is not None:
                values.append(_shown(field.read_back))
            yield f"    {one_line(words.field(field.field))}: {' → '.join(values)}"
        yield f"    {history_done(entry, words)}"
        for text in (entry.detail, entry.evidence, entry.note):
            if text:
                yield f"    {one_line(words.told(text))}"


def history_head(entry: HistoryEntry, words: Words) -> str:
    """Which run an entry is of, and on whose account."""
    return f"{words.word(COMMANDS, entry.command)} № {entry.run}, {one_line(entry.who)}"


def history_done(entry: HistoryEntry, words: Words) -> str:
    """What the run did about it, or decided."""
    told = words.outcome(entry.outcome) if entry.outcome else words.disposition(entry.disposition)
    done = f"{words.action(entry.action)}: {told}" if entry.action else told
    return f"{done}, {words.clock(entry.settled_at)}" if entry.settled_at else done


def _shown(value: str | None) -> str:
    return "NULL" if value is None else f"«{one_line(value)}»"
