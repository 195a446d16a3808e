"""The report as JSON: for programs, language-neutral, described by a JSON Schema.

The structures below *are* the schema (``schema/zvirka-report-1.schema.json`` is made from them,
and a test keeps the two in step). ``version`` counts up when a member changes its meaning or
goes away; members may be added within a version. Differences are written one a line as they come
out of the journal.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import msgspec

from zvirka import __version__
from zvirka.domain import Action, Cause, Disposition, FieldDifference, Kind, OutcomeState
from zvirka.journal.run_facts import Facts
from zvirka.report.content import Night, ReportContent, ReportEntry, Write

VERSION: Literal[1] = 1
SCHEMA = Path(__file__).parent / "schema" / "zvirka-report-1.schema.json"

Count = Annotated[int, msgspec.Meta(ge=0)]


class RunPart(msgspec.Struct, frozen=True):
    """Who or what asked for the run, and how it ended."""

    number: int
    command: str
    trigger: str
    who: str
    reason: str
    status: str
    mode: str
    started_at: datetime
    finished_at: datetime | None
    exit_code: int | None
    parent: int | None
    fingerprint: str
    plan_digest: str
    pruned: bool


class FaultPart(msgspec.Struct, frozen=True):
    """Why the run failed."""

    cause: str
    place: str
    remedy: str


class TallyPart(msgspec.Struct, frozen=True):
    """Differences of one kind, cause and disposition."""

    kind: Kind
    cause: Cause
    disposition: Disposition
    count: Count


class NightPart(msgspec.Struct, frozen=True):
    """One nightly run of the chart."""

    run: int
    started_at: datetime
    status: str
    causes: dict[str, int]


class ChainPart(msgspec.Struct, frozen=True):
    """The run's place in the journal's digest chain; ``digest`` is empty while not sealed."""

    previous_digest: str
    digest: str
    signature: str


class CorrectionPart(msgspec.Struct, frozen=True):
    """One write to the store and what became of it."""

    id: int
    action: Action
    key: str
    ref: str
    row: str
    active: bool
    new_key: str | None
    before: dict[str, str | None]
    after: dict[str, str | None]
    state: OutcomeState
    detail: str
    intended_at: datetime
    settled_at: datetime | None
    settled_by: int | None


class DifferencePart(msgspec.Struct, frozen=True):
    """One counterparty on which the sides disagree, and what was done about it."""

    number: int
    kind: Kind
    cause: Cause
    key: str
    ref: str
    name: str
    row: str
    rows: tuple[str, ...]
    fields: tuple[FieldDifference, ...]
    action: Action | None
    disposition: Disposition
    note: str
    evidence: str
    corrections: tuple[CorrectionPart, ...]


class Head(msgspec.Struct, frozen=True):
    """Everything of a report but its long list."""

    version: Literal[1]
    generator: str
    run: RunPart
    facts: Facts
    fault: FaultPart | None
    tallies: tuple[TallyPart, ...]
    outcomes: dict[str, int]
    nights: tuple[NightPart, ...]
    chain: ChainPart


class Report(msgspec.Struct, frozen=True):
    """A whole report: the circumstances of the run, its totals, then every difference."""

    version: Literal[1]
    generator: str
    run: RunPart
    facts: Facts
    fault: FaultPart | None
    tallies: tuple[TallyPart, ...]
    outcomes: dict[str, int]
    nights: tuple[NightPart, ...]
    chain: ChainPart
    differences: tuple[DifferencePart, ...]


def write(findings: ReportContent, stream: BinaryIO) -> None:
    """Write the report to a binary stream, UTF-8, in flat memory."""
    head = msgspec.json.format(_encoded(head_part(findings)), indent=1).rstrip()
    stream.write(head.removesuffix(b"}").rstrip() + b',\n "differences": [')
    separator = b"\n"
    for entry in findings.entries():
        stream.write(separator + _encoded(difference_part(entry)))
        separator = b",\n"
    stream.write(b"]\n}\n")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the report."""
    described = msgspec.json.schema(Report)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"zvirka report, version {VERSION}",
        **described,
    }


def head_part(findings: ReportContent) -> Head:
    """Everything but the differences."""
    fault = findings.fault
    return Head(
        version=VERSION,
        generator=f"zvirka {__version__}",
        run=RunPart(
            number=findings.run,
            command=findings.command,
            trigger=findings.trigger,
            who=findings.who,
            reason=findings.reason,
            status=findings.status,
            mode=findings.mode,
            started_at=findings.started_at,
            finished_at=findings.finished_at,
            exit_code=findings.exit_code,
            parent=findings.parent,
            fingerprint=findings.fingerprint,
            plan_digest=findings.plan_digest,
            pruned=findings.pruned,
        ),
        facts=findings.facts,
        fault=FaultPart(fault.cause, fault.place, fault.remedy) if fault else None,
        tallies=tuple(
            TallyPart(tally.kind, tally.cause, tally.disposition, tally.count)
            for tally in findings.tallies
        ),
        outcomes={state.value: count for state, count in findings.outcomes.items()},
        nights=tuple(map(_night_part, findings.nights)),
        chain=ChainPart(findings.previous_digest, findings.digest, findings.signature),
    )


def difference_part(entry: ReportEntry) -> DifferencePart:
    """One difference with its corrections."""
    difference = entry.difference
    return DifferencePart(
        number=difference.number,
        kind=difference.kind,
        cause=difference.cause,
        key=difference.key,
        ref=difference.ref,
        name=difference.name,
        row=difference.row,
        rows=difference.rows,
        fields=difference.fields,
        action=difference.action,
        disposition=difference.disposition,
        note=difference.note,
        evidence=difference.evidence,
        corrections=tuple(map(correction_part, entry.writes)),
    )


def correction_part(write: Write) -> CorrectionPart:
    """One correction with its outcome."""
    correction = write.correction
    return CorrectionPart(
        id=correction.id,
        action=correction.action,
        key=correction.key,
        ref=correction.ref,
        row=write.outcome.row or correction.row,
        active=correction.active,
        new_key=correction.new_key,
        before=correction.before,
        after=correction.after,
        state=write.outcome.state,
        detail=write.outcome.detail,
        intended_at=write.intended_at,
        settled_at=write.settled_at,
        settled_by=write.settled_by,
    )


def _night_part(night: Night) -> NightPart:
    causes = {cause.value: count for cause, count in night.causes.items()}
    return NightPart(night.run, night.started_at, night.status, causes)


def _encoded(part: msgspec.Struct) -> bytes:
    try:
        return msgspec.json.encode(part)
    except UnicodeEncodeError:
        # A half of a surrogate pair, which a broken client can leave in a column, is no Unicode
        # text: it becomes U+FFFD here, as every reader of the JSON would make it.
        return msgspec.json.encode(_mended(msgspec.to_builtins(part)))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value
