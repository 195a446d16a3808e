"""``zvirka check`` for the rows of the store: which are owned, and what in them is ambiguous."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, and_, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.expressions import AsText
from zvirka.erp.sql.key_column_check import key_place
from zvirka.erp.sql.soft_delete import MarkedColumn
from zvirka.erp.sql.table_layout import Child, TableLayout
from zvirka.findings import Finding
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings

SHOWN = 10
"""How many doubled keys or unknown values one line names."""


def ownership_findings(
    connection: Connection, layout: TableLayout, erp: ErpSettings
) -> Iterator[Finding]:
    """How many rows erp.owned holds for."""
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


def stored_values_findings(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    """Doubled keys, soft-delete values without a meaning, and doubled child rows."""
    yield from _doubled_keys(connection, layout)
    yield from _soft_values(connection, layout)
    for child in layout.children:
        if child.columns:
            yield from _doubled_children(connection, layout, child)


def _doubled_keys(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
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
                place=key_place(layout),
                named=named,
            ),
            Message(
                "a person must decide which row is the client's; zvirka reports and leaves them"
            ),
        )


def _soft_values(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    if not isinstance(layout.soft, MarkedColumn) or layout.soft.computed:
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


def _doubled_children(
    connection: Connection, layout: TableLayout, child: Child
) -> Iterator[Finding]:
    """Clients of whom several child rows fulfil the predicate, such as two primary contacts."""
    doubled = select(child.parent).where(*child.predicate).group_by(child.parent)
    doubled = doubled.having(func.count() > 1)
    key = layout.key.canonical_text(layout.table)
    clients = select(func.count(), func.min(key)).where(layout.owned, layout.pk.in_(doubled))
    count, example = connection.execute(clients).one()
    if not count:
        return
    text = coded(
        "ZV2306",
        "clients with more than one row in {table}: {count}, such as {key}",
        table=child.table.name,
        count=count,
        key=example or "",
    )
    if child.pk is None:
        remedy = Message(
            "leave one such row to each client, or narrow {place}.where",
            place=f"erp.children.{child.name}",
        )
    else:
        remedy = Message(
            "leave one such row to each client, or narrow {place}.where; zvirka reads and writes"
            " the row with the lowest {column}",
            place=f"erp.children.{child.name}",
            column=child.pk.name,
        )
    yield Finding("warning", f"erp.children.{child.name}", text, remedy)
