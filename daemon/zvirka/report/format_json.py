"""The report as JSON: for programs, language-neutral, described by a JSON Schema.

The parts of the document are the journal's own records, flattened; the schema
(``schema/zvirka-report-3.schema.json``) is made from the same structures, and a test keeps the two
equal. ``version`` counts up when a member changes its meaning or goes away; members may be added
within a version. Differences are written one a line as they come out of the journal.

The report proves itself (:mod:`zvirka.report.proof`): ``seal`` holds what the run's digest is taken
over. ``check`` is the beginning of a row's digest and names the row that was altered.
``values_digest`` stands for personal values that were pruned, ``stored`` for what was stored in
other words: messages, of which this file has the English text, and JSON with half a surrogate
pair, which it cannot hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from zvirka import __version__
from zvirka.domain import Correction, Difference, OutcomeState
from zvirka.journal.column_types import canonical
from zvirka.journal.records import DifferenceEntry, Fault, RunRecord, SealRecord, Tally, Write
from zvirka.journal.run_facts import Facts
from zvirka.message import Message, stored
from zvirka.report.content import Night, ReportContent

VERSION: Literal[3] = 3
CHECK = 8
"""Letters of a digest that name an altered row; the seal itself covers whole digests."""
_SURROGATE = re.compile(r"\\ud[89a-f]")
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
    _fields_of(RunRecord, leave_out=("facts", "error", *_CHAIN)),
    namespace={"__doc__": "Who or what asked for the run, and how it ended."},
    rename={"id": "number"},
)
ChainPart = msgspec.defstruct(
    "ChainPart",
    _fields_of(RunRecord, *_CHAIN),
    namespace={"__doc__": "The run's place in the digest chain; no digest while not sealed."},
)
_PROOF: list[tuple[str, Any] | tuple[str, Any, Any]] = [
    ("check", str, ""),
    ("values_digest", str, ""),
    ("stored", dict[str, str], {}),
]
CorrectionPart = msgspec.defstruct(
    "CorrectionPart",
    [
        *_fields_of(Correction),
        ("state", OutcomeState),
        ("detail", str),
        ("written_row", str),
        *_fields_of(Write, "intended_at", "settled_at", "settled_by"),
        *_PROOF,
    ],
    namespace={"__doc__": "One write to the store and what became of it."},
    omit_defaults=True,
)
DifferencePart = msgspec.defstruct(
    "DifferencePart",
    [*_fields_of(Difference), ("corrections", tuple[CorrectionPart, ...]), *_PROOF],  # type: ignore[valid-type]
    namespace={"__doc__": "One counterparty on which the sides disagree, and what was done."},
    omit_defaults=True,
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
    ("seal", SealRecord | None),
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
    for piece in pieces(findings):
        stream.write(piece)


def pieces(findings: ReportContent) -> Iterator[bytes]:
    """The report piece by piece, UTF-8, in flat memory."""
    head = msgspec.json.format(_encoded(head_part(findings)), indent=1).rstrip()
    yield head.removesuffix(b"}").rstrip() + b',\n "differences": ['
    separator = b"\n"
    pruned = findings.run.pruned_at is not None
    for entry in findings.entries():
        yield separator + _encoded(difference_part(entry, pruned=pruned))
        separator = b",\n"
    yield b"]\n}\n"


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
        run=_taken(RunPart, run),
        facts=run.facts,
        fault=run.error,
        tallies=findings.tallies,
        outcomes=findings.outcomes,
        nights=findings.nights,
        chain=_taken(ChainPart, run),
        seal=findings.seal,
    )


def difference_part(entry: DifferenceEntry, *, pruned: bool = False) -> msgspec.Struct:
    """One difference with its corrections."""
    difference = entry.difference
    return _taken(
        DifferencePart,
        difference,
        corrections=tuple(correction_part(write, pruned=pruned) for write in entry.writes),
        check=entry.digest[:CHECK],
        values_digest=entry.values_digest if pruned else "",
        stored=_stored(rows=difference.rows, fields=msgspec.to_builtins(difference.fields))
        | _messages(note=difference.note, evidence=difference.evidence),
    )


def correction_part(write: Write, *, pruned: bool = False) -> msgspec.Struct:
    """One correction with its outcome."""
    correction, outcome = write.correction, write.outcome
    return CorrectionPart(
        **msgspec.structs.asdict(correction),
        state=outcome.state,
        detail=outcome.detail,
        written_row=outcome.row,
        intended_at=write.intended_at,
        settled_at=write.settled_at,
        settled_by=write.settled_by,
        check=write.digest[:CHECK] + write.settled_digest[:CHECK],
        values_digest=write.values_digest if pruned else "",
        stored=_stored(before=correction.before, after=correction.after)
        | _messages(detail=outcome.detail),
    )


def _stored(**values: Any) -> dict[str, str]:
    """The JSON texts that cannot be made again from this file."""
    texts = {name: canonical(value) for name, value in values.items()}
    return {name: text for name, text in texts.items() if _SURROGATE.search(text)}


def _messages(**texts: str) -> dict[str, str]:
    """The messages among the texts as the journal stores them."""
    return {name: stored(text) for name, text in texts.items() if isinstance(text, Message)}


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
        return msgspec.json.encode(mended(msgspec.to_builtins(part, enc_hook=str)))


def mended(value: Any) -> Any:
    """The value with U+FFFD for each half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {mended(key): mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mended(item) for item in value]
    return value
