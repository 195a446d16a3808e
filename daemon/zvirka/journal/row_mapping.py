"""Between the domain's words and the journal's rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from zvirka.domain import (
    Action,
    Cause,
    Correction,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Outcome,
    OutcomeState,
)
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
        "note": plain(difference.note),
        "evidence": plain(difference.evidence),
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
        note=row["note"],
        evidence=row["evidence"],
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
        "detail": plain(outcome.detail),
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
        detail=row["detail"],
        row=row["written_row"],
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
