"""Proposes ``[erp]``: key, columns, ownership, values for NOT NULL columns, child table, delete.

What the data shows comes first: clients are paired with counterparties by the key, and a column is
the field's when both sides hold the same there. Names decide where there are no rows yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Boolean, Column, Date, DateTime, Integer, Numeric, String, Table

from zvirka.domain import Counterparty
from zvirka.init.column_choice import assigned
from zvirka.init.constant_values import NOW, constant_for, fills_itself
from zvirka.init.erp_database import ErpDatabase
from zvirka.init.key_choice import Pair, TableSample, choose_key, holds_guid, paired, primary_key
from zvirka.init.likeness import (
    ACTIVE,
    COLUMNS,
    CREATED,
    DELETED,
    NAMED,
    ORIGIN,
    PRIMARY,
    UPDATED,
    likeness,
)
from zvirka.mapping import Mapping
from zvirka.message import Message


class ColumnChoice(msgspec.Struct, frozen=True):
    """Where a field was found in the ERP: table and column, how sure, and why."""

    field: str
    table: str
    column: str
    score: float
    reason: Message


class StoreProposal(msgspec.Struct, frozen=True, kw_only=True):
    """What to write into ``[erp]``, what that asks of ``[onec]``, and how it was found.

    ``key`` is the pairing key of 1C where it is not that of the profile. ``dropped`` are fields
    without a column. ``pairs`` are counterparties with the columns of their clients.
    """

    erp: dict[str, Any]
    key: str
    dropped: tuple[str, ...]
    columns: tuple[ColumnChoice, ...]
    notes: tuple[Message, ...]
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
    sides = TableSample(database, table, database.count(table), mapping, sample)
    return _Proposing(sides).propose(key)


class _Proposing:
    def __init__(self, sides: TableSample) -> None:
        self.sides = sides
        self.columns: list[ColumnChoice] = []
        self.notes: list[Message] = []
        self.erp: dict[str, Any] = {"table": sides.table.name}
        if sides.database.schema:
            self.erp["schema"] = sides.database.schema
        self.taken: set[str] = set()

    def propose(self, key: str) -> StoreProposal:
        pk = primary_key(self.sides.table)
        chosen = choose_key(self.sides, key)
        field, key_column = chosen.field, chosen.column
        if chosen.reason is not None:
            table, name = self.sides.table.name, key_column.name
            self.columns.append(ColumnChoice(field, table, name, chosen.score, chosen.reason))
        if pk.name != "id":
            self.erp["primary_key"] = pk.name
        self.erp["key"] = key_column.name
        self.taken |= {pk.name, key_column.name}
        pairs = paired(self.sides, field, key_column)
        self._ref(field)
        self._soft_delete()
        self._owned(key_column, pk, pairs)
        placed = self._fields(field, pairs)
        children = self._children(pk, pairs, placed)
        if children:
            self.erp["children"] = children
        self._constants(pk)
        missing = [
            one.name
            for one in self.sides.mapping.fields
            if one.name not in placed and one.name != field
        ]
        return StoreProposal(
            erp=self.erp,
            key=field if (field,) != self.sides.mapping.key else "",
            dropped=tuple(missing),
            columns=tuple(self.columns),
            notes=tuple(self.notes),
            pairs=tuple(pairs[:3]),
        )

    def _ref(self, field: str) -> None:
        if field == "ref":
            return
        named = [
            column
            for column in self.sides.table.columns
            if column.name not in self.taken
            and holds_guid(column)
            and likeness(column.name, COLUMNS["ref"]) > NAMED
        ]
        if named:
            best = max(named, key=lambda column: likeness(column.name, COLUMNS["ref"]))
            self.erp["ref"] = best.name
            self.taken.add(best.name)

    def _owned(self, key: Column[Any], pk: Column[Any], pairs: list[Pair]) -> None:
        """Rows people entered by hand: without a key, or told apart by a column of few values."""
        if key.nullable and key.name != pk.name:
            self.erp["owned"] = f"{key.name} IS NOT NULL"
            self.notes.append(
                Message("rows without {column} count as entered by hand", column=key.name)
            )
            return
        for column in self.sides.table.columns:
            if column.name in self.taken or isinstance(column.type, DateTime | Date | Numeric):
                continue
            values = {row[column.name] for _, row in pairs}
            if len(values) != 1 or None in values or not self.sides.rows:
                continue
            (value,) = values
            others = [other for other, _ in self.sides.database.common(column) if other != value]
            named = likeness(column.name, (*ORIGIN, "kind", "type", "base"))
            if others and named and isinstance(value, str | int) and len(others) < 9:
                literal = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else value
                self.erp["owned"] = f"{column.name} = {literal}"
                self.erp.setdefault("on_create", {})[column.name] = value
                self.notes.append(
                    Message("clients of 1C have: {condition}", condition=self.erp["owned"])
                )
                self.taken.add(column.name)
                return

    def _soft_delete(self) -> None:
        for names, active in ((ACTIVE, True), (DELETED, False)):
            for column in self.sides.table.columns:
                if likeness(column.name, names) > 0.6 and _is_flag(column):
                    delete: dict[str, Any] = {"column": column.name}
                    if not active:
                        delete |= {"active": False, "deleted": True}
                    if delete != {"column": "is_active"}:
                        self.erp["delete"] = delete
                    self.taken.add(column.name)
                    self.notes.append(Message("a delete sets {column}", column=column.name))
                    return
        self.erp["delete"] = {"mode": "hard"}
        self.notes.append(Message("no column marks deleted rows: a delete removes the row"))

    # -- fields -----------------------------------------------------------------------------------

    def _fields(self, key: str, pairs: list[Pair]) -> dict[str, float]:
        """Place the fields in the client's own table; return how sure each is."""
        placed: dict[str, float] = {}
        columns: dict[str, Any] = {}
        free = [column for column in self.sides.table.columns if column.name not in self.taken]
        for field, column, score, reason in assigned(self.sides.mapping, key, free, pairs):
            placed[field] = score
            self.taken.add(column.name)
            self.columns.append(
                ColumnChoice(field, self.sides.table.name, column.name, score, reason)
            )
            if column.name != field:
                columns[field] = column.name
        if columns:
            self.erp["columns"] = columns
        return placed

    def _children(
        self,
        pk: Column[Any],
        pairs: list[Pair],
        placed: dict[str, float],
    ) -> dict[str, Any]:
        """Place in a child table what is surer there, and what the client's table has not."""
        for table, parent in self.sides.database.children(self.sides.table):
            flag = next((c for c in table.columns if likeness(c.name, PRIMARY) > 0.6), None)
            by_pk = {row[pk.name]: party for party, row in pairs}
            where = [parent.in_(list(by_pk))] + ([flag.is_(True)] if flag is not None else [])
            rows = self.sides.database.rows(table, *where) if by_pk else []
            found = [(by_pk[row[parent.name]], row) for row in rows]
            columns: dict[str, Any] = {}
            copied: dict[str, Any] = {}
            for field, column, score, reason in assigned(
                self.sides.mapping, "", table.columns, found
            ):
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
            if not column.nullable and column.name not in given and not fills_itself(column)
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

    def _value(self, column: Column[Any]) -> Any:
        value, note = constant_for(self.sides.database, column, self.sides.rows)
        if note is not None:
            self.notes.append(note)
        return value

    def _constants(self, pk: Column[Any]) -> None:
        on_create: dict[str, Any] = self.erp.setdefault("on_create", {})
        for column in self.sides.table.columns:
            if column.name in self.taken or column.name in on_create:
                continue
            if likeness(column.name, CREATED) > 0.6 and not fills_itself(column):
                on_create[column.name] = NOW
            elif likeness(column.name, UPDATED) > 0.6:
                on_create[column.name] = NOW
                self.erp["on_update"] = {column.name: NOW}
            elif likeness(column.name, ORIGIN) > 0.6 and isinstance(column.type, String):
                on_create[column.name] = "1c"
            elif not column.nullable and not fills_itself(column) and column.name != pk.name:
                on_create[column.name] = self._value(column)
        if not on_create:
            del self.erp["on_create"]


def _name(column: Any) -> str:
    return column["column"] if isinstance(column, dict) else str(column)


def _is_flag(column: Column[Any]) -> bool:
    return isinstance(column.type, Boolean | Integer)
