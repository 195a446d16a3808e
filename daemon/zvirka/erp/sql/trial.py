"""Writes tried on the live tables in a transaction that is always rolled back.

A client of our own is created, looked for by almost its key, changed and deleted. So rights,
constants, foreign keys and the collation of the key are known, and not guessed from a catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, String, Table, Uuid, select
from sqlalchemy.exc import SQLAlchemyError, StatementError

from zvirka.domain import Action, Client, Correction, Outcome, OutcomeState
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.engines import WRITES
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.transaction import Transaction
from zvirka.findings import Finding
from zvirka.message import Message, coded, joined

KEY = "zv-check-й"
REF = "00000000-0000-4000-8000-00007a766972"
ALMOST = {
    "ZV-CHECK-Й": Message("the case of letters"),
    "zv-check-и": Message("accents (й and и)"),
    "zv-check-й ": Message("spaces at the end"),
}


def try_writes(engine: Engine, layout: TableLayout) -> Iterator[Finding]:
    """Try a create, an update and a delete, and give what came of it."""
    if plain := _without_transactions(layout):
        yield Finding(
            "failure",
            "transactions",
            coded(
                "ZV2207",
                "table {plain} has no transactions: a batch could be left half written",
                plain=plain,
            ),
            Message("ALTER TABLE {plain} ENGINE = InnoDB", plain=plain),
        )
        return
    try:
        with engine.connect() as connection:
            writing = connection.execution_options(**{WRITES: True})
            transaction = writing.begin()
            try:
                yield from list(_trials(writing, layout))
            finally:
                transaction.rollback()
    except SQLAlchemyError as error:
        told = store_error(error, layout.name)
        yield Finding("failure", "rights", told.cause, told.remedy)


def _without_transactions(layout: TableLayout) -> str:
    for table in (layout.table, *(child.table for child in layout.children)):
        engine = _storage_engine(table)
        if engine and engine.lower() != "innodb":
            return table.name
    return ""


def _storage_engine(table: Table) -> str:
    names = ("mysql_engine", "mariadb_engine")
    return next((str(table.kwargs[name]) for name in names if name in table.kwargs), "")


def _trials(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    reading = Reading(layout)
    transaction = Transaction(connection, layout, reading, clean=False, doubled=[])
    wanted = _creation(layout)
    created: Client | None = None
    outcome = _tried(connection, transaction, wanted)
    yield from _told(Action.CREATE, outcome)
    if isinstance(outcome, Outcome) and outcome.state is OutcomeState.APPLIED:
        created = next(iter(reading.by_rows(connection, [outcome.row])), None)
        yield from _collation(connection, layout)
    client = created or _some_client(connection, reading)
    if client is None:
        text = coded("ZV2213", "update and delete could not be tried: there is no owned row")
        yield Finding("warning", "rights", text, Message("check again when there is one"))
        return
    update = _change(Action.UPDATE, client)
    yield from _told(Action.UPDATE, _tried(connection, transaction, update))
    delete = _change(Action.DELETE, client)
    yield from _told(
        Action.DELETE, _tried(connection, transaction, delete), whole=created is not None
    )


def _creation(layout: TableLayout) -> Correction:
    key = REF if layout.key_is_ref else _fitting_key(layout)
    after: dict[str, str | None] = dict.fromkeys(layout.fields)
    for field, mapped in layout.columns.items():
        if mapped.column.name == layout.key.name:
            after[field] = key
        elif not mapped.column.nullable and isinstance(mapped.column.type, String):
            after[field] = "zvirka"[: mapped.max_length]
        elif not mapped.column.nullable:
            after[field] = "0"
    return Correction(id=1, action=Action.CREATE, key=key, ref=REF, after=after)


def _fitting_key(layout: TableLayout) -> str:
    kind = layout.key.type
    if isinstance(kind, Uuid):
        return REF
    if not isinstance(kind, String):
        return "2147483647"
    return KEY if kind.length is None else KEY[-kind.length :]


def _some_client(connection: Connection, reading: Reading) -> Client | None:
    row = connection.execute(reading.clients().limit(1)).first()
    return None if row is None else next(iter(reading.by_rows(connection, [row[0]])), None)


def _change(action: Action, client: Client) -> Correction:
    return Correction(
        id=1,
        action=action,
        key=client.key,
        ref=client.ref or "",
        row=client.row,
        active=client.active,
        before=client.values,
        after=client.values if action is Action.UPDATE else {},
    )


def _tried(
    connection: Connection, transaction: Transaction, correction: Correction
) -> Outcome | StatementError:
    try:
        with connection.begin_nested():
            return transaction.bulk([correction])[0]
    except StatementError as error:
        return error


def _told(
    action: Action, outcome: Outcome | StatementError, *, whole: bool = True
) -> Iterator[Finding]:
    if isinstance(outcome, StatementError):
        told = store_error(outcome, "")
        failure = coded("", "{action}: it cannot be done: {cause}", action=action, cause=told.cause)
        yield Finding("failure", "rights", failure, told.remedy)
    elif outcome.state is OutcomeState.APPLIED or not whole:
        text = Message("{action}: tried and rolled back", action=action)
        advance = joined([text, Message("sequences may advance")])
        yield Finding("ok", "rights", advance if action is Action.CREATE else text)
    else:
        yield Finding(
            "failure",
            "rights",
            coded(
                "ZV2208",
                "{action}: it was tried and did not go through: {detail}",
                action=action,
                detail=outcome.detail,
            ),
            Message("complete erp.on_create, and see which rules the table has"),
        )


def _collation(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    """Whether the key column, with our client in it, answers to almost the same key."""
    kind = layout.key.type
    if not isinstance(kind, String) or isinstance(kind, Uuid) or _fitting_key(layout) != KEY:
        return
    blind = [
        what
        for almost, what in ALMOST.items()
        if connection.execute(select(layout.pk).where(layout.key == almost).limit(1)).first()
    ]
    if blind:
        yield Finding(
            "warning",
            "collation",
            coded(
                "ZV2209",
                "the key {name} does not tell apart {what}: keys of 1C that differ only so collide"
                " where they must be unique",
                name=f"{layout.table.name}.{layout.key.name}",
                what=blind,
            ),
            Message("give the column a binary or case-sensitive collation"),
        )
