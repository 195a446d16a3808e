"""Views of the journal for a customer's own reports: names and columns that stay as they are.

A column is added when there is more to tell; none changes its name, type or meaning.
docs/reference/sql-views.md explains each. They hold what the tables hold, personal values included.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy import Connection, text

from zvirka.message import Message

_RUNS = """
SELECT
    r.id AS run,
    r.command,
    r.trigger AS triggered_by,
    r.who,
    r.reason,
    r.status,
    r.mode,
    r.exit_code,
    r.started_at,
    r.finished_at,
    r.parent AS parent_run,
    COALESCE(json_extract(r.facts, '$.base'), '') AS base,
    COALESCE(json_extract(r.facts, '$.store'), '') AS store,
    CAST(json_extract(r.facts, '$.source_rows') AS INTEGER) AS rows_in_1c,
    CAST(json_extract(r.facts, '$.store_rows') AS INTEGER) AS rows_in_erp,
    CAST(json_extract(r.facts, '$.remaining') AS INTEGER) AS differences_left,
    COALESCE(json_extract(r.error, '$.cause'), '') AS error,
    r.digest,
    CASE WHEN r.signature <> '' THEN 1 ELSE 0 END AS is_signed,
    r.pruned_at
FROM run AS r
"""
_DIFFERENCES = """
SELECT
    d.run_id AS run,
    d.number,
    r.started_at AS run_started_at,
    d.kind,
    d.cause,
    d."key" AS code,
    d.ref AS ref_key,
    d."row" AS erp_row,
    d.name,
    d.action,
    d.disposition,
    c.state AS outcome,
    CASE
        WHEN d.disposition = 'linked' THEN 0
        WHEN d.disposition <> 'correct' OR c.state IS NULL OR c.state <> 'applied' THEN 1
        ELSE 0
    END AS is_left,
    d.fields,
    d.note,
    d.evidence
FROM difference AS d
JOIN run AS r ON r.id = d.run_id
LEFT JOIN correction AS c
    ON c.run_id = d.run_id
    AND c.number = d.number
    AND NOT EXISTS (
        SELECT 1
        FROM correction AS later
        WHERE later.run_id = c.run_id AND later.number = c.number AND later.id > c.id
    )
"""
_CORRECTIONS = """
SELECT
    c.id AS correction,
    c.run_id AS run,
    c.number,
    c.action,
    c."key" AS code,
    c.ref AS ref_key,
    CASE WHEN c.written_row <> '' THEN c.written_row ELSE c."row" END AS erp_row,
    c.new_key AS new_code,
    c."before" AS before_values,
    c."after" AS after_values,
    c.state AS outcome,
    c.detail,
    c.intended_at,
    c.settled_at,
    c.settled_by AS settled_by_run
FROM correction AS c
"""
_OPEN = """
SELECT d.*
FROM zvirka_v_differences AS d
WHERE d.is_left = 1
AND d.run = (
    SELECT MAX(r.id)
    FROM run AS r
    WHERE r.status IN ('finished', 'held')
    AND (
        r.command IN ('reconcile', 'approve')
        OR (r.command = 'resync' AND r.mode IN ('full', 'light'))
    )
)
"""
_RECEIPTS = """
SELECT
    t.id AS receipt,
    t.received_at,
    t.action,
    t."key" AS code,
    t.ref AS ref_key,
    t.message_id,
    t.stamp AS stamp_ms,
    t.outcome,
    t.detail,
    t.settled_at
FROM receipt AS t
"""
VIEWS = {
    "zvirka_v_runs": _RUNS,
    "zvirka_v_differences": _DIFFERENCES,
    "zvirka_v_corrections": _CORRECTIONS,
    "zvirka_v_open": _OPEN,
    "zvirka_v_receipts": _RECEIPTS,
}
"""The views by name, in SQLite's dialect, in the order they are made."""
_JSON = re.compile(r"json_extract\((\w+\.\w+), '\$\.(\w+)'\)")


class ForeignObject(NamedTuple):
    """A trigger, rule or view that zvirka did not make, and the table it is on."""

    table: str
    text: Message


def create_views(connection: Connection) -> None:
    """Make the views; those of an earlier version are replaced."""
    for name in reversed(VIEWS):
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
    for name in VIEWS:
        connection.exec_driver_sql(_statement(connection, name))


def foreign_objects(connection: Connection) -> list[ForeignObject]:
    """What changes rows behind zvirka's back, or shows others than there are.

    Triggers and rules on the journal's tables, and views of zvirka's name with another text.
    """
    found = [
        ForeignObject(
            table,
            Message(
                "table {table}: {kind} {name} is not of zvirka", table=table, kind=kind, name=name
            ),
        )
        for kind, table, name in connection.exec_driver_sql(_HOOKS[connection.dialect.name])
    ]
    if connection.dialect.name != "sqlite":
        return found
    known = {name: _statement(connection, name) for name in VIEWS}
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'view' AND name LIKE 'zvirka_v_%'"
    there = {row[0]: row[1] for row in connection.exec_driver_sql(query)}
    found += [
        ForeignObject(name, Message("view {name}: altered or removed", name=name))
        for name in sorted(known.keys() | there.keys())
        if known.get(name) != there.get(name)
    ]
    return found


_HOOKS = {
    "sqlite": """
        SELECT type, tbl_name, name
        FROM sqlite_master
        WHERE type = 'trigger'
        ORDER BY tbl_name, name
    """,
    "postgresql": """
        SELECT 'trigger' AS kind, c.relname, t.tgname
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal
        AND c.relnamespace = current_schema()::regnamespace
        AND c.relname IN
            ('run', 'difference', 'correction', 'chain', 'standing', 'pairing', 'receipt', 'event')
        UNION ALL
        SELECT 'rule', r.tablename, r.rulename
        FROM pg_rules AS r
        WHERE r.schemaname = current_schema()
        AND r.tablename IN
            ('run', 'difference', 'correction', 'chain', 'standing', 'pairing', 'receipt', 'event')
        ORDER BY 2, 3
    """,
}


def _statement(connection: Connection, name: str) -> str:
    query = VIEWS[name].strip()
    if connection.dialect.name == "postgresql":
        query = _JSON.sub(r"(\1::json ->> '\2')", query)
    return f"CREATE VIEW {name} AS\n{query}"
