"""Checks rows against their own digests, and finds rows that belong to no run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select

from zvirka.journal.column_types import canonical
from zvirka.journal.digests import (
    correction_row_digest,
    correction_values_digest,
    difference_row_digest,
    difference_values_digest,
    digest_of,
    raw_columns,
    settlement_digest,
)
from zvirka.journal.sealing import STREAMED
from zvirka.journal.tables import (
    CORRECTION,
    DIFFERENCE,
    RECEIPT,
    RUN,
    CorrectionRow,
    DifferenceRow,
    ReceiptRow,
)
from zvirka.message import Message

_EMPTY = digest_of({})
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")


class ChainProblem(msgspec.Struct, frozen=True):
    """One thing wrong: the run, 0 when no single run is meant, and a sentence."""

    run: int
    text: Message


def unsound_rows(connection: Connection, row: Mapping[str, Any]) -> Iterator[ChainProblem]:
    """The rows of a run (given as its raw row) that do not match their own digests."""
    run, salt, gone = row["id"], row["salt"], row["pruned_at"] is not None
    for table, model, check in (
        (DIFFERENCE, DifferenceRow, _difference_holds),
        (CORRECTION, CorrectionRow, _correction_holds),
    ):
        what, order = table.name, "number" if table is DIFFERENCE else "id"
        query = select(*raw_columns(model)).where(table.c.run_id == run).order_by(table.c[order])
        try:
            for cells in connection.execute(query, execution_options=STREAMED).mappings():
                if not check(cells, salt, pruned=gone):
                    number = cells[order]
                    yield ChainProblem(
                        run,
                        Message(
                            "run {run}, table {what}: {what} {number} altered",
                            run=str(run),
                            what=what,
                            number=str(number),
                        ),
                    )
        except (ValueError, TypeError) as error:
            kind = type(error).__name__
            yield ChainProblem(
                run,
                Message(
                    "run {run}, table {what}: a row was altered ({kind})",
                    run=str(run),
                    what=what,
                    kind=kind,
                ),
            )


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
            yield ChainProblem(
                number,
                Message(
                    "run {run}, table {table}: rows of a run that is gone",
                    run=str(run),
                    table=table.name,
                ),
            )


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
    query = select(*raw_columns(ReceiptRow)).order_by(r.id)
    for row in connection.execute(query, execution_options=STREAMED).mappings():
        number, extra = row["id"], row["extra"]
        for mark in (number, row["digest"], row["settled_digest"]):
            missing.pop(mark, None)
        if isinstance(number, int) and number <= pruned:
            holds = extra == "{}"
        else:
            holds = (extra == "{}") == (row["extra_digest"] == _EMPTY) and is_canonical(extra)
        if not holds:
            yield ChainProblem(
                0, Message("table receipt: receipt {number} altered (extra)", number=str(number))
            )
        if row["outcome"] and row["payload"] != "{}":
            yield ChainProblem(
                0, Message("table receipt: receipt {number} altered (payload)", number=str(number))
            )
        if not (is_time(row["received_at"]) and is_time(row["settled_at"])):
            yield ChainProblem(
                0, Message("table receipt: receipt {number} altered (a time)", number=str(number))
            )
    for run in sorted(set(missing.values())):
        yield ChainProblem(
            run,
            Message(
                "table receipt: the last receipt when run {run} was sealed was altered or removed",
                run=str(run),
            ),
        )


def is_canonical(text: str) -> bool:
    """Whether a text is the JSON that the journal writes."""
    try:
        return canonical(json.loads(text)) == text
    except (ValueError, RecursionError):
        return False


def is_time(value: object) -> bool:
    """A time as SQLite got it from us; other databases have a type of their own for it."""
    return not isinstance(value, str) or _TIME.fullmatch(value) is not None
