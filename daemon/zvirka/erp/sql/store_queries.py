"""The reading statements of a mapped store, built once from its layout.

Every one of them sees owned rows only, except :func:`conflicting_rows` and
:func:`rows_with_key`, which must not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    or_,
    select,
)

from zvirka.domain import Client, Correction
from zvirka.erp.protocol import IMAGE_SEPARATOR
from zvirka.erp.sql.conversion import UnstorableError, native
from zvirka.erp.sql.expressions import AsText, Same, admin_sql, among
from zvirka.erp.sql.table_layout import Child, TableLayout

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
        """The pairing key: trimmed, '' for NULL; a Ref_Key in lower case."""
        key = _trimmed(AsText(self._rows.c[self.layout.key.name]))
        return func.lower(key) if self.layout.key_is_ref else key

    @property
    def ref(self) -> ColumnElement[str] | None:
        """The Ref_Key in lower case, NULL when empty; ``None`` when the store has no column."""
        if self.layout.ref is None:
            return None
        text = func.lower(func.trim(AsText(self._rows.c[self.layout.ref.name])))
        return func.nullif(text, "")

    @property
    def active(self) -> ColumnElement[int]:
        """1 or 0; a row is inactive only when the column holds exactly the «deleted» value."""
        soft = self.layout.soft
        if soft is None:
            return literal(1)
        return case((self._rows.c[soft.column.name] == soft.deleted, 0), else_=1)

    def value(self, field: str) -> ColumnElement[str]:
        """A mapped field as text, as it stands."""
        if field in self.layout.columns:
            return AsText(self._rows.c[self.layout.columns[field].column.name])
        child, column = next(
            (child, c) for child in self._used for c in child.columns if c.field == field
        )
        return AsText(self._joined[child.name].c[column.column.name])

    @property
    def image(self) -> ColumnElement[str]:
        """All of a row that can differ, as :class:`zvirka.erp.protocol.ScanBatch` says."""
        layout, soft = self.layout, self.layout.soft
        image: ColumnElement[Any] = literal("1")
        if soft is not None:
            image = case((self._rows.c[soft.column.name] == soft.deleted, "0"), else_="1")
        ref: ColumnElement[str] = literal("")
        if layout.ref is not None:
            ref = func.lower(_trimmed(AsText(self._rows.c[layout.ref.name])))
        values = (_trimmed(self.value(field)) for field in layout.fields)
        for part in (ref, *values):
            image = image.concat(literal(IMAGE_SEPARATOR)).concat(part)
        return image

    def scan(self) -> Rows:
        """Row, key and image of every owned row."""
        return select(self.row, self.key, self.image).select_from(self._from)

    def block(self) -> Rows:
        """The same of the rows after ``:after`` up to ``:upto``: their number, three JSON arrays.

        Only SQLite has it. The arrays come as bytes, which saves making a Python text of them.
        """
        pk = self._rows.c[self.layout.pk.name]
        arrays = map(func.json_group_array, (self.row, self.key, self.image))
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
        ref: ColumnElement[Any] | None = self.ref
        columns: list[ColumnElement[Any]] = [self.row, self.key, literal(None), self.active]
        if ref is not None:
            columns[2] = ref
        columns += [self.value(field) for field in self.layout.fields]
        return select(*columns).select_from(self._from)

    def by_rows(self, connection: Connection, rows: Sequence[str]) -> list[Client]:
        """Owned clients by primary key."""
        found: list[Client] = []
        pk = self._rows.c[self.layout.pk.name]
        for chunk in chunks(rows):
            values = natives(self.layout.pk, chunk)
            found += self._fetch(connection, self.clients().where(among(connection, pk, values)))
        return found

    def by_keys(self, connection: Connection, keys: Sequence[str], *, clean: bool) -> list[Client]:
        """Owned clients by pairing key; ``clean`` says no stored key needs trimming to match."""
        found: list[Client] = []
        for chunk in chunks(keys):
            if clean:
                column = self._rows.c[self.layout.key.name]
                where: Any = among(connection, column, natives(self.layout.key, chunk))
            else:
                where = self.key.in_(list(chunk))
            if "" in chunk:
                where = or_(where, self._rows.c[self.layout.key.name].is_(None))
            wanted = set(chunk)
            found += [
                client
                for client in self._fetch(connection, self.clients().where(where))
                if client.key in wanted
            ]
        return found

    def keys_are_clean(self, connection: Connection) -> bool:
        """Whether every stored key equals its trimmed form, so that an index can find it."""
        column = self._rows.c[self.layout.key.name]
        unclean = select(literal(1)).select_from(self._rows)
        unclean = unclean.where(column.is_not(None), not_(Same(AsText(column), self.key)))
        return connection.execute(unclean.limit(1)).first() is None

    def _fetch(self, connection: Connection, statement: Rows) -> list[Client]:
        fields = self.layout.fields
        return [
            Client(
                row=row,
                key=key,
                ref=ref,
                active=bool(active),
                values=dict(zip(fields, values, strict=True)),
            )
            for row, key, ref, active, *values in connection.execute(statement).all()
        ]


def _trimmed(text: ColumnElement[str]) -> ColumnElement[str]:
    """A text without outer spaces, '' for NULL."""
    return func.coalesce(func.trim(text), "")


def natives(column: Any, texts: Iterable[str]) -> list[Any]:
    """The texts as the column's type; those that are not of it are in no row and are left out."""
    found = []
    for text in texts:
        try:
            found.append(native(column, text))
        except UnstorableError:
            continue
    return found


def _owned_rows(layout: TableLayout) -> FromClause:
    names = {layout.pk.name, layout.key.name}
    names |= {mapped.column.name for mapped in layout.columns.values()}
    if layout.ref is not None:
        names.add(layout.ref.name)
    if layout.soft is not None:
        names.add(layout.soft.column.name)
    columns = [column for column in layout.table.c if column.name in names]
    return select(*columns).where(layout.owned).subquery(layout.table.name)


def _is_single(child: Child) -> bool:
    """Whether the child's own primary key already allows one row a client only."""
    return child.pk is not None and child.pk.name == child.parent.name


def rows_with_key(layout: TableLayout, key: str, *, clean: bool) -> Rows:
    """Primary key and trimmed pairing key of rows, owned or not, that may have that key."""
    trimmed: ColumnElement[str] = func.trim(AsText(layout.key))
    if layout.key_is_ref:
        trimmed = func.lower(trimmed)
    where = layout.key.in_(natives(layout.key, [key])) if clean else trimmed == key
    return select(AsText(layout.pk), trimmed).where(where).order_by(layout.pk)


def conflicting_rows(layout: TableLayout, correction: Correction) -> list[Select[Any]]:
    """Statements that give the primary keys a correction's new values would collide with."""
    statements = []
    wanted = dict(correction.before) | dict(correction.after)
    by_column = {mapped.column.name: field for field, mapped in layout.columns.items()}
    for unique in layout.uniques:
        fields = [by_column.get(name) for name in unique.columns]
        if None in fields or not any(field in correction.after for field in fields):
            continue
        values = [wanted.get(str(field)) for field in fields]
        if any(value is None or not value.strip() for value in values):
            continue
        columns = [layout.table.c[name] for name in unique.columns]
        try:
            pairs = [
                column == native(column, str(value))
                for column, value in zip(columns, values, strict=True)
            ]
        except UnstorableError:
            continue
        statement = select(AsText(layout.pk)).where(*pairs)
        if unique.where:
            statement = statement.where(admin_sql(unique.where))
        if correction.row:
            statement = statement.where(not_(Same(AsText(layout.pk), literal(correction.row))))
        statements.append(statement)
    return statements
