"""``zvirka check`` for the store: the mapping proven against the live tables, line by line.

What can only be known by trying is tried in :mod:`zvirka.erp.sql.trial`, and rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    MetaData,
    String,
    Table,
    and_,
    func,
    inspect,
    or_,
    select,
)
from sqlalchemy import text as sql_text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from zvirka.erp.embedded import TABLE, effective
from zvirka.erp.open_store import require_embeddable
from zvirka.erp.references import NO_REFERENCES, References, ReferringTable
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.engines import store_engine, store_name, store_url
from zvirka.erp.sql.expressions import AsText
from zvirka.erp.sql.mapped_column import MappedColumn
from zvirka.erp.sql.reflection import reflect
from zvirka.erp.sql.table_layout import TableLayout, layout_problems, read_layout
from zvirka.erp.sql.trial import try_writes
from zvirka.erp.sql.typed_values import has_rule, unknown_type
from zvirka.erp.webhook.endpoint_check import check_endpoint
from zvirka.errors import SettingsError, StoreError, ZvirkaError
from zvirka.findings import Finding, failed
from zvirka.mapping import Attribute, ContactLine, Field, Mapping
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings, SqlExpression

SHOWN = 10
"""How many doubled keys or strange values one line names."""

LENGTHS = {
    "Code": 11,
    "Description": 150,
    "НаименованиеПолное": 500,
    "ИНН": 12,
    "КодПоЕДРПОУ": 12,
    "Телефон": 50,
    "АдресЭлектроннойПочты": 100,
    "Адрес": 500,
}
"""Characters that typical configurations of 1C may send, by attribute or by Тип of a contact:
Description is 100 or 150 long there, the texts of contact information 500."""


def check_store(
    erp: ErpSettings,
    mapping: Mapping,
    *,
    references: References = NO_REFERENCES,
    referring: Sequence[ReferringTable] = (),
) -> list[Finding]:
    """Everything about the store a run would stumble over, and what is in order.

    Nothing is left in the store: writes are tried in a transaction that is rolled back. Sequences
    of primary keys may advance by it.
    """
    try:
        url = store_url(erp)
        if erp.table is None:
            require_embeddable(url)
            if url.database and not Path(url.database).exists():
                text = coded("ZV2102", "the embedded store is not there yet")
                return [Finding("warning", "store", text, Message("the first run creates it"))]
        engine = store_engine(erp)
    except ZvirkaError as error:
        return [failed("store", error)]
    settings = effective(erp, mapping)
    try:
        return list(_findings(engine, settings, mapping, references, referring))
    finally:
        engine.dispose()


def _findings(
    engine: Engine,
    erp: ErpSettings,
    mapping: Mapping,
    references: References,
    referring: Sequence[ReferringTable],
) -> Iterator[Finding]:
    name = store_name(engine.url, erp.table or TABLE)
    try:
        table, children = reflect(engine, erp, name)
        yield Finding("ok", "store", Message("{name} can be reached", name=name))
        problems = list(layout_problems(erp, mapping, table, children))
        for problem in problems:
            text = coded("ZV2212", "{what}", what=problem)
            yield Finding("failure", "columns", text, Message("correct [erp] in zvirka.toml"))
        if problems:
            return
        layout = read_layout(engine, erp, mapping, name, references=references, referring=referring)
    except (StoreError, SettingsError) as error:
        yield failed("store", error)
        return
    yield Finding(
        "ok",
        "columns",
        Message("all {count} mapped fields have their columns", count=len(mapping.fields)),
    )
    yield from _types(layout)
    yield from _lengths(layout, mapping)
    if erp.writer == "sql":
        yield from _required(layout)
    try:
        with engine.connect() as connection:
            ownership = list(_ownership(connection, layout, erp))
            yield from ownership
            if any(finding.level == "failure" for finding in ownership):
                return
            yield from _key(connection, layout, erp)
            yield from _soft_values(connection, layout)
            yield from _charset(connection, layout)
    except SQLAlchemyError as error:
        yield failed("store", store_error(error, name))
        return
    if erp.writer == "webhook":
        yield Finding("ok", "rights", Message("reading is enough: the ERP's webhook writes"))
        yield from check_endpoint(erp)
        return
    yield from try_writes(engine, layout)


def _types(layout: TableLayout) -> Iterator[Finding]:
    for mapped in _mapped_columns(layout):
        if not has_rule(mapped.column):
            yield Finding(
                "failure",
                "columns",
                coded("ZV2215", "{what}", what=unknown_type(mapped.column)),
                Message(
                    "map field {field} to a column of text, number, date, time, boolean or UUID",
                    field=mapped.field,
                ),
            )


def _mapped_columns(layout: TableLayout) -> list[MappedColumn]:
    return [*layout.columns.values(), *(c for child in layout.children for c in child.columns)]


def _lengths(layout: TableLayout, mapping: Mapping) -> Iterator[Finding]:
    for mapped in _mapped_columns(layout):
        expected = _expected(mapping.field(mapped.field))
        if mapped.truncate or mapped.max_length is None or mapped.max_length >= expected:
            continue
        yield Finding(
            "warning",
            "lengths",
            coded(
                "ZV2202",
                "{place} takes {limit} characters of field {field}, 1C may send {expected}; longer"
                " values are refused",
                place=_place(mapped),
                limit=mapped.max_length,
                field=mapped.field,
                expected=expected,
            ),
            Message(
                'widen the column, or set erp.columns.{name} = { column = "{column}",'
                " truncate = true }",
                name=mapped.field,
                column=mapped.column.name,
            ),
        )


def _expected(field: Field) -> int:
    source = field.source
    if isinstance(source, Attribute):
        return LENGTHS.get(source.name, 0)
    if isinstance(source, ContactLine) or source.value == "Представление":
        return LENGTHS.get(source.type, 0)
    return 0


def _place(mapped: MappedColumn) -> Message:
    return Message("column {name}", name=f"{mapped.column.table.name}.{mapped.column.name}")


def _required(layout: TableLayout) -> Iterator[Finding]:
    given = {mapped.column.name for mapped in layout.columns.values()}
    given |= {*layout.key.names, *(name for name, _ in layout.on_create)}
    given |= {layout.ref.name} if layout.ref is not None else set()
    given |= {layout.soft.column.name} if layout.soft is not None else set()
    if not layout.table.primary_key.columns:  # a view does not say what fills its key: it is tried
        given.add(layout.pk.name)
    yield from _without_value(layout.table, given, "erp.on_create")
    for child in layout.children:
        given = {mapped.column.name for mapped in (*child.columns, *child.copies)}
        given |= {child.parent.name, *(name for name, _ in child.on_create)}
        given |= {column.name for column, _ in child.where}
        yield from _without_value(child.table, given, f"erp.children.{child.name}.on_create")


def _without_value(table: Table, given: set[str], place: str) -> Iterator[Finding]:
    for column in table.columns:
        if column.nullable or column.name in given or _fills_itself(column):
            continue
        yield Finding(
            "failure",
            "required columns",
            coded(
                "ZV2203",
                "column {table}.{column} is NOT NULL and gets no value on create",
                table=table.name,
                column=column.name,
            ),
            Message("give it one: {place}.{column}", place=place, column=column.name),
        )


def _fills_itself(column: Column[object]) -> bool:
    if column.server_default is not None or column.computed is not None:
        return True
    return column.identity is not None or column is column.table.autoincrement_column


def _ownership(connection: Connection, layout: TableLayout, erp: ErpSettings) -> Iterator[Finding]:
    count = select(func.count()).select_from(layout.table)
    total = connection.execute(count).scalar_one()
    try:
        with connection.begin_nested():
            owned = connection.execute(count.where(layout.owned)).scalar_one()
    except SQLAlchemyError as error:
        reason = store_error(error, layout.name).cause
        yield Finding(
            "failure",
            "ownership",
            coded(
                "ZV3305",
                "erp.owned is not a condition the database understands: {reason}",
                reason=reason,
            ),
            Message("write it as SQL over the columns of the table: external_id IS NOT NULL"),
        )
        return
    if not erp.owned.strip():
        text = coded(
            "ZV2304",
            "erp.owned is empty: all rows ({total}) are compared, and may be corrected or deleted",
            total=total,
        )
        yield Finding(
            "warning", "ownership", text, Message("set erp.owned if people enter rows by hand")
        )
    elif total and not owned:
        text = coded("ZV2305", "erp.owned holds for none of {total} rows", total=total)
        yield Finding(
            "warning", "ownership", text, Message("check the condition: a run would create all")
        )
    else:
        yield Finding(
            "ok",
            "ownership",
            Message("{owned} of {total} rows are owned", owned=owned, total=total),
        )


def _key(connection: Connection, layout: TableLayout, erp: ErpSettings) -> Iterator[Finding]:
    place = Message("the key {name}", name=layout.key.label)
    within = _columns_of_ours(layout, erp)
    alone = layout.key.names
    unique = next(
        (one for one in layout.uniques if set(alone) <= set(one.columns) <= {*alone, *within}), None
    )
    if unique is not None:
        others = [name for name in unique.columns if name not in alone]
        beside = Message("{place} is unique together with {columns}", place=place, columns=others)
        yield Finding("ok", "key", beside if others else Message("{place} is unique", place=place))
    else:
        yield Finding(
            "warning",
            "key",
            coded(
                "ZV2204",
                "{place} has no unique constraint: two programs writing at once can double a"
                " client",
                place=place,
            ),
            _index_statement(connection, layout, (*within, *alone), unique=True),
        )
    if unique is None and not _leads_an_index(connection, layout):
        yield Finding(
            "warning",
            "key",
            coded(
                "ZV2205", "{place} has no index: each correction reads the whole table", place=place
            ),
            _index_statement(connection, layout, alone, unique=False),
        )
    yield from _doubled(connection, layout, place)


def _columns_of_ours(layout: TableLayout, erp: ErpSettings) -> tuple[str, ...]:
    """Columns in which all our rows have one constant, because erp.owned compares them with it."""
    compared = set(re.findall(r"""(\w+)["`\]]?\s*=""", erp.owned))
    constants = {
        name for name, value in erp.on_create.items() if not isinstance(value, SqlExpression)
    }
    return tuple(c.name for c in layout.table.c if c.name in constants & compared)


def _index_statement(
    connection: Connection, layout: TableLayout, columns: Sequence[str], *, unique: bool
) -> str:
    """The statement that makes an index, as this database spells it."""
    name = f"{'uq' if unique else 'ix'}_{layout.table.name}_{'_'.join(layout.key.names)}"
    table = layout.table.to_metadata(MetaData())
    index = Index(name, *(table.c[column] for column in columns), unique=unique)
    return str(CreateIndex(index).compile(dialect=connection.dialect))


def _leads_an_index(connection: Connection, layout: TableLayout) -> bool:
    if any(unique.columns[0] in layout.key.names for unique in layout.uniques):
        return True
    indexes = inspect(connection).get_indexes(layout.table.name, schema=layout.table.schema)
    leading = {name for index in indexes for name in index["column_names"][:1]}
    return not leading.isdisjoint(layout.key.names)


def _doubled(connection: Connection, layout: TableLayout, place: Message) -> Iterator[Finding]:
    key = layout.key.canonical_text(layout.table)
    doubled = select(key, func.count()).where(layout.owned, key != "").group_by(key)
    rows = connection.execute(doubled.having(func.count() > 1).limit(SHOWN + 1)).all()
    if rows:
        named = [*(str(value) for value, _ in rows[:SHOWN]), *(["…"] if len(rows) > SHOWN else [])]
        yield Finding(
            "warning",
            "key",
            coded(
                "ZV2302",
                "{place} stands more than once: {named}",
                place=place,
                named=named,
            ),
            Message(
                "a person must decide which row is the client's; zvirka reports and leaves them"
            ),
        )


def _soft_values(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    if layout.soft is None or layout.soft.computed:
        return
    column = layout.soft.column
    known = [value for value in (layout.soft.active, layout.soft.deleted) if value is not None]
    strange = select(AsText(column), func.count()).where(
        layout.owned, or_(column.is_(None), and_(*(column != value for value in known)))
    )
    rows = connection.execute(strange.group_by(AsText(column)).limit(SHOWN)).all()
    if rows:
        named = [f"{'NULL' if value is None else value} × {count}" for value, count in rows]
        yield Finding(
            "warning",
            "soft delete",
            coded(
                "ZV2303",
                "column {table}.{column} holds neither active nor deleted: {named}",
                table=layout.table.name,
                column=column.name,
                named=named,
            ),
            Message("such rows count as active; check erp.delete.active and erp.delete.deleted"),
        )


def _charset(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    backend = connection.dialect.name
    narrow: list[str] = []
    if backend == "postgresql":
        encoding = connection.execute(sql_text("SHOW server_encoding")).scalar_one()
        narrow = [] if encoding == "UTF8" else [f"the database is encoded in {encoding}"]
    elif backend in {"mysql", "mariadb"}:
        narrow = list(_narrow_columns(connection, layout))
    for what in narrow:
        yield Finding(
            "warning",
            "charset",
            coded(
                "ZV2206",
                "{what}: some characters of 1C cannot be stored, such rows fail",
                what=what,
            ),
            Message("convert it to UTF-8 (utf8mb4)"),
        )


def _narrow_columns(connection: Connection, layout: TableLayout) -> Iterator[str]:
    statement = sql_text(
        "SELECT character_set_name FROM information_schema.columns WHERE table_name = :table"
        " AND column_name = :column AND table_schema = COALESCE(:schema, DATABASE())"
    )
    for mapped in _mapped_columns(layout):
        if not isinstance(mapped.column.type, String):
            continue
        table = mapped.column.table
        parameters = {"table": table.name, "column": mapped.column.name, "schema": table.schema}
        charset = connection.execute(statement, parameters).scalar()
        if charset not in {None, "utf8mb4"}:
            yield f"{_place(mapped)} is encoded in {charset}"
