"""What the digests of the journal's rows cover. All are SHA-256 over canonical JSON, in hex.

A row's digest covers its columns and, through a salted digest of their own, its personal values:
so it can be checked after prune has emptied these and deleted the salt, and a telephone number
cannot be guessed from what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Integer,
    RowMapping,
    Text,
    type_coerce,
)
from sqlmodel import SQLModel

from zvirka.journal.column_types import JsonText, UtcTime, canonical, encoded, iso
from zvirka.journal.tables import RunRow, table_of

Raw = RowMapping | Mapping[str, Any]
"""A row by column name, JSON as the text it is stored as."""

_NOT_SEALED = frozenset({"digest", "signature", "salt", "pruned_at"})


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    return sha256(encoded(value)).hexdigest()


def raw_columns(model: type[SQLModel]) -> list[ColumnElement[Any]]:
    """All columns of a table as the driver gives them, so that no byte is read over.

    JSON is the text it is stored as, a time on SQLite too, a truth value there 0 or 1.
    """
    return [raw_column(column) for column in table_of(model).columns]


def raw_column(column: Column[Any]) -> ColumnElement[Any]:
    """One column as the driver gives it."""
    if isinstance(column.type, JsonText | UtcTime):
        return type_coerce(column, Text).label(column.name)
    if isinstance(column.type, Boolean):
        return type_coerce(column, Integer).label(column.name)
    return column


def difference_values_digest(salt: str, row: Raw) -> str:
    """The digest of a difference's personal values."""
    return digest_of([salt, row["name"], row["fields"], row["note"], row["evidence"]])


def difference_row_digest(row: Raw) -> str:
    """The digest of a difference's row, ``disposition`` left to the seal."""
    columns = ("run_id", "number", "kind", "cause", "key", "ref", "row", "action", "rows")
    return digest_of([*(row[name] for name in columns), row["values_digest"]])


def correction_values_digest(salt: str, row: Raw) -> str:
    """The digest of a correction's personal values."""
    return digest_of([salt, row["before"], row["after"]])


def correction_row_digest(row: Raw) -> str:
    """The digest of what was intended."""
    columns = ("id", "run_id", "number", "action", "key", "ref", "row", "new_key")
    return digest_of(
        [
            *(row[name] for name in columns),
            {0: False, 1: True}.get(row["active"], row["active"]),
            iso(row["intended_at"]),
            row["values_digest"],
        ]
    )


def settlement_digest(row: Raw) -> str:
    """The digest of what became of a correction."""
    columns = ("id", "state", "detail", "written_row", "settled_by")
    return digest_of([*(row[name] for name in columns), iso(row["settled_at"])])


def run_digest(row: Raw, previous_signature: str) -> str:
    """The digest of a run: all its immutable columns, its seal, and the run sealed before."""
    return sha256(run_record(row, previous_signature).encode()).hexdigest()


def run_record(row: Raw, previous_signature: str) -> str:
    """The text that the digest of a run is taken over.

    Canonical JSON: an object of the columns, and the signature of the run sealed before.
    """
    content = {
        column.name: row[column.name]
        for column in table_of(RunRow).columns
        if column.name not in _NOT_SEALED
    }
    for name in ("started_at", "finished_at"):
        content[name] = iso(content[name])
    return canonical([content, previous_signature])


def content_digest(row: Raw) -> str:
    """What an approver approves of one difference; equal for the same difference of another run.

    Covers kind, key, Ref_Key, rows, action and each field's wanted and found values, but neither
    the number within the run nor the cause, which later evidence may change. ``rows`` and
    ``fields`` are decoded here.
    """
    pairs = sorted(
        ([f["field"], f["wanted"], f["found"]] for f in row["fields"]), key=lambda pair: pair[0]
    )
    names = ("kind", "key", "ref", "row", "rows", "action")
    return digest_of([*(row[name] for name in names), pairs])
