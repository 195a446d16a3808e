"""Row by row: what does not match its own digest, and rows that belong to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, Text, select, type_coerce

from zvirka.journal.columns import canonical
from zvirka.journal.digests import (
    correction_row_digest,
    correction_values_digest,
    difference_row_digest,
    difference_values_digest,
    digest_of,
    raw_columns,
    settlement_digest,
)
from zvirka.journal.sealing import CHUNK, CORRECTION, DIFFERENCE, RECEIPT, RUN
from zvirka.journal.tables import CorrectionRow, DifferenceRow

_EMPTY = digest_of({})


class ChainProblem(msgspec.Struct, frozen=True):
    """One thing wrong: the run, 0 when no single run is meant, and an English sentence."""

    run: int
    text: str


def unsound_rows(connection: Connection, row: Mapping[str, Any]) -> Iterator[ChainProblem]:
    """The rows of a run (given as its raw row) that do not match their own digests."""
    run, salt, gone = row["id"], row["salt"], row["pruned_at"] is not None
    for table, model, check in (
        (DIFFERENCE, DifferenceRow, _difference_holds),
        (CORRECTION, CorrectionRow, _correction_holds),
    ):
        what, order = table.name, "number" if table is DIFFERENCE else "id"
        query = select(*raw_columns(model)).where(table.c.run_id == run).order_by(table.c[order])
        streaming = connection.execution_options(yield_per=CHUNK)
        try:
            for cells in streaming.execute(query).mappings():
                if not check(cells, salt, pruned=gone):
                    number = cells[order]
                    yield ChainProblem(run, f"run {run}, table {what}: {what} {number} altered")
        except (ValueError, TypeError) as error:
            kind = type(error).__name__
            yield ChainProblem(run, f"run {run}, table {what}: a row was altered ({kind})")


def _difference_holds(row: Any, salt: str, *, pruned: bool) -> bool:
    if pruned:
        values = (row["name"], row["fields"], row["note"], row["evidence"]) == ("", "[]", "", "")
    else:
        values = difference_values_digest(salt, row) == row["values_digest"]
    return values and difference_row_digest(row) == row["digest"]


def _correction_holds(row: Any, salt: str, *, pruned: bool) -> bool:
    if pruned:
        values = (row["before"], row["after"]) == ("{}", "{}")
    else:
        values = correction_values_digest(salt, row) == row["values_digest"]
    if row["settled_by"] is None:
        outcome = ("intended", "", "", None, "")
        names = ("state", "detail", "written_row", "settled_at", "settled_digest")
        settled = tuple(row[name] for name in names) == outcome
    else:
        settled = settlement_digest(row) == row["settled_digest"]
    return values and settled and correction_row_digest(row) == row["digest"]


def stray_rows(connection: Connection) -> Iterator[ChainProblem]:
    """Rows of runs that are not there."""
    known = select(RUN.c.id)
    places: tuple[tuple[Table, str], ...] = (
        (DIFFERENCE, "run_id"),
        (CORRECTION, "run_id"),
        (CORRECTION, "settled_by"),
    )
    for table, name in places:
        column = table.c[name]
        query = select(column).where(column.is_not(None), column.not_in(known)).distinct()
        for run in connection.execute(query).scalars().all():
            number = run if isinstance(run, int) else 0
            yield ChainProblem(number, f"run {run}, table {table.name}: rows of a run that is gone")


def unsound_receipts(
    connection: Connection, pruned: int, known: dict[int | str, int]
) -> Iterator[ChainProblem]:
    """What seals and prune runs say of receipts; their own chain is walked by itself.

    Args:
        connection: of the journal.
        pruned: the last receipt whose extra keys were emptied.
        known: numbers and digests of receipts that seals name, each with the first such run.
    """
    missing = dict(known)
    r = RECEIPT.c
    extra, payload = type_coerce(r.extra, Text), type_coerce(r.payload, Text)
    query = select(r.id, r.digest, r.settled_digest, r.outcome, r.extra_digest, extra, payload)
    streaming = connection.execution_options(yield_per=CHUNK)
    for number, digest, settled, outcome, extra_digest, more, body in streaming.execute(query):
        for mark in (number, digest, settled):
            missing.pop(mark, None)
        if number <= pruned:
            holds = more == "{}"
        else:
            holds = (more == "{}") == (extra_digest == _EMPTY) and _is_canonical(more)
        if not holds:
            yield ChainProblem(0, f"table receipt: receipt {number} altered (extra)")
        if outcome and body != "{}":
            yield ChainProblem(0, f"table receipt: receipt {number} altered (payload)")
    for run in sorted(set(missing.values())):
        yield ChainProblem(
            run, f"table receipt: the last receipt when run {run} was sealed was altered or removed"
        )


def _is_canonical(text: str) -> bool:
    try:
        return canonical(json.loads(text)) == text
    except ValueError:
        return False
