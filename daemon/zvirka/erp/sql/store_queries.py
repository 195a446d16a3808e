"""The reading statements of a mapped store, built once from its layout.

Every one of them sees owned rows only, except :func:`conflicting_rows` and
:func:`rows_with_key`, which must not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    select,
)

from zvirka.domain import Client, Correction
from zvirka.erp.protocol import IMAGE_SEPARATOR
from zvirka.erp.sql.conversion import storable
from zvirka.erp.sql.expressions import AsText, Same, admin_sql, among, field_text
from zvirka.erp.sql.soft_delete import is_active
from zvirka.erp.sql.table_layout import Child, TableLayout
from zvirka.erp.sql.typed_values import (
    UnstorableError,
    column_values,
    takes_any_text,
)
from zvirka.identity import canonical_key

Rows = Select[*tuple[Any, ...]]
"""A SELECT whose columns are only known from the layout."""

CHUNK = 500
"""Values in one IN list."""

_AFTER: ColumnElement[Any] = bindparam("after")
_UPTO: ColumnElement[Any] = bindparam("upto")


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values in lists short enough for one statement."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


class Reading:
    """SELECT statements over the owned rows of one layout."""

    def __init__(self, layout: TableLayout) -> None:
        self.layout = layout
        # Ownership is decided inside a subquery of the table's own name: there the
        # administrator's predicate cannot meet a child's column of the same name.
        self._rows = _owned_rows(layout)
        self._joined = {child.name: child.table.alias(f"zv_{child.name}") for child in self._used}
        self._from = self._join()

    @property
    def _used(self) -> list[Child]:
        return [child for child in self.layout.children if child.columns]

    def _join(self) -> FromClause:
        joined: FromClause = self._rows
        for child in self._used:
            alias = self._joined[child.name]
            joined = joined.outerjoin(alias, self._is_child(child, alias))
        return joined

    def _is_child(self, child: Child, alias: FromClause) -> ColumnElement[bool]:
        conditions = [alias.c[child.parent.name] == self._rows.c[self.layout.pk.name]]
        conditions += [alias.c[column.name] == value for column, value in child.where]
        if child.pk is not None and not _is_single(child):
            lower = child.table.alias(f"zv_{child.name}_lower")
            conditions.append(
                not_(
                    exists()
                    .where(lower.c[child.parent.name] == alias.c[child.parent.name])
                    .where(lower.c[child.pk.name] < alias.c[child.pk.name])
                    .where(*[lower.c[column.name] == value for column, value in child.where])
                )
            )
        return and_(*conditions)

    @property
    def row(self) -> ColumnElement[str]:
        """The primary key as text."""
        return AsText(self._rows.c[self.layout.pk.name])

    @property
    def key(self) -> ColumnElement[str]:
        """The pairing key as text, as it stands."""
        return self.layout.key.text(self._rows)

    @property
    def ref(self) -> ColumnElement[Any]:
        """The Ref_Key as text, as it stands; NULL when the store has no column for it."""
        if self.layout.ref is None:
            return literal(None)
        return AsText(self._rows.c[self.layout.ref.name])

    @property
    def active(self) -> ColumnElement[int]:
        """1 or 0; a row is inactive only where it is deleted for sure."""
        soft = self.layout.soft
        if soft is None:
            return literal(1)
        return is_active(soft, self._rows.c)

    def value(self, field: str) -> ColumnElement[str]:
        """A mapped field as text: a text as it stands, else in 1C's spelling."""
        if field in self.layout.columns:
            mapped = self.layout.columns[field]
            return field_text(mapped, self._rows.c[mapped.column.name])
        child, column = next(
            (child, c) for child in self._used for c in child.columns if c.field == field
        )
        return field_text(column, self._joined[child.name].c[column.column.name])

    @property
    def image(self) -> ColumnElement[str]:
        """All of a row that can differ, as :class:`zvirka.erp.protocol.ScanBatch` says."""
        layout, soft = self.layout, self.layout.soft
        image: ColumnElement[Any] = literal("1")
        if soft is not None:
            image = case((soft.is_deleted(self._rows.c), "0"), else_="1")
        ref: ColumnElement[Any] = literal("")
        if layout.ref is not None:
            ref = func.lower(self.ref) if takes_any_text(layout.ref) else self.ref
        texts = [func.coalesce(text, "") for text in (ref, *map(self.value, layout.fields))]
        for text in texts:
            image = image.concat(literal(IMAGE_SEPARATOR)).concat(text)
        return image

    def scan(self) -> Rows:
        """Row, key and image of every owned row."""
        return select(self.row, func.coalesce(self.key, ""), self.image).select_from(self._from)

    def block(self) -> Rows:
        """The same of the rows after ``:after`` up to ``:upto``: their number, three JSON arrays.

        Only SQLite has it. The arrays come as bytes, which saves making a Python text of them.
        """
        pk = self._rows.c[self.layout.pk.name]
        texts = (self.row, func.coalesce(self.key, ""), self.image)
        arrays = map(func.json_group_array, texts)
        columns = [cast(array, LargeBinary) for array in arrays]
        whole = select(func.count(), *columns).select_from(self._from)
        return whole.where(pk > _AFTER, pk <= _UPTO)

    def end_of_block(self, size: int) -> Select[Any]:
        """The primary key that is ``size`` rows after ``:after``, or the last one, or NULL."""
        pk = self.layout.pk
        rows = select(pk).where(pk > _AFTER).order_by(pk).limit(size).subquery()
        return select(func.max(rows.c[pk.name]))

    def clients(self) -> Rows:
        """Row, key, ref, active and the mapped fields of owned rows; add a WHERE to it."""
        values = map(self.value, self.layout.fields)
        columns = (self.row, self.key, self.ref, self.active, *values)
        return select(*columns).select_from(self._from)

    def by_rows(self, connection: Connection, rows: Sequence[str]) -> list[Client]:
        """Owned clients by primary key."""
        found: list[Client] = []
        pk = self._rows.c[self.layout.pk.name]
        for chunk in chunks(rows):
            values = column_values(self.layout.pk, chunk)
            found += self._fetch(connection, self.clients().where(among(connection, pk, values)))
        return found

    def newest(self, connection: Connection, size: int) -> list[Client]:
        """Up to ``size`` owned clients, those with the greatest primary keys."""
        pk = self._rows.c[self.layout.pk.name]
        return self._fetch(connection, self.clients().order_by(pk.desc()).limit(size))

    def by_keys(self, connection: Connection, keys: Sequence[str], *, clean: bool) -> list[Client]:
        """Owned clients by pairing key; ``clean`` says no stored key needs trimming to match."""
        found: list[Client] = []
        for chunk in chunks(keys):
            where = self.layout.key.among(connection, self._rows, chunk, clean=clean)
            wanted = set(chunk)
            found += [
                client
                for client in self._fetch(connection, self.clients().where(where))
                if client.key in wanted
            ]
        return found

    def rows_of_keys(
        self, connection: Connection, keys: Sequence[str], *, clean: bool
    ) -> list[tuple[Any, str, str]]:
        """Primary key, the same as text, and pairing key of the owned rows with these keys."""
        pk = self._rows.c[self.layout.pk.name]
        found: list[tuple[Any, str, str]] = []
        for chunk in chunks(keys):
            statement = select(pk, self.row, self.key).select_from(self._rows)
            where = self.layout.key.among(connection, self._rows, chunk, clean=clean)
            wanted = set(chunk)
            for stored_row, row, text in connection.execute(statement.where(where)):
                key = self.layout.key.canonical(text)
                if key in wanted:
                    found.append((stored_row, row, key))
        return found

    def keys_are_clean(self, connection: Connection) -> bool:
        """Whether every stored key is canonical, so that an index can find it."""
        unclean = self.layout.key.unclean(self._rows)
        if unclean is None:
            return True
        found = select(literal(1)).select_from(self._rows).where(unclean).limit(1)
        return connection.execute(found).first() is None

    def _fetch(self, connection: Connection, statement: Rows) -> list[Client]:
        fields = self.layout.fields
        return [
            Client(
                row=row,
                key=self.layout.key.canonical(key),
                ref=canonical_key(ref, is_ref=True) or None,
                active=bool(active),
                values=dict(zip(fields, values, strict=True)),
            )
            for row, key, ref, active, *values in connection.execute(statement).all()
        ]


def _owned_rows(layout: TableLayout) -> FromClause:
    names = {layout.pk.name, *layout.key.names}
    names |= {mapped.column.name for mapped in layout.columns.values()}
    if layout.ref is not None:
        names.add(layout.ref.name)
    if layout.soft is not None:
        names |= {column.name for column in layout.soft.columns}
    columns = [column for column in layout.table.c if column.name in names]
    return select(*columns).where(layout.owned).subquery(layout.table.name)


def _is_single(child: Child) -> bool:
    """Whether the child's own primary key already allows one row a client only."""
    return child.pk is not None and child.pk.name == child.parent.name


def rows_with_key(connection: Connection, layout: TableLayout, key: str, *, clean: bool) -> Rows:
    """Primary key and pairing key, as it stands, of rows, owned or not, that may have that key."""
    where = layout.key.among(connection, layout.table, [key], clean=clean)
    text = layout.key.text(layout.table)
    return select(AsText(layout.pk), text).where(where).order_by(layout.pk)


def conflicting_rows(layout: TableLayout, correction: Correction) -> list[Select[Any]]:
    """Statements that give the primary keys a correction's new values would collide with.

    They look for the values as the correction would write them, not as 1C has them.
    """
    statements = []
    wanted = layout.key.with_canonical({**correction.before, **correction.after})
    by_column = {mapped.column.name: mapped for mapped in layout.columns.values()}
    for unique in layout.uniques:
        columns = [by_column[name] for name in unique.columns if name in by_column]
        if len(columns) < len(unique.columns):
            continue
        if not any(mapped.field in correction.after for mapped in columns):
            continue
        try:
            held = [storable(mapped, wanted.get(mapped.field), nul=False)[0] for mapped in columns]
        except UnstorableError:
            continue
        if None in held:  # NULLs do not collide
            continue
        pairs = [mapped.column == value for mapped, value in zip(columns, held, strict=True)]
        statement = select(AsText(layout.pk)).where(*pairs)
        if unique.where:
            statement = statement.where(admin_sql(unique.where))
        if correction.row:
            statement = statement.where(not_(Same(AsText(layout.pk), literal(correction.row))))
        statements.append(statement)
    return statements
