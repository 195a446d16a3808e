"""A JSON report read back: the content it was rendered from, with the texts the journal holds.

The journal stores messages and values as JSON. A report has them as they are shown and, where that
differs, as they are stored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from zvirka.domain import Correction, Difference, Outcome
from zvirka.errors import NOT_JSON, UsageError
from zvirka.journal.records import DifferenceEntry, RunRecord, Write
from zvirka.journal.row_mapping import facts_from, fault_from
from zvirka.message import Message, coded, loaded
from zvirka.report.content import ReportContent
from zvirka.report.format_json import CHECK, VERSION, Report


def read_report(document: bytes, place: Path) -> Any:
    """The report of a JSON document.

    Raises:
        UsageError: it is not one, or of a version without a seal.
    """
    try:
        version = msgspec.json.decode(document, type=_Versioned).version
        if version == VERSION:
            return msgspec.json.decode(document, type=Report)
    except NOT_JSON as error:
        raise UsageError(
            coded(
                "ZV3511",
                "the file is not a report of zvirka, or damaged ({kind})",
                kind=type(error).__name__,
            ),
            place=str(place),
            remedy=Message(
                "take the file as zvirka wrote it, or check the report with the journal:"
                " zvirka audit verify --report FILE"
            ),
        ) from None
    raise UsageError(
        coded(
            "ZV3511",
            "a report of format version {version} does not carry its seal (version"
            " {version2} does)",
            version=version,
            version2=VERSION,
        ),
        place=str(place),
        remedy=Message("check it with the journal: zvirka audit verify --report FILE"),
    )


class _Versioned(msgspec.Struct):
    version: int


def content_of_report(report: Any) -> ReportContent:
    """The content of the report, as the renderer got it."""
    head = {name: getattr(report.run, name, None) for name in RunRecord.__struct_fields__}
    chain = {name: getattr(report.chain, name) for name in report.chain.__struct_fields__}
    run = RunRecord(
        **{**head, **chain, "id": report.run.id, "facts": report.facts, "error": report.fault}
    )
    run = _with_messages(run, record_of(report.seal.record) if report.seal else None)
    held = [_entry(part) for part in report.differences]

    def entries(numbers: Collection[int] | None = None) -> Iterator[DifferenceEntry]:
        for entry in held:
            if numbers is None or entry.difference.number in numbers:
                yield entry

    return ReportContent(
        run=run,
        tallies=report.tallies,
        nights=report.nights,
        entries=entries,
        seal=report.seal,
    )


def record_of(text: str) -> dict[str, Any] | None:
    """The columns of the run that the digest covers."""
    try:
        columns, _signature_before = json.loads(text)
        return dict(columns)
    except (ValueError, TypeError, RecursionError):
        return None


def _with_messages(run: RunRecord, record: dict[str, Any] | None) -> RunRecord:
    """The run with the messages of its record, of which the report has the English text."""
    try:
        facts = facts_from(json.loads(record["facts"])) if record else run.facts
        error = fault_from(json.loads(record["error"])) if record else run.error
        reason = loaded(record["reason"]) if record else run.reason
    except (KeyError, ValueError, TypeError, RecursionError):
        return run
    return msgspec.structs.replace(
        run,
        facts=facts if facts == run.facts else run.facts,
        error=error if error == run.error else run.error,
        reason=reason if reason == run.reason else run.reason,
    )


def _entry(part: Any) -> DifferenceEntry:
    """One difference as it was rendered from."""
    fields = _stored(part, "fields")
    rows = _stored(part, "rows")
    known = {name: getattr(part, name) for name in Difference.__struct_fields__}
    difference = msgspec.convert(
        {**msgspec.to_builtins(known), "fields": fields, "rows": rows}, Difference, strict=False
    )
    difference = msgspec.structs.replace(
        difference, note=sentence_of(part, "note"), evidence=sentence_of(part, "evidence")
    )
    writes = tuple(map(_write, part.corrections))
    return DifferenceEntry(difference, writes, part.values_digest, part.check)


def _write(part: Any) -> Write:
    known = {name: getattr(part, name) for name in Correction.__struct_fields__}
    known |= {"before": _stored(part, "before"), "after": _stored(part, "after")}
    outcome = Outcome(
        correction=part.id,
        state=part.state,
        detail=sentence_of(part, "detail"),
        row=part.written_row,
    )
    return Write(
        Correction(**known),
        outcome,
        part.intended_at,
        part.settled_at,
        part.settled_by,
        part.values_digest,
        part.check[:CHECK],
        part.check[CHECK:],
    )


def sentence_of(part: Any, name: str) -> str:
    """A sentence as the journal holds it, if its English text is the one shown."""
    shown: str = getattr(part, name)
    sealed = loaded(part.stored.get(name, ""))
    return sealed if sealed == shown else shown


def _stored(part: Any, name: str) -> Any:
    return json.loads(part.stored[name]) if name in part.stored else getattr(part, name)
