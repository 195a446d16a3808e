"""The report as JSON: for programs, language-neutral, described by a JSON Schema.

The parts of the document are the journal's own records, flattened; the schema
(``schema/zvirka-report-2.schema.json``) is made from the same structures, and a test keeps the two
equal. ``version`` counts up when a member changes its meaning or goes away; members may be added
within a version. Differences are written one a line as they come out of the journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from zvirka import __version__
from zvirka.domain import Correction, Difference, OutcomeState
from zvirka.journal.records import DifferenceEntry, Fault, RunRecord, Tally, Write
from zvirka.journal.run_facts import Facts
from zvirka.report.content import Night, ReportContent

VERSION: Literal[2] = 2
SCHEMA = Path(__file__).parent / "schema" / f"zvirka-report-{VERSION}.schema.json"


def _fields_of(
    struct: type[msgspec.Struct], *names: str, leave_out: Iterable[str] = ()
) -> list[tuple[str, Any]]:
    """Names and types of a structure's fields: those named, or all but some."""
    types = {field.name: field.type for field in msgspec.structs.fields(struct)}
    return [(name, types[name]) for name in names or types if name not in set(leave_out)]


_CHAIN = ("previous_digest", "digest", "signature")
RunPart = msgspec.defstruct(
    "RunPart",
    [
        *_fields_of(RunRecord, leave_out=("facts", "error", "phase", "pruned_at", *_CHAIN)),
        ("pruned", bool),
    ],
    namespace={"__doc__": "Who or what asked for the run, and how it ended."},
    rename={"id": "number"},
)
ChainPart = msgspec.defstruct(
    "ChainPart",
    _fields_of(RunRecord, *_CHAIN),
    namespace={"__doc__": "The run's place in the digest chain; no digest while not sealed."},
)
CorrectionPart = msgspec.defstruct(
    "CorrectionPart",
    [
        *_fields_of(Correction),
        ("state", OutcomeState),
        ("detail", str),
        *_fields_of(Write, "intended_at", "settled_at", "settled_by"),
    ],
    namespace={"__doc__": "One write to the store and what became of it."},
)
DifferencePart = msgspec.defstruct(
    "DifferencePart",
    [*_fields_of(Difference), ("corrections", tuple[CorrectionPart, ...])],  # type: ignore[valid-type]
    namespace={"__doc__": "One counterparty on which the sides disagree, and what was done."},
)
_HEAD: list[tuple[str, Any]] = [
    ("version", Literal[VERSION]),
    ("generator", str),
    ("run", RunPart),
    ("facts", Facts),
    ("fault", Fault | None),
    ("tallies", tuple[Tally, ...]),
    ("outcomes", dict[str, int]),
    ("nights", tuple[Night, ...]),
    ("chain", ChainPart),
]
Head = msgspec.defstruct(
    "Head", _HEAD, namespace={"__doc__": "Everything of a report but its long list."}
)
Report = msgspec.defstruct(
    "Report",
    [*_HEAD, ("differences", tuple[DifferencePart, ...])],  # type: ignore[valid-type]
    namespace={"__doc__": "A whole report: the run, its counts, then every difference."},
)


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


def head_part(findings: ReportContent) -> msgspec.Struct:
    """Everything but the differences."""
    run = findings.run
    return Head(
        version=VERSION,
        generator=f"zvirka {__version__}",
        run=_taken(RunPart, run, pruned=run.pruned_at is not None),
        facts=run.facts,
        fault=run.error,
        tallies=findings.tallies,
        outcomes=findings.outcomes,
        nights=findings.nights,
        chain=_taken(ChainPart, run),
    )


def difference_part(entry: DifferenceEntry) -> msgspec.Struct:
    """One difference with its corrections."""
    corrections = tuple(map(correction_part, entry.writes))
    return _taken(DifferencePart, entry.difference, corrections=corrections)


def correction_part(write: Write) -> msgspec.Struct:
    """One correction with its outcome; ``row`` is the row written where it is known."""
    outcome = write.outcome
    return CorrectionPart(
        **{
            **msgspec.structs.asdict(write.correction),
            "row": outcome.row or write.correction.row,
        },
        state=outcome.state,
        detail=outcome.detail,
        intended_at=write.intended_at,
        settled_at=write.settled_at,
        settled_by=write.settled_by,
    )


def _taken(part: type[msgspec.Struct], record: msgspec.Struct, **more: Any) -> msgspec.Struct:
    """The part with the fields of that name from the record."""
    names = (name for name in part.__struct_fields__ if name not in more)
    return part(**{name: getattr(record, name) for name in names}, **more)


def _encoded(part: msgspec.Struct) -> bytes:
    try:
        return msgspec.json.encode(part, enc_hook=str)
    except UnicodeEncodeError:
        # Half a surrogate pair, which a broken client can leave in a column, is not Unicode text:
        # it becomes U+FFFD, as every reader of the JSON would make it.
        return msgspec.json.encode(_mended(msgspec.to_builtins(part, enc_hook=str)))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value
