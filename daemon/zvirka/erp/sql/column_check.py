"""``zvirka check`` for the mapped columns: types, lengths, NOT NULL, encodings."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Table
from sqlalchemy import text as sql_text

from zvirka.erp.sql.charsets import charset_of
from zvirka.erp.sql.mapped_column import MappedColumn
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.typed_values import has_rule, unknown_type
from zvirka.findings import Finding
from zvirka.mapping import Attribute, ContactLine, Field, Mapping
from zvirka.message import Message, coded

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


def column_findings(layout: TableLayout, mapping: Mapping) -> Iterator[Finding]:
    """Columns of types zvirka cannot write, and columns too short for the values of 1C."""
    yield from _types(layout)
    yield from _lengths(layout, mapping)


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


def required_findings(layout: TableLayout) -> Iterator[Finding]:
    """NOT NULL columns that get no value when zvirka creates a row."""
    given = {mapped.column.name for mapped in layout.columns.values()}
    given |= {*layout.key.names, *(name for name, _ in layout.on_create)}
    given |= {layout.ref.name} if layout.ref is not None else set()
    given |= layout.soft.on_restore.keys() if layout.soft is not None else set()
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


def charset_findings(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    """Encodings that cannot hold every character of 1C."""
    backend = connection.dialect.name
    narrow: list[str] = []
    if backend == "postgresql":
        encoding = connection.execute(sql_text("SHOW server_encoding")).scalar_one()
        narrow = [] if encoding == "UTF8" else [f"the database is encoded in {encoding}"]
    elif backend in {"mysql", "mariadb"}:
        narrow = [
            f"{_place(mapped)} is encoded in {charset.name}"
            for mapped in _mapped_columns(layout)
            if (charset := charset_of(mapped.column)) is not None
        ]
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


def _mapped_columns(layout: TableLayout) -> list[MappedColumn]:
    return [*layout.columns.values(), *(c for child in layout.children for c in child.columns)]


def _place(mapped: MappedColumn) -> Message:
    return Message("column {name}", name=f"{mapped.column.table.name}.{mapped.column.name}")
