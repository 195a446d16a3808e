"""What the database itself holds to be unique, partial indexes with their condition."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex


@dataclass(frozen=True)
class Unique:
    """A unique constraint or index; ``where`` is the condition of a partial one, else empty."""

    columns: tuple[str, ...]
    where: str = ""


def unique_constraints(engine: Engine, table: Table) -> tuple[Unique, ...]:
    """All unique constraints and unique indexes over plain columns, the primary key included."""
    inspector = inspect(engine)
    found = [Unique(tuple(column.name for column in table.primary_key.columns))]
    found += [
        Unique(tuple(name for name in constraint["column_names"] if name is not None))
        for constraint in inspector.get_unique_constraints(table.name, schema=table.schema)
    ]
    # SQLite's reflection of constraints parses the DDL and misses some; its own indexes do not lie.
    for index in inspector.get_indexes(table.name, schema=table.schema, include_auto_indexes=True):
        columns = [name for name in index["column_names"] if name is not None]
        if index["unique"] and len(columns) == len(index["column_names"]):
            found.append(Unique(tuple(columns), _condition(index)))
    return tuple(dict.fromkeys(unique for unique in found if unique.columns))


def _condition(index: ReflectedIndex) -> str:
    options = index.get("dialect_options", {})
    where = options.get("postgresql_where") or options.get("sqlite_where") or ""
    return str(where)
