"""Chooses the pairing key: which column of a table holds Код, Ref_Key or a tax id of 1C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, String, Table, Uuid, cast

from zvirka.domain import Counterparty
from zvirka.errors import SettingsError
from zvirka.init.erp_database import ErpDatabase
from zvirka.init.likeness import COLUMNS, NAMED, likeness
from zvirka.mapping import Mapping
from zvirka.message import Coded, Message, coded

Pair = tuple[Counterparty, dict[str, Any]]
"""A counterparty, and the row of its client."""


@dataclass(frozen=True)
class TableSample:
    """A table of the ERP and how many rows it has, beside some counterparties of 1C."""

    database: ErpDatabase
    table: Table
    rows: int
    mapping: Mapping
    sample: Sequence[Counterparty]


@dataclass(frozen=True)
class KeyChoice:
    """The pairing key (``ref`` or a field), its column, how sure it is and why.

    A column that a person named has no reason.
    """

    field: str
    column: Column[Any]
    score: float = 0.0
    reason: Message | None = None


def primary_key(table: Table) -> Column[Any]:
    """Return the column of the primary key; of a view, ``id``.

    Raises:
        SettingsError: the table has no primary key, or one of several columns.
    """
    keys = list(table.primary_key.columns)
    if not keys and "id" in table.c:  # a view
        return table.c.id
    if len(keys) != 1:
        raise SettingsError(
            coded(
                "ZV3310",
                "table {table} has {count} columns in its primary key",
                table=table.name,
                count=len(keys),
            ),
            place="erp.table",
            remedy=Message("name a table with a primary key of one column"),
        )
    return keys[0]


def choose_key(sides: TableSample, asked: str) -> KeyChoice:
    """Return the pairing key and its column.

    Args:
        sides: the table and the sample.
        asked: the column, where a person named it.

    Raises:
        SettingsError: there is no such column, or none looks like a key.
    """
    scored = sorted(_candidates(sides), key=lambda one: -one[0])
    if asked:
        if asked not in sides.table.c:
            raise _no_key(
                sides.table,
                coded(
                    "ZV2214",
                    "table {table} has no column {column}",
                    table=sides.table.name,
                    column=asked,
                ),
            )
        field = next((field for _, field, column, _ in scored if column.name == asked), None)
        return KeyChoice(field or sides.mapping.key[0], sides.table.c[asked])
    if not scored:
        raise _no_key(
            sides.table,
            coded(
                "ZV2214",
                "no column of table {table} looks like a key of 1C",
                table=sides.table.name,
            ),
        )
    score, field, column, reason = scored[0]
    return KeyChoice(field, column, score, reason)


def _no_key(table: Table, cause: Coded) -> SettingsError:
    known = ", ".join(column.name for column in table.columns)
    return SettingsError(
        cause,
        place="erp.key",
        remedy=Message("name the column of the key with --key: {names}", names=known),
    )


def _candidates(sides: TableSample) -> Iterator[tuple[float, str, Column[Any], Message]]:
    values = {"ref": [party.ref for party in sides.sample]}
    for name in ("code", "tax_id"):
        if name in sides.mapping.names:
            values[name] = _values(sides, name)
    for field, wanted in values.items():
        for column in sides.table.columns:
            if not isinstance(column.type, String | Uuid):
                continue
            named = likeness(column.name, COLUMNS[field])
            if field == "ref" and named and not holds_guid(column):
                continue
            held = sides.database.holding(column, wanted) if sides.rows else 0
            share = held / len(wanted) if wanted else 0.0
            if not share and named < NAMED:
                continue
            # A tax id need not be unique: it is the last resort, a known code the first.
            weight = {"code": 1.0, "ref": 0.95, "tax_id": 0.6}[field]
            score = weight * (0.7 * share + 0.3 * named if sides.rows else named)
            if (field,) == sides.mapping.key:
                score += 0.05
            if score > 0.1:
                reason = Message("its name")
                if held:
                    count = len(wanted)
                    reason = Message("holds {held} of {count} keys of 1C", held=held, count=count)
                yield round(min(score, 1.0), 2), field, column, reason


def _values(sides: TableSample, field: str) -> list[str]:
    found = {(party.values.get(field) or "").strip() for party in sides.sample}
    return sorted(found - {""})


def paired(sides: TableSample, field: str, key: Column[Any]) -> list[Pair]:
    """Return the counterparties of the sample whose clients are in the table, with their rows."""
    parties = {
        (party.ref if field == "ref" else (party.values.get(field) or "").strip()): party
        for party in sides.sample
    }
    parties.pop("", None)
    if not sides.rows or not parties:
        return []
    text = cast(key, String(255)) if isinstance(key.type, Uuid) else key
    rows = sides.database.rows(sides.table, text.in_(list(parties)))
    return [(parties[str(row[key.name])], row) for row in rows if str(row[key.name]) in parties]


def holds_guid(column: Column[Any]) -> bool:
    """Whether a column can hold a Ref_Key."""
    kind = column.type
    return isinstance(kind, Uuid) or (isinstance(kind, String) and (kind.length or 36) >= 36)
