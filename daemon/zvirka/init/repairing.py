"""Finds what of an existing ``zvirka.toml`` no longer fits, and what to write in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zvirka.init.erp_database import ErpDatabase
from zvirka.init.field_homes import SourceProposal
from zvirka.init.settings_file import with_value
from zvirka.init.store_proposal import StoreProposal

Change = tuple[str, str, Any]
"""Table, key, value."""


def source_changes(old: dict[str, Any], new: SourceProposal) -> Iterator[Change]:
    """Yield what ``[onec]`` has to say otherwise."""
    onec = old.get("onec", {})
    if onec.get("url") != new.onec.url:
        yield "onec", "url", new.onec.url
    if onec.get("profile", "accounting") != new.onec.profile:
        yield "onec", "profile", new.onec.profile
    before = onec.get("fields", {})
    for field, home in new.overrides.items():
        if before.get(field) == home:
            continue
        if home is False or not isinstance(before.get(field), dict):
            yield "onec.fields", field, home
            continue
        for key, value in home.items():
            yield f"onec.fields.{field}", key, value


def store_changes(
    old: dict[str, Any], new: StoreProposal, database: ErpDatabase
) -> Iterator[Change]:
    """Yield what ``[erp]`` names and the database has no longer, with the proposal for it."""
    erp = old.get("erp", {})
    there = {column.name for column in database.table(new.erp["table"]).columns}
    for key, default in (("primary_key", "id"), ("key", "code")):
        if erp.get(key, default) not in there:
            yield "erp", key, new.erp.get(key, default)
    homes = {one.field: one for one in new.columns if one.table == new.erp["table"]}
    columns = erp.get("columns", {})
    in_children = {f for child in erp.get("children", {}).values() for f in child["columns"]}
    for field, home in homes.items():
        if field in {new.key, "ref"} or field in in_children or home.column == new.erp["key"]:
            continue
        named = columns.get(field, field)
        name = named["column"] if isinstance(named, dict) else named
        if name not in there:
            changed = {**named, "column": home.column} if isinstance(named, dict) else home.column
            yield "erp.columns", field, changed
    for column, value in new.erp.get("on_create", {}).items():
        if column not in erp.get("on_create", {}) and _is_needed(database, new, column):
            yield "erp.on_create", column, value
    delete = erp.get("delete", {})
    if delete.get("mode", "soft") == "soft" and delete.get("column", "is_active") not in there:
        for key, value in new.erp.get("delete", {"column": "is_active"}).items():
            yield "erp.delete", key, value


def _is_needed(database: ErpDatabase, new: StoreProposal, name: str) -> bool:
    column = database.table(new.erp["table"]).c[name]
    return not column.nullable and column.server_default is None


def repaired(text: str, changes: list[Change]) -> str:
    """Return the settings file with the changes, its comments and everything else kept."""
    for table, key, value in changes:
        text = with_value(text, table, key, value)
    return text
