"""The store's tables as the settings map them: reflected from the live database, then fixed.

Everything that reads or writes the store works from a :class:`TableLayout`; nothing else knows the
names of columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    String,
    Table,
    true,
)
from sqlalchemy.exc import SQLAlchemyError

from zvirka.domain import Values
from zvirka.erp.references import NO_REFERENCES, References, ReferringTable
from zvirka.erp.sharing import ALONE, Sharing
from zvirka.erp.sql.conversion import held_text
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.expressions import admin_sql, storable_blanks
from zvirka.erp.sql.key_columns import KeyColumns
from zvirka.erp.sql.mapped_column import MappedColumn, Parent
from zvirka.erp.sql.reflection import reflect
from zvirka.erp.sql.related_tables import Referring, read_parents, read_referring
from zvirka.erp.sql.soft_delete import (
    SoftDelete,
    constant,
    emptying_problems,
    named_columns,
    soft_delete,
)
from zvirka.erp.sql.unique_constraints import Unique, unique_constraints
from zvirka.errors import SettingsError
from zvirka.identity import BLANKS
from zvirka.mapping import Field, Mapping
from zvirka.message import Message, coded, joined
from zvirka.settings.model import ChildSettings, ColumnSettings, ErpSettings
from zvirka.settings.value_types import Constant

Constants = tuple[tuple[str, Any], ...]
"""Column name → value or SQL expression."""


@dataclass(frozen=True)
class Child:
    """A child table: one row a client, found by ``parent`` and the predicate ``where``.

    ``columns`` are read and written. ``copies`` hold fields whose home is the client's own table;
    they are filled when the child row is created and left alone afterwards. Where several rows
    match, the one with the lowest ``pk`` is the client's.
    """

    name: str
    table: Table
    parent: Column[Any]
    pk: Column[Any] | None
    where: tuple[tuple[Column[Any], Any], ...]
    columns: tuple[MappedColumn, ...]
    copies: tuple[MappedColumn, ...]
    on_create: Constants
    on_update: Constants

    @property
    def predicate(self) -> list[ColumnElement[bool]]:
        """The conditions that select the client's row among those of its parent."""
        return [column == value for column, value in self.where]


@dataclass(frozen=True)
class TableLayout:
    """The mapped store. ``owned`` is ANDed to every read and every write of ``table``."""

    name: str
    table: Table
    pk: Column[Any]
    key: KeyColumns
    ref: Column[Any] | None
    owned: ColumnElement[bool]
    soft: SoftDelete | None
    fields: tuple[str, ...]
    columns: dict[str, MappedColumn]
    children: tuple[Child, ...]
    on_create: Constants
    on_update: Constants
    uniques: tuple[Unique, ...]
    referring: tuple[Referring, ...] = ()
    """Where rows of other tables, or of this one, refer to rows of this table."""
    sharing: Sharing = ALONE
    """The other flows of the table."""
    blanks: str = BLANKS
    """The characters SQL trims from a key: those of them the database can hold."""

    @cached_property
    def required(self) -> frozenset[str]:
        """Fields without which no client can be created."""
        children = (c for child in self.children for c in (*child.columns, *child.copies))
        mapped = [*self.columns.values(), *children]
        return frozenset(one.field for one in mapped if not one.column.nullable)

    @cached_property
    def unique_fields(self) -> list[tuple[str, ...]]:
        """Groups of mapped fields that are unique as a group; the pairing key always is."""
        fields = {mapped.column.name: name for name, mapped in self.columns.items()}
        groups = [*(unique.columns for unique in self.uniques), self.key.names]
        found = [
            tuple(fields[column] for column in group)
            for group in groups
            if all(column in fields for column in group)
        ]
        return list(dict.fromkeys(found))

    def home(self, field: str) -> MappedColumn:
        """The column a field is read from, in the client's table or in a child."""
        if field in self.columns:
            return self.columns[field]
        return next(c for child in self.children for c in child.columns if c.field == field)

    def fitting(self, values: Values) -> dict[str, str | None]:
        """The values as they would read back from the columns.

        They are of the column's type, and cut where the mapping says truncate. The key is in its
        canonical form.
        """
        fitted = self.key.with_canonical(values)
        for name in fitted.keys() & self._converting.keys():
            fitted[name] = held_text(self._converting[name], fitted[name])
        return fitted

    @cached_property
    def _converting(self) -> dict[str, MappedColumn]:
        """The columns that do not hold every text as it is."""
        homes = {name: self.home(name) for name in self.fields}
        return {
            name: home
            for name, home in homes.items()
            if not home.is_text
            or (home.truncate and home.max_length is not None)
            or home.parent is not None
            or home.values
        }


def read_layout(
    engine: Engine,
    erp: ErpSettings,
    mapping: Mapping,
    name: str,
    *,
    references: References = NO_REFERENCES,
    referring: Sequence[ReferringTable] = (),
    sharing: Sharing = ALONE,
) -> TableLayout:
    """Reflect the tables and bind the mapping to them.

    Raises:
        SettingsError: the mapping names what the tables do not have; all of it is reported at once.
        StoreError: the database cannot be reached, or a table does not exist.
    """
    table, children = reflect(engine, erp, name)
    if problems := list(layout_problems(erp, mapping, table, children)):
        raise SettingsError(
            coded(
                "ZV2212",
                "the mapping does not fit the store: {problems}",
                problems=joined(problems),
            ),
            place=name,
            remedy=Message("correct [erp] in zvirka.toml; `zvirka check` tells line by line"),
        )
    try:
        uniques = unique_constraints(engine, table)
        with engine.connect() as connection:
            blanks = storable_blanks(connection)
    except SQLAlchemyError as error:
        raise store_error(error, name) from None
    parents = read_parents(engine, mapping, references, name)
    # SQLite reflects its row id as nullable, and no database has rows without a primary key.
    table.c[erp.primary_key].nullable = False
    unique = {name for constraint in uniques for name in constraint.columns}
    columns = {
        field: _mapped(
            mapping.field(field), settings, table, erp.timezone, unique, parents.get(field)
        )
        for field, settings in own_columns(erp, mapping, table).items()
    }
    ref = table.c[erp.ref] if erp.ref else None
    key = _key_columns(erp, mapping, table, columns, blanks)
    return TableLayout(
        name=name,
        table=table,
        pk=table.c[erp.primary_key],
        key=key,
        ref=key.parts[0].column if key.is_ref and ref is None else ref,
        owned=admin_sql(erp.owned) if erp.owned.strip() else true(),
        soft=soft_delete(erp.delete, table),
        fields=mapping.names,
        columns=columns | {part.field: part for part in key.parts if len(key.parts) > 1},
        children=tuple(
            _child(child, erp, children[child], mapping, set(columns)) for child in erp.children
        ),
        on_create=_constants(erp.on_create, table),
        on_update=_constants(erp.on_update, table),
        uniques=uniques,
        referring=read_referring(engine, table, referring, name),
        sharing=sharing,
        blanks=blanks,
    )


def _key_columns(
    erp: ErpSettings, mapping: Mapping, table: Table, columns: dict[str, MappedColumn], blanks: str
) -> KeyColumns:
    """The columns of the pairing key, with limits that hold for a key."""
    if len(mapping.key) > 1:
        parts = tuple(replace(columns[name], truncate=False) for name in mapping.key)
    else:
        column = table.c[erp.key]
        limit = column.type.length if isinstance(column.type, String) else None
        parts = (MappedColumn(mapping.key[0], column, limit, truncate=False, unique=True),)
    return KeyColumns(parts, mapping.key_is_ref, blanks)


def own_columns(erp: ErpSettings, mapping: Mapping, table: Table) -> dict[str, ColumnSettings]:
    """Column settings of the fields that live in the client's own table.

    The key field lives in ``erp.key`` by default; a field that is mentioned nowhere
    lives in the column of its own name, if there is one.
    """
    in_children = {field for child in erp.children.values() for field in child.columns}
    found: dict[str, ColumnSettings] = {}
    for field in mapping.names:
        if field in erp.columns:
            found[field] = erp.columns[field]
        elif (field,) == mapping.key:
            found[field] = ColumnSettings(column=erp.key)
        elif field not in in_children and field in table.c:
            found[field] = ColumnSettings(column=field)
    return found


def layout_problems(
    erp: ErpSettings, mapping: Mapping, table: Table, children: dict[str, Table]
) -> Iterator[Message]:
    """Everything the mapping names and the tables do not have, a sentence each."""
    wanted = [("erp.primary_key", erp.primary_key)]
    wanted += [("erp.key", erp.key)] if len(mapping.key) == 1 else []
    if erp.ref:
        wanted.append(("erp.ref", erp.ref))
    wanted += named_columns(erp.delete)
    own = own_columns(erp, mapping, table)
    wanted += [(f"erp.columns.{field}", settings.column) for field, settings in own.items()]
    wanted += [(f"erp.on_create.{column}", column) for column in erp.on_create]
    wanted += [(f"erp.on_update.{column}", column) for column in erp.on_update]
    for place, column in wanted:
        if column not in table.c:
            yield Message(
                "table {table} has no column {column} ({key})",
                table=table.name,
                column=column,
                key=place,
            )
        elif _cannot_write(table.c[column], erp) and place != "erp.primary_key":
            yield Message(
                "the database computes column {column} itself ({key})",
                column=f"{table.name}.{column}",
                key=place,
            )
    homes = set(own)
    for name, child in erp.children.items():
        yield from _child_problems(name, child, children[name])
        homes |= set(child.columns)
    for field in mapping.names:
        if field not in homes:
            yield Message(
                "field {field} has no column ({key})", field=field, key=f"erp.columns.{field}"
            )
    fields = {one.column: field for field, one in own.items() if field not in mapping.key}
    yield from emptying_problems(erp.delete, table, fields)
    yield from _misplaced(mapping, table, homes - set(own))
    for field in [*erp.columns, *(f for child in erp.children.values() for f in child.columns)]:
        if field not in mapping.names:
            yield Message(
                "field {field} is not mapped from 1C ({key})",
                field=field,
                key=f"onec.fields.{field}",
            )


def _misplaced(mapping: Mapping, table: Table, elsewhere: Collection[str]) -> Iterator[Message]:
    """What a child table cannot hold."""
    for field in mapping.fields:
        if field.name not in elsewhere:
            continue
        place = f"erp.columns.{field.name}"
        if field.reference:
            yield Message(
                "field {field} is a reference, which must be in table {table} ({key})",
                field=field.name,
                table=table.name,
                key=place,
            )
        elif len(mapping.key) > 1 and field.name in mapping.key:
            yield Message(
                "field {field} is part of the key, which must be in table {table} ({key})",
                field=field.name,
                table=table.name,
                key=place,
            )


def _cannot_write(column: Column[Any], erp: ErpSettings) -> bool:
    return column.computed is not None and erp.writer == "sql"


def _child_problems(name: str, child: ChildSettings, table: Table) -> Iterator[Message]:
    wanted = [child.parent, *child.where, *child.on_create, *child.on_update]
    wanted += [column.column for column in child.columns.values()]
    for column in wanted:
        if column not in table.c:
            yield Message(
                "table {table} has no column {column} ({key})",
                table=table.name,
                column=column,
                key=f"erp.children.{name}",
            )
        elif table.c[column].computed is not None:
            yield Message(
                "the database computes column {column} itself ({key})",
                column=f"{table.name}.{column}",
                key=f"erp.children.{name}",
            )


def _mapped(
    field: Field,
    settings: ColumnSettings,
    table: Table,
    timezone: str,
    unique: Collection[str] = (),
    parent: Parent | None = None,
) -> MappedColumn:
    column = table.c[settings.column]
    zone = timezone if getattr(column.type, "timezone", False) is True else ""
    declared = column.type.length if isinstance(column.type, String) else None
    limits = [limit for limit in (settings.max_length, declared) if limit is not None]
    limit = min(limits, default=None)
    return MappedColumn(
        field.name,
        column,
        limit,
        settings.truncate,
        column.name in unique,
        zone,
        parent,
        field.values,
    )


def _child(name: str, erp: ErpSettings, table: Table, mapping: Mapping, own: set[str]) -> Child:
    child = erp.children[name]
    columns = [
        _mapped(mapping.field(field), child.columns[field], table, erp.timezone)
        for field in mapping.names
        if field in child.columns
    ]
    keys = list(table.primary_key.columns)
    return Child(
        name=name,
        table=table,
        parent=table.c[child.parent],
        pk=keys[0] if len(keys) == 1 else None,
        where=tuple(
            (table.c[column], constant(table.c[column], value))
            for column, value in child.where.items()
        ),
        columns=tuple(column for column in columns if column.field not in own),
        copies=tuple(column for column in columns if column.field in own),
        on_create=_constants(child.on_create, table),
        on_update=_constants(child.on_update, table),
    )


def _constants(constants: dict[str, Constant], table: Table) -> Constants:
    return tuple((name, constant(table.c[name], value)) for name, value in constants.items())
