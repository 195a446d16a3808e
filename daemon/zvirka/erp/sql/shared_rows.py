"""The living rows that other flows keep in our table, found by the field that bases share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Subquery,
    and_,
    case,
    func,
    literal,
    not_,
    or_,
    select,
)

from zvirka.erp.protocol import ClientElsewhere
from zvirka.erp.sql.expressions import AsText, Same, Trimmed, admin_sql, among
from zvirka.erp.sql.soft_delete import is_active
from zvirka.erp.sql.store_queries import chunks
from zvirka.erp.sql.table_layout import TableLayout
from zvirka.erp.sql.typed_values import column_values, takes_any_text
from zvirka.identity import trimmed


class SharedRows:
    """SELECT statements over the rows of other flows in the table of one layout."""

    def __init__(self, layout: TableLayout) -> None:
        self._layout = layout
        self._clean: bool | None = None

    @cached_property
    def _column(self) -> Column[Any] | None:
        """The column of the shared field; ``None`` when there are no other flows."""
        mapped = self._layout.columns.get(self._layout.sharing.field)
        return mapped.column if mapped is not None else None

    def find(
        self, connection: Connection, values: Iterable[str | None]
    ) -> Mapping[str, ClientElsewhere]:
        """Clients of other flows by the canonical value of the shared field.

        Of several with one value the one with the lowest primary key counts.
        """
        sharing, column = self._layout.sharing, self._column
        if column is None:
            return {}
        wanted = {sharing.canonical(value): trimmed(value or "") for value in values}
        wanted.pop("", None)
        found: dict[str, ClientElsewhere] = {}
        for chunk in chunks(sorted({*wanted, *wanted.values()})):
            statement = select(AsText(column), self._flow, AsText(self._layout.pk))
            statement = statement.where(self._is_shared, self._holds(connection, chunk))
            for value, flow, row in connection.execute(statement.order_by(self._layout.pk)):
                if (key := sharing.canonical(value)) in wanted:
                    found.setdefault(key, ClientElsewhere(flow, row))
        return found

    def count(self, connection: Connection) -> dict[str, int]:
        """How many of our living clients each other flow has as well, where it has any."""
        if self._column is None:
            return {}
        ours = self._values(and_(self._layout.owned, self._living))
        theirs = self._values(self._is_shared)
        statement = select(theirs.c.flow, func.count().label("count")).join_from(
            ours, theirs, ours.c.value == theirs.c.value
        )
        rows = connection.execute(statement.group_by(theirs.c.flow).order_by(theirs.c.flow))
        return {flow: int(count) for flow, count in rows}

    def _values(self, where: ColumnElement[bool]) -> Subquery:
        assert self._column is not None
        value = Trimmed(self._column, self._layout.blanks)
        rows = select(value.label("value"), self._flow.label("flow"))
        return rows.where(where, value != "").subquery()

    @cached_property
    def _flow(self) -> ColumnElement[str]:
        owners = self._layout.sharing.owners
        return case(*((admin_sql(owned), literal(name)) for name, owned in owners), else_="")

    @cached_property
    def _living(self) -> ColumnElement[bool]:
        soft = self._layout.soft
        if soft is None:
            return self._layout.pk.is_not(None)
        # NULL is no deletion, and NOT NULL would be no row
        return is_active(soft, self._layout.table.c) == 1

    @cached_property
    def _is_shared(self) -> ColumnElement[bool]:
        owned = [admin_sql(owned) for _, owned in self._layout.sharing.owners]
        return and_(or_(*owned), self._living, not_(self._layout.owned))

    def _holds(self, connection: Connection, texts: Sequence[str]) -> Any:
        column = self._column
        assert column is not None
        values = column_values(column, texts)
        if not takes_any_text(column) or self._is_clean(connection):
            return among(connection, column, values)
        return Trimmed(column, self._layout.blanks).in_(values)

    def _is_clean(self, connection: Connection) -> bool:
        """Whether an index can find every value as it stands."""
        if self._clean is None:
            column = self._column
            assert column is not None
            is_trimmed = Same(AsText(column), Trimmed(column, self._layout.blanks))
            unclean = select(literal(1)).where(
                self._is_shared, column.is_not(None), not_(is_trimmed)
            )
            self._clean = connection.execute(unclean.limit(1)).first() is None
        return self._clean
