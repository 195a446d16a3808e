"""Writes tried on the live tables in a transaction that is always rolled back.

A client of our own is created, looked for by almost its key, changed and deleted. So rights,
constants, foreign keys and the collation of the key are known, and not guessed from a catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from sqlalchemy import Connection, Engine, String, Table, Uuid, select
from sqlalchemy.exc import SQLAlchemyError, StatementError

from zvirka.domain import Action, Client, Correction, Outcome, OutcomeState
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.engines import WRITES
from zvirka.erp.sql.expressions import AsText
from zvirka.erp.sql.mapped_column import MappedColumn
from zvirka.erp.sql.store_queries import Reading
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.transaction import Transaction
from zvirka.erp.sql.typed_values import column_values, is_day, some_value
from zvirka.erp.write_refusals import KEY_TAKEN
from zvirka.findings import Finding
from zvirka.message import Message, coded, joined

KEY = "zv-check-й"
PLAIN_KEY = "zv-check-1"
"""For a column whose encoding has no Cyrillic letters."""
REF = "00000000-0000-4000-8000-00007a766972"
LIKELY = ("000099999", "00-099999", "99999")
ALMOST = {
    "ZV-CHECK-Й": Message("the case of letters"),
    "zv-check-и": Message("accents (й and и)"),
    "zv-check-й ": Message("spaces at the end"),
}

Key = tuple[str, ...]
"""The parts of a pairing key; mostly there is one."""

SAMPLES = {"phone": "+380440000000", "email": "check@example.com", "tax_id": "00000000"}
"""Values of the usual fields that a check constraint would take."""


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
    created: Client | None = None
    some = _some_client(connection, reading)
    samples = _parent_refs(connection, layout)
    wanted = _creation(layout, _fitting_key(layout, samples), samples)
    outcome = _tried(connection, transaction, wanted)
    if isinstance(outcome, Outcome) and (outcome.waits or outcome.detail == KEY_TAKEN):
        text = coded("ZV2213", "a create could not be tried: {detail}", detail=outcome.detail)
        yield Finding("warning", "rights", text, Message("check again when there is one"))
        return
    if isinstance(outcome, Outcome) and outcome.state is not OutcomeState.APPLIED:
        # The invented key or values may break a rule that 1C's own keep.
        keys = list(_likely_keys(layout, some, samples))
        # A view does not say which columns are required: at last all of them are given a value.
        tries = [_creation(layout, key, samples, some) for key in keys]
        for wanted in [*tries, _whole(layout, keys, samples, some)]:
            again = _tried(connection, transaction, wanted)
            if isinstance(again, Outcome) and again.state is OutcomeState.APPLIED:
                outcome = again
                break
    yield from _told(Action.CREATE, outcome)
    if isinstance(outcome, Outcome) and outcome.state is OutcomeState.APPLIED:
        created = next(iter(reading.by_rows(connection, [outcome.row])), None)
        yield from _collation(connection, layout)
    client = created or some
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


def _parent_refs(connection: Connection, layout: TableLayout) -> dict[str, str]:
    """For each reference field the Ref_Key of some row it may refer to, if there is any.

    Where the field is part of the key, a row that nothing refers to comes first: its key is free.
    """
    found: dict[str, str] = {}
    for field, mapped in layout.columns.items():
        if mapped.parent is not None:
            rows = mapped.parent.pk.table.alias()
            ref = rows.c[mapped.parent.ref.name]
            some = select(AsText(ref)).where(AsText(ref) != "").limit(1)
            free = some.where(
                rows.c[mapped.parent.pk.name].not_in(
                    select(mapped.column).where(mapped.column.is_not(None))
                )
            )
            asked = [free, some] if field in layout.key.fields else [some]
            answers = (connection.execute(one).scalar() for one in asked)
            found[field] = next((answer for answer in answers if answer), REF)
    return found


def _creation(
    layout: TableLayout, key: Key, parents: Mapping[str, str], like: Client | None = None
) -> Correction:
    """A create of a client of ours; what is unique apart, with the values of ``like``."""
    after: dict[str, str | None] = dict.fromkeys(layout.fields)
    parts = dict(zip(layout.key.names, key, strict=True))
    for field, mapped in layout.columns.items():
        if mapped.column.name in parts:
            after[field] = parts[mapped.column.name]
        elif like is not None and not mapped.unique:
            after[field] = like.values[field]
        elif not mapped.column.nullable:
            after[field] = parents.get(field) or _sample(mapped)
    for child in layout.children:  # a child row is inserted only where it has a value
        for mapped in child.columns:
            after[mapped.field] = _sample(mapped)
    return Correction(id=1, action=Action.CREATE, key=layout.key.join(key), ref=REF, after=after)


def _whole(
    layout: TableLayout, keys: list[Key], parents: Mapping[str, str], like: Client | None
) -> Correction:
    """A create in which every field has a value of its own, of the form that ``like`` has."""
    plain = _creation(layout, keys[0] if keys else _fitting_key(layout, parents), parents)
    there = {} if like is None else like.values
    after = {
        field: value
        or parents.get(field)
        or _changed(there.get(field) or "")
        or _sample(layout.home(field))
        for field, value in plain.after.items()
    }
    return msgspec.structs.replace(plain, after=after)


def _sample(mapped: MappedColumn) -> str:
    if mapped.values:
        return mapped.values[0][0]
    if not mapped.is_text:
        return some_value(mapped.column)
    return SAMPLES.get(mapped.field, "zvirka")[: mapped.max_length]


def _likely_keys(
    layout: TableLayout, some: Client | None, parents: Mapping[str, str]
) -> Iterator[Key]:
    """Keys of the forms that 1C gives, first of all of the form the store has."""
    if layout.key.is_ref:
        yield (REF,)
        return
    parts = layout.key.parts
    there = None if some is None else layout.key.split(some.key)
    if there is not None:
        yield tuple(
            _changed(text) if _is_free(part) else text
            for part, text in zip(parts, there, strict=True)
        )
    for likely in LIKELY:
        if all(_takes(part, likely) for part in parts):
            yield tuple(
                likely if _is_free(part) else _fitting_part(part, parents) for part in parts
            )


def _is_free(part: MappedColumn) -> bool:
    """Whether this part of a key may hold any text."""
    return part.parent is None and not part.values


def _takes(part: MappedColumn, text: str) -> bool:
    return part.max_length is None or len(text) <= part.max_length or not _is_free(part)


def _changed(key: str) -> str:
    """The key with the digits of its second half turned into nines."""
    half = len(key) // 2
    return key[:half] + "".join("9" if char.isdigit() else char for char in key[half:])


def _fitting_key(layout: TableLayout, parents: Mapping[str, str]) -> Key:
    if layout.key.is_ref:
        return (REF,)
    return tuple(_fitting_part(part, parents) for part in layout.key.parts)


def _fitting_part(part: MappedColumn, parents: Mapping[str, str]) -> str:
    kind = part.column.type
    if part.parent is not None:
        return parents.get(part.field, REF)
    if part.values:
        return part.values[0][0]
    if isinstance(kind, Uuid):
        return REF
    if is_day(part.column):
        return some_value(part.column)
    if not isinstance(kind, String):
        return "2147483647"
    key = KEY if column_values(part.column, [KEY]) else PLAIN_KEY
    return key if kind.length is None else key[-kind.length :]


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
    """Whether the key columns, with our client in it, answer to almost the same key."""
    for part in layout.key.parts:
        kind = part.column.type
        is_text = isinstance(kind, String) and not isinstance(kind, Uuid)
        if layout.key.is_ref or not is_text or _fitting_part(part, {}) != KEY:
            continue
        blind = [
            what
            for almost, what in ALMOST.items()
            if connection.execute(select(layout.pk).where(part.column == almost).limit(1)).first()
        ]
        if blind:
            yield _blind(part, blind)


def _blind(part: MappedColumn, blind: list[Message]) -> Finding:
    return Finding(
        "warning",
        "collation",
        coded(
            "ZV2209",
            "the key {name} does not tell apart {what}: keys of 1C that differ only so collide"
            " where they must be unique",
            name=f"{part.column.table.name}.{part.column.name}",
            what=blind,
        ),
        Message("give the column a binary or case-sensitive collation"),
    )
