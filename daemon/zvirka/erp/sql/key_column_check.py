"""``zvirka check`` for the column of the pairing key: its unique constraint and its index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Index, MetaData, inspect
from sqlalchemy.schema import CreateIndex

from zvirka.erp.sql.table_layout import TableLayout
from zvirka.findings import Finding
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings
from zvirka.settings.value_types import SqlExpression


def key_column_findings(
    connection: Connection, layout: TableLayout, erp: ErpSettings
) -> Iterator[Finding]:
    """Whether the database keeps the key unique and finds it by an index."""
    place = key_place(layout)
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


def key_place(layout: TableLayout) -> Message:
    """The key column as messages name it."""
    return Message("the key {name}", name=layout.key.label)
