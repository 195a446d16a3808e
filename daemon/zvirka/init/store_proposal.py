"""Proposes ``[erp]``: key, columns, ownership, values for NOT NULL columns, child table, delete.

What the data shows comes first: clients are paired with counterparties by the key, and a column is
the field's when both sides hold the same there. Names decide where there are no rows yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    Numeric,
    String,
    Table,
    Uuid,
    cast,
)

from zvirka.comparison import canonical
from zvirka.domain import Counterparty
from zvirka.errors import SettingsError
from zvirka.init.erp_database import ErpDatabase
from zvirka.init.likeness import (
    ACTIVE,
    COLUMNS,
    CREATED,
    DELETED,
    ORIGIN,
    PRIMARY,
    UPDATED,
    likeness,
)
from zvirka.mapping import Mapping
from zvirka.message import Coded, Message, coded
from zvirka.settings.model import SqlExpression

NOW = SqlExpression(sql="CURRENT_TIMESTAMP")
_NAMED = 0.4
"""A name that promises less is no proposal."""


class ColumnChoice(msgspec.Struct, frozen=True):
    """Where a field was found in the ERP: table and column, how sure, and why."""

    field: str
    table: str
    column: str
    score: float
    reason: str


class StoreProposal(msgspec.Struct, frozen=True, kw_only=True):
    """What to write into ``[erp]``, what that asks of ``[onec]``, and how it was found.

    ``key`` is the pairing key of 1C where it is not that of the profile. ``dropped`` are fields
    without a column. ``pairs`` are counterparties with the columns of their clients.
    """

    erp: dict[str, Any]
    key: str
    dropped: tuple[str, ...]
    columns: tuple[ColumnChoice, ...]
    notes: tuple[str, ...]
    pairs: tuple[tuple[Counterparty, dict[str, Any]], ...]


def propose_store(
    database: ErpDatabase,
    name: str,
    mapping: Mapping,
    sample: Sequence[Counterparty],
    *,
    key: str = "",
) -> StoreProposal:
    """Propose the settings for a table.

    Args:
        database: where it is.
        name: the table.
        mapping: the fields as 1C has them.
        sample: counterparties to look for.
        key: the column of the pairing key, where a person named it.

    Raises:
        SettingsError: the table has no single primary key, or no column for a key was found.
        StoreError: the database cannot be read.
    """
    table = database.table(name)
    return _Proposing(database, table, mapping, sample).propose(key)


class _Proposing:
    def __init__(
        self,
        database: ErpDatabase,
        table: Table,
        mapping: Mapping,
        sample: Sequence[Counterparty],
    ) -> None:
        self.database, self.table, self.mapping, self.sample = database, table, mapping, sample
        self.rows = database.count(table)
        self.columns: list[ColumnChoice] = []
        self.notes: list[str] = []
        self.erp: dict[str, Any] = {"table": table.name}
        if database.schema:
            self.erp["schema"] = database.schema
        self.taken: set[str] = set()

    def propose(self, key: str) -> StoreProposal:
        pk = self._primary_key()
        field, key_column = self._key(key)
        if pk.name != "id":
            self.erp["primary_key"] = pk.name
        self.erp["key"] = key_column.name
        self.taken |= {pk.name, key_column.name}
        pairs = self._paired(field, key_column)
        self._ref(field)
        self._soft_delete()
        self._owned(key_column, pk, pairs)
        placed = self._fields(field, pairs)
        children = self._children(pk, pairs, placed)
        if children:
            self.erp["children"] = children
        self._constants(pk)
        missing = [
            one.name for one in self.mapping.fields if one.name not in placed and one.name != field
        ]
        return StoreProposal(
            erp=self.erp,
            key=field if field != self.mapping.key else "",
            dropped=tuple(missing),
            columns=tuple(self.columns),
            notes=tuple(self.notes),
            pairs=tuple(pairs[:3]),
        )

    # -- key and ownership ------------------------------------------------------------------------

    def _primary_key(self) -> Column[Any]:
        keys = list(self.table.primary_key.columns)
        if not keys and "id" in self.table.c:  # a view
            return self.table.c.id
        if len(keys) != 1:
            raise SettingsError(
                coded(
                    "ZV3310",
                    "table {table} has {count} columns in its primary key",
                    table=self.table.name,
                    count=len(keys),
                ),
                place="erp.table",
                remedy=Message("name a table with a primary key of one column"),
            )
        return keys[0]

    def _key(self, asked: str) -> tuple[str, Column[Any]]:
        """Return the pairing key (``ref`` or a field) and its column."""
        scored = sorted(self._key_candidates(), key=lambda one: -one[0])
        if asked:
            if asked not in self.table.c:
                raise self._no_key(
                    coded(
                        "ZV2214",
                        "table {table} has no column {column}",
                        table=self.table.name,
                        column=asked,
                    )
                )
            field = next((field for _, field, column, _ in scored if column.name == asked), None)
            return field or self.mapping.key, self.table.c[asked]
        if not scored:
            raise self._no_key(
                coded(
                    "ZV2214",
                    "no column of table {table} looks like a key of 1C",
                    table=self.table.name,
                )
            )
        score, field, column, reason = scored[0]
        self.columns.append(ColumnChoice(field, self.table.name, column.name, score, reason))
        return field, column

    def _no_key(self, cause: Coded) -> SettingsError:
        known = ", ".join(column.name for column in self.table.columns)
        return SettingsError(
            cause,
            place="erp.key",
            remedy=Message("name the column of the key with --key: {names}", names=known),
        )

    def _key_candidates(self) -> Iterator[tuple[float, str, Column[Any], str]]:
        values = {"ref": [party.ref for party in self.sample]}
        for name in ("code", "tax_id"):
            if name in self.mapping.names:
                values[name] = self._values(name)
        for field, wanted in values.items():
            for column in self.table.columns:
                if not isinstance(column.type, String | Uuid):
                    continue
                named = likeness(column.name, COLUMNS[field])
                if field == "ref" and named and not _holds_guid(column):
                    continue
                held = self.database.holding(column, wanted) if self.rows else 0
                share = held / len(wanted) if wanted else 0.0
                if not share and named < _NAMED:
                    continue
                # A tax id need not be unique: it is the last resort, a known code the first.
                weight = {"code": 1.0, "ref": 0.95, "tax_id": 0.6}[field]
                score = weight * (0.7 * share + 0.3 * named if self.rows else named)
                if field == self.mapping.key:
                    score += 0.05
                if score > 0.1:
                    reason = f"holds {held} of {len(wanted)} keys of 1C" if held else "its name"
                    yield round(min(score, 1.0), 2), field, column, reason

    def _values(self, field: str) -> list[str]:
        found = {(party.values.get(field) or "").strip() for party in self.sample}
        return sorted(found - {""})

    def _paired(self, field: str, key: Column[Any]) -> list[tuple[Counterparty, dict[str, Any]]]:
        parties = {
            (party.ref if field == "ref" else (party.values.get(field) or "").strip()): party
            for party in self.sample
        }
        parties.pop("", None)
        if not self.rows or not parties:
            return []
        text = cast(key, String(255)) if isinstance(key.type, Uuid) else key
        rows = self.database.rows(self.table, text.in_(list(parties)))
        return [(parties[str(row[key.name])], row) for row in rows if str(row[key.name]) in parties]

    def _ref(self, field: str) -> None:
        if field == "ref":
            return
        named = [
            column
            for column in self.table.columns
            if column.name not in self.taken
            and _holds_guid(column)
            and likeness(column.name, COLUMNS["ref"]) > _NAMED
        ]
        if named:
            best = max(named, key=lambda column: likeness(column.name, COLUMNS["ref"]))
            self.erp["ref"] = best.name
            self.taken.add(best.name)

    def _owned(
        self, key: Column[Any], pk: Column[Any], pairs: list[tuple[Counterparty, dict[str, Any]]]
    ) -> None:
        """Rows people entered by hand: without a key, or told apart by a column of few values."""
        if key.nullable and key.name != pk.name:
            self.erp["owned"] = f"{key.name} IS NOT NULL"
            self.notes.append(f"rows without {key.name} count as entered by hand")
            return
        for column in self.table.columns:
            if column.name in self.taken or isinstance(column.type, DateTime | Date | Numeric):
                continue
            values = {row[column.name] for _, row in pairs}
            if len(values) != 1 or None in values or not self.rows:
                continue
            (value,) = values
            others = [other for other, _ in self.database.common(column) if other != value]
            named = likeness(column.name, (*ORIGIN, "kind", "type", "base"))
            if others and named and isinstance(value, str | int) and len(others) < 9:
                literal = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else value
                self.erp["owned"] = f"{column.name} = {literal}"
                self.erp.setdefault("on_create", {})[column.name] = value
                self.notes.append(f"clients of 1C have {column.name} = {literal}")
                self.taken.add(column.name)
                return

    def _soft_delete(self) -> None:
        for names, active in ((ACTIVE, True), (DELETED, False)):
            for column in self.table.columns:
                if likeness(column.name, names) > 0.6 and _is_flag(column):
                    delete: dict[str, Any] = {"column": column.name}
                    if not active:
                        delete |= {"active": False, "deleted": True}
                    if delete != {"column": "is_active"}:
                        self.erp["delete"] = delete
                    self.taken.add(column.name)
                    self.notes.append(f"a delete sets {column.name}")
                    return
        self.erp["delete"] = {"mode": "hard"}
        self.notes.append("no column tells deleted rows: a delete removes the row")

    # -- fields -----------------------------------------------------------------------------------

    def _fields(
        self, key: str, pairs: list[tuple[Counterparty, dict[str, Any]]]
    ) -> dict[str, float]:
        """Place the fields in the client's own table; return how sure each is."""
        placed: dict[str, float] = {}
        columns: dict[str, Any] = {}
        for field, column, score, reason in self._assigned(self.table, key, pairs):
            placed[field] = score
            self.taken.add(column.name)
            self.columns.append(ColumnChoice(field, self.table.name, column.name, score, reason))
            if column.name != field:
                columns[field] = column.name
        if columns:
            self.erp["columns"] = columns
        return placed

    def _assigned(
        self, table: Table, key: str, pairs: list[tuple[Counterparty, dict[str, Any]]]
    ) -> Iterator[tuple[str, Column[Any], float, str]]:
        """Yield fields with their columns, the surest first; each column serves one field."""
        scored = [
            (*self._score(field, column, pairs), field, column)
            for field in self.mapping.names
            if field != key
            for column in table.columns
            if isinstance(column.type, String)
            and (table is not self.table or column.name not in self.taken)
        ]
        used: set[str] = set()
        for score, reason, field, column in sorted(scored, key=lambda one: -one[0]):
            if score >= _NAMED and field not in used and column.name not in used:
                used |= {field, column.name}
                yield field, column, score, reason

    def _score(
        self, field: str, column: Column[Any], pairs: list[tuple[Counterparty, dict[str, Any]]]
    ) -> tuple[float, str]:
        named = likeness(column.name, (field, *COLUMNS.get(field, ())))
        compare = self.mapping.comparison(self.mapping.field(field))
        filled = agreed = 0
        for party, row in pairs:
            theirs = canonical(compare, party.values.get(field))
            if theirs and column.name in row:
                filled += 1
                agreed += canonical(compare, str(row[column.name] or "")) == theirs
        if not agreed:
            return round(named if not filled else 0.6 * named, 2), "its name"
        score = max(0.6 * named, 0.7 * agreed / filled + 0.3 * named)
        return round(score, 2), f"equal in {agreed} of {filled} pairs"

    def _children(
        self,
        pk: Column[Any],
        pairs: list[tuple[Counterparty, dict[str, Any]]],
        placed: dict[str, float],
    ) -> dict[str, Any]:
        """Place in a child table what is surer there, and what the client's table has not."""
        for table, parent in self.database.children(self.table):
            flag = next((c for c in table.columns if likeness(c.name, PRIMARY) > 0.6), None)
            by_pk = {row[pk.name]: party for party, row in pairs}
            where = [parent.in_(list(by_pk))] + ([flag.is_(True)] if flag is not None else [])
            rows = self.database.rows(table, *where) if by_pk else []
            found = [(by_pk[row[parent.name]], row) for row in rows]
            columns: dict[str, Any] = {}
            copied: dict[str, Any] = {}
            for field, column, score, reason in self._assigned(table, "", found):
                if column.name == parent.name or likeness(column.name, COLUMNS["code"]) > 0.6:
                    continue
                if field == "name":
                    if not column.nullable:
                        copied[field] = {"column": column.name, "truncate": True}
                elif field not in placed or (found and score > placed[field]):
                    columns[field] = column.name
                    placed[field] = score
                    self.erp.get("columns", {}).pop(field, None)
                    self.columns[:] = [one for one in self.columns if one.field != field]
                    choice = ColumnChoice(field, table.name, column.name, score, reason)
                    self.columns.append(choice)
            if columns:
                child = {"table": table.name, "parent": parent.name}
                made = self._child(child, table, flag, copied | columns)
                if "name" in made["columns"]:  # a copy: its home has to be said
                    home = next((one.column for one in self.columns if one.field == "name"), "name")
                    self.erp.setdefault("columns", {})["name"] = home
                return {"contact": made}
        return {}

    def _child(
        self, child: dict[str, Any], table: Table, flag: Column[Any] | None, columns: dict[str, Any]
    ) -> dict[str, Any]:
        given = {child["parent"], *(_name(column) for column in columns.values())}
        if flag is not None:
            child["where"] = {flag.name: True}
            given.add(flag.name)
        required = [
            column
            for column in table.columns
            if not column.nullable and column.name not in given and not _fills_itself(column)
        ]
        for column in required:
            if isinstance(column.type, String) and likeness(column.name, COLUMNS["full_name"]):
                columns = {"name": {"column": column.name, "truncate": True}} | columns
        child["columns"] = columns
        named = {_name(column) for column in columns.values()}
        constants = {
            column.name: self._value(column) for column in required if column.name not in named
        }
        if constants:
            child["on_create"] = constants
        return child

    # -- constants --------------------------------------------------------------------------------

    def _constants(self, pk: Column[Any]) -> None:
        on_create: dict[str, Any] = self.erp.setdefault("on_create", {})
        for column in self.table.columns:
            if column.name in self.taken or column.name in on_create:
                continue
            if likeness(column.name, CREATED) > 0.6 and not _fills_itself(column):
                on_create[column.name] = NOW
            elif likeness(column.name, UPDATED) > 0.6:
                on_create[column.name] = NOW
                self.erp["on_update"] = {column.name: NOW}
            elif likeness(column.name, ORIGIN) > 0.6 and isinstance(column.type, String):
                on_create[column.name] = "1c"
            elif not column.nullable and not _fills_itself(column) and column.name != pk.name:
                on_create[column.name] = self._value(column)
        if not on_create:
            del self.erp["on_create"]

    def _value(self, column: Column[Any]) -> Any:
        """Return what most rows hold in a NOT NULL column, else the least that its type takes."""
        where = [column.isnot(None)]
        for value, number in self.database.common(column, *where):
            if isinstance(value, str | int | bool):
                text = f"{column.table.name}.{column.name} = {value!r} on create"
                self.notes.append(f"{text}: {number} rows have it")
                return value
        for key in column.foreign_keys:
            parts = key.target_fullname.split(".")
            target = self.database.table(parts[-2])
            rows = self.database.rows(target, limit=1)
            if rows:
                value = rows[0][parts[-1]]
                self.notes.append(f"{column.name} = {value!r}: a row of {target.name}")
                return value
        if isinstance(column.type, Boolean):
            return False
        if isinstance(column.type, DateTime | Date):
            return NOW
        return 0 if isinstance(column.type, Integer | Numeric) else "1c"


def _name(column: Any) -> str:
    return column["column"] if isinstance(column, dict) else str(column)


def _holds_guid(column: Column[Any]) -> bool:
    kind = column.type
    return isinstance(kind, Uuid) or (isinstance(kind, String) and (kind.length or 36) >= 36)


def _is_flag(column: Column[Any]) -> bool:
    return isinstance(column.type, Boolean | Integer)


def _fills_itself(column: Column[Any]) -> bool:
    if column.server_default is not None or column.computed is not None:
        return True
    return column.identity is not None or column is column.table.autoincrement_column
