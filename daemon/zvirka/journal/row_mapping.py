"""Converts domain objects to the journal's rows and back; the only place that does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from zvirka.domain import (
    Action,
    Cause,
    Command,
    Correction,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Mode,
    Outcome,
    OutcomeState,
    RunStatus,
    Trigger,
)
from zvirka.errors import JournalError
from zvirka.journal.column_types import canonical, plain
from zvirka.journal.digests import (
    Raw,
    content_digest,
    correction_row_digest,
    correction_values_digest,
    difference_row_digest,
    difference_values_digest,
    settlement_digest,
)
from zvirka.journal.records import Fault, RunRecord, Write
from zvirka.journal.run_facts import Facts
from zvirka.message import Message, coded, loaded, stored


def run_from(row: Raw) -> RunRecord:
    """A run from its row.

    Raises:
        JournalError: the row holds what no zvirka writes.
    """
    try:
        return RunRecord(
            id=row["id"],
            command=Command(row["command"]),
            trigger=Trigger(row["trigger"]),
            who=row["who"],
            reason=loaded(row["reason"]),
            status=RunStatus(row["status"]),
            phase=row["phase"],
            mode=Mode(row["mode"]) if row["mode"] else None,
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            exit_code=row["exit_code"],
            parent=row["parent"],
            fingerprint=row["fingerprint"],
            plan_digest=row["plan_digest"],
            facts=facts_from(row["facts"]),
            error=fault_from(row["error"]) if row["error"] else None,
            previous_digest=row["previous_digest"],
            digest=row["digest"],
            signature=row["signature"],
            pruned_at=row["pruned_at"],
        )
    except ValueError as error:  # msgspec.ValidationError is one
        raise JournalError(
            coded("ZV5201", "run {row} cannot be read: its row was altered", row=row["id"]),
            place=Message("the journal, table run"),
            remedy=Message("`zvirka audit verify` shows what was altered"),
        ) from error


def facts_from(value: Any) -> Facts:
    """The facts of a run from their JSON, with the messages in them."""
    facts = msgspec.convert(value, Facts)
    for sentences in (facts.incomplete_because, facts.recovered, facts.warnings):
        sentences[:] = map(loaded, sentences)
    return facts


def fault_from(error: dict[str, str]) -> Fault:
    """What ended a run, from its JSON."""
    return Fault(**{name: loaded(text) for name, text in error.items()})


def difference_record(run: int, salt: str, difference: Difference) -> dict[str, Any]:
    """A row of ``difference`` with its digests."""
    record: dict[str, Any] = {
        "run_id": run,
        "number": difference.number,
        "kind": difference.kind.value,
        "cause": difference.cause.value,
        "key": plain(difference.key),
        "ref": plain(difference.ref),
        "row": plain(difference.row),
        "action": difference.action.value if difference.action else "",
        "disposition": difference.disposition.value,
        "name": plain(difference.name),
        "rows": canonical(difference.rows),
        "fields": canonical(msgspec.to_builtins(difference.fields)),
        "note": plain(stored(difference.note)),
        "evidence": plain(stored(difference.evidence)),
    }
    record["values_digest"] = difference_values_digest(salt, record)
    record["digest"] = difference_row_digest(record)
    return record


def difference_from(row: Raw) -> Difference:
    """A difference as it was recorded; after prune without name, fields, note and evidence."""
    return Difference(
        number=row["number"],
        kind=Kind(row["kind"]),
        cause=Cause(row["cause"]),
        key=row["key"],
        ref=row["ref"],
        name=row["name"],
        row=row["row"],
        rows=tuple(row["rows"]),
        fields=fields_from(row["fields"]),
        action=Action(row["action"]) if row["action"] else None,
        disposition=Disposition(row["disposition"]),
        note=loaded(row["note"]),
        evidence=loaded(row["evidence"]),
    )


def fields_from(value: Any) -> tuple[FieldDifference, ...]:
    """The differing fields from their JSON."""
    return msgspec.convert(value, tuple[FieldDifference, ...])


def correction_record(
    run: int, number: int, salt: str, correction: Correction, now: datetime
) -> dict[str, Any]:
    """A row of ``correction``, intended and not settled."""
    record: dict[str, Any] = {
        "id": correction.id,
        "run_id": run,
        "number": number,
        "action": correction.action.value,
        "key": plain(correction.key),
        "ref": plain(correction.ref),
        "row": plain(correction.row),
        "active": correction.active,
        "new_key": None if correction.new_key is None else plain(correction.new_key),
        "before": canonical(correction.before),
        "after": canonical(correction.after),
        "intended_at": now,
        "state": OutcomeState.INTENDED.value,
        "detail": "",
        "written_row": "",
        "settled_at": None,
        "settled_by": None,
        "settled_digest": "",
    }
    record["values_digest"] = correction_values_digest(salt, record)
    record["digest"] = correction_row_digest(record)
    return record


def settlement_record(run: int, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The settled columns of a row of ``correction``; ``id`` says of which."""
    record: dict[str, Any] = {
        "id": outcome.correction,
        "state": outcome.state.value,
        "detail": plain(stored(outcome.detail)),
        "written_row": plain(outcome.row),
        "settled_at": now,
        "settled_by": run,
    }
    record["settled_digest"] = settlement_digest(record)
    return record


def correction_from(row: Raw) -> Correction:
    """A correction as it was intended; after prune without before and after."""
    return Correction(
        id=row["id"],
        action=Action(row["action"]),
        key=row["key"],
        ref=row["ref"],
        row=row["row"],
        active=row["active"],
        before=row["before"],
        after=row["after"],
        new_key=row["new_key"],
    )


def outcome_from(row: Raw) -> Outcome:
    """What became of a correction so far."""
    return Outcome(
        correction=row["id"],
        state=OutcomeState(row["state"]),
        detail=loaded(row["detail"]),
        row=row["written_row"],
    )


def write_from(row: Raw) -> Write:
    """A correction with its outcome and times."""
    return Write(
        correction_from(row),
        outcome_from(row),
        row["intended_at"],
        row["settled_at"],
        row["settled_by"],
        row["values_digest"],
        row["digest"],
        row["settled_digest"],
    )


def approved_content(difference: Difference) -> str:
    """The content digest of a difference as it would be recorded."""
    row = {
        "kind": difference.kind.value,
        "key": plain(difference.key),
        "ref": plain(difference.ref),
        "row": plain(difference.row),
        "rows": list(difference.rows),
        "action": difference.action.value if difference.action else "",
        "fields": msgspec.to_builtins(difference.fields),
    }
    return content_digest(row)
