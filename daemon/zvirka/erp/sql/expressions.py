"""SQL expressions that databases spell differently, so that no other module asks which it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Float,
    Insert,
    Numeric,
    Table,
    Text,
    Time,
    Update,
    Uuid,
    any_,
    case,
    false,
    func,
    insert,
    literal,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

from zvirka.erp.sql.mapped_column import OWN, MappedColumn, Parent
from zvirka.identity import BLANKS


class AsText(FunctionElement[str]):
    """``AsText(column)``: the value as Unicode text, whatever its type; NULL stays NULL."""

    type = Text()
    name = "as_text"
    inherit_cache = True


class NumberText(FunctionElement[str]):
    """``NumberText(text)``: a number as text, without zeros at the end of its decimals.

    A floating-point number with an exponent, «1.5e+20», stays as it is: its last zeros count.
    """

    type = Text()
    name = "number_text"
    inherit_cache = True


class DateText(FunctionElement[str]):
    """``DateText(column)``: ``2014-01-31T00:00:00``; NULL stays NULL."""

    type = Text()
    name = "date_text"
    inherit_cache = True


class MomentText(FunctionElement[str]):
    """``MomentText(column)``: ``2014-01-31T10:11:12``, without fractions; NULL stays NULL."""

    type = Text()
    name = "moment_text"
    inherit_cache = True


def field_text(mapped: MappedColumn, column: ColumnElement[Any]) -> ColumnElement[str]:
    """A mapped column as text, in 1C's own spelling of its type; NULL stays NULL.

    :func:`zvirka.erp.sql.conversion.held_text` says the same of a value before it is written; a
    property test holds them equal. ``column`` is the column itself, or it in an alias.

    A reference is the Ref_Key of its row, and an enumeration 1C's value. What has no counterpart
    in 1C reads as itself after :data:`zvirka.erp.sql.mapped_column.OWN`.
    """
    if mapped.parent is not None:
        return _reference_text(mapped.parent, column)
    text = _plain_text(mapped, column)
    return _listed_text(mapped.values, text) if mapped.values else text


def _reference_text(parent: Parent, column: ColumnElement[Any]) -> ColumnElement[str]:
    rows = parent.pk.table.alias()
    ref = func.nullif(func.lower(AsText(rows.c[parent.ref.name])), "")
    found = select(ref).where(rows.c[parent.pk.name] == column).correlate_except(rows)
    orphan = literal(OWN).concat(AsText(column))
    return case((column.is_not(None), func.coalesce(found.scalar_subquery(), orphan)))


def _listed_text(values: Sequence[tuple[str, str]], text: ColumnElement[str]) -> ColumnElement[str]:
    listed = [(Same(text, literal(theirs)), literal(ours)) for ours, theirs in values]
    return case(*listed, (text == "", ""), else_=literal(OWN).concat(text))


def _plain_text(mapped: MappedColumn, column: ColumnElement[Any]) -> ColumnElement[str]:
    kind = mapped.column.type
    if isinstance(kind, Numeric | Float):
        return NumberText(AsText(column))
    if isinstance(kind, DateTime):
        return MomentText(func.timezone(mapped.zone, column) if mapped.zone else column)
    if isinstance(kind, Date):
        return DateText(column)
    if isinstance(kind, Time):
        return TimeText(column)
    if isinstance(kind, Boolean):
        return case((column.is_(true()), "true"), (column.is_(false()), "false"))
    if isinstance(kind, Uuid):
        return func.lower(AsText(column))
    return AsText(column)


class TimeText(FunctionElement[str]):
    """``TimeText(column)``: a time of day, ``10:11:12``; NULL stays NULL."""

    type = Text()
    name = "time_text"
    inherit_cache = True


class Trimmed(FunctionElement[str]):
    """``Trimmed(column)``: :func:`zvirka.identity.trimmed` of the column as text; NULL stays NULL.

    ``blanks`` are the characters to trim; a PostgreSQL database in an old encoding refuses a
    statement that names a character it cannot hold.
    """

    type = Text()
    name = "trimmed"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], blanks: str = BLANKS) -> None:
        super().__init__(AsText(column), literal(blanks), literal(f"^[{blanks}]+|[{blanks}]+$"))


class Same(FunctionElement[bool]):
    """``Same(left, right)``: equal character by character, NULL equal to NULL.

    A column's collation must not decide whether a row is as it was scanned: «ТОВ» and «тов» are
    not the same, nor are texts that differ in trailing spaces.
    """

    type = Boolean()
    name = "same"
    inherit_cache = True


@compiles(AsText)
def _as_text(element: AsText, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS TEXT)"


@compiles(AsText, "mysql")
@compiles(AsText, "mariadb")
def _as_text_mysql(element: AsText, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"CONVERT({compiler.process(element.clauses, **kwargs)} USING utf8mb4)"


@compiles(AsText, "mssql")
def _as_text_mssql(element: AsText, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS NVARCHAR(MAX))"


@compiles(NumberText)
def _number_text(element: NumberText, compiler: SQLCompiler, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    trimmed = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {text}))"
    decimals = f"POSITION('.' IN {text}) > 0 AND POSITION('e' IN {text}) = 0"
    return f"CASE WHEN {decimals} THEN {trimmed} ELSE {text} END"


@compiles(NumberText, "sqlite")
def _number_text_sqlite(element: NumberText, compiler: SQLCompiler, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    trimmed = f"RTRIM(RTRIM({text}, '0'), '.')"
    decimals = f"INSTR({text}, '.') > 0 AND INSTR({text}, 'e') = 0"
    return f"CASE WHEN {decimals} THEN {trimmed} ELSE {text} END"


@compiles(DateText)
def _date_text(element: DateText, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"CONCAT({compiler.process(element.clauses, **kwargs)}, 'T00:00:00')"


@compiles(DateText, "postgresql")
def _date_text_postgresql(element: DateText, compiler: SQLCompiler, **kwargs: Any) -> str:
    column = compiler.process(element.clauses, **kwargs)
    # TO_CHAR gives NULL for «infinity».
    return f"COALESCE(TO_CHAR({column}, 'YYYY-MM-DD\"T\"00:00:00'), CAST({column} AS TEXT))"


@compiles(DateText, "sqlite")
def _date_text_sqlite(element: DateText, compiler: SQLCompiler, **kwargs: Any) -> str:
    # SQLite has no dates: what it cannot read as one is a text of some other program.
    column = compiler.process(element.clauses, **kwargs)
    return f"COALESCE(DATE({column}) || 'T00:00:00', CAST({column} AS TEXT))"


@compiles(MomentText)
def _moment_text(element: MomentText, compiler: SQLCompiler, **kwargs: Any) -> str:
    text = f"CONCAT({compiler.process(element.clauses, **kwargs)}, '')"
    return f"REPLACE(LEFT({text}, 19), ' ', 'T')"


@compiles(MomentText, "postgresql")
def _moment_text_postgresql(element: MomentText, compiler: SQLCompiler, **kwargs: Any) -> str:
    column = compiler.process(element.clauses, **kwargs)
    return f"COALESCE(TO_CHAR({column}, 'YYYY-MM-DD\"T\"HH24:MI:SS'), CAST({column} AS TEXT))"


@compiles(MomentText, "sqlite")
def _moment_text_sqlite(element: MomentText, compiler: SQLCompiler, **kwargs: Any) -> str:
    column = compiler.process(element.clauses, **kwargs)
    return f"COALESCE(REPLACE(DATETIME({column}), ' ', 'T'), CAST({column} AS TEXT))"


@compiles(TimeText)
def _time_text(element: TimeText, compiler: SQLCompiler, **kwargs: Any) -> str:
    return compiler.process(AsText(*element.clauses), **kwargs)


@compiles(TimeText, "sqlite")
def _time_text_sqlite(element: TimeText, compiler: SQLCompiler, **kwargs: Any) -> str:
    # SQLAlchemy stores a time with six decimals.
    column = compiler.process(element.clauses, **kwargs)
    return f"COALESCE(TIME({column}), CAST({column} AS TEXT))"


@compiles(Trimmed)
def _trimmed(element: Trimmed, compiler: SQLCompiler, **kwargs: Any) -> str:
    text, blanks, _ = element.clauses
    return f"TRIM({compiler.process(text, **kwargs)}, {compiler.process(blanks, **kwargs)})"


@compiles(Trimmed, "postgresql")
def _trimmed_postgresql(element: Trimmed, compiler: SQLCompiler, **kwargs: Any) -> str:
    text, blanks, _ = element.clauses
    return f"BTRIM({compiler.process(text, **kwargs)}, {compiler.process(blanks, **kwargs)})"


@compiles(Trimmed, "mysql")
@compiles(Trimmed, "mariadb")
def _trimmed_mysql(element: Trimmed, compiler: SQLCompiler, **kwargs: Any) -> str:
    # TRIM removes whole repetitions of one string, never a set of characters.
    text, _, pattern = element.clauses
    found = compiler.process(pattern, **kwargs)
    return f"REGEXP_REPLACE({compiler.process(text, **kwargs)}, {found}, '')"


@compiles(Trimmed, "mssql")
def _trimmed_mssql(element: Trimmed, compiler: SQLCompiler, **kwargs: Any) -> str:
    text, blanks, _ = element.clauses
    return f"TRIM({compiler.process(blanks, **kwargs)} FROM {compiler.process(text, **kwargs)})"


def _sides(element: Same, compiler: SQLCompiler, kwargs: dict[str, Any]) -> tuple[str, str]:
    left, right = element.clauses
    return compiler.process(left, **kwargs), compiler.process(right, **kwargs)


@compiles(Same)
def _same(element: Same, compiler: SQLCompiler, **kwargs: Any) -> str:
    left, right = _sides(element, compiler, kwargs)
    return f"({left} IS NOT DISTINCT FROM {right})"


@compiles(Same, "postgresql")
def _same_postgresql(element: Same, compiler: SQLCompiler, **kwargs: Any) -> str:
    left, right = _sides(element, compiler, kwargs)
    return f'({left} COLLATE "C" IS NOT DISTINCT FROM {right})'


@compiles(Same, "sqlite")
def _same_sqlite(element: Same, compiler: SQLCompiler, **kwargs: Any) -> str:
    left, right = _sides(element, compiler, kwargs)
    return f"({left} COLLATE BINARY IS {right})"


@compiles(Same, "mysql")
@compiles(Same, "mariadb")
def _same_mysql(element: Same, compiler: SQLCompiler, **kwargs: Any) -> str:
    left, right = _sides(element, compiler, kwargs)
    return f"(CAST({left} AS BINARY) <=> CAST({right} AS BINARY))"


ANSWERS_CONFLICTS = "answers conflicts"
"""Key in ``Table.info``: an SQLite table says itself what a broken constraint leads to.

``UNIQUE ON CONFLICT REPLACE`` deletes the other row. A statement overrides that, and what the
triggers of the table say, too; so it does only here.
"""


def insert_into(table: Table) -> Insert:
    """Build an INSERT that fails on a violated constraint, whatever the table's conflict clause."""
    return insert(table).prefix_with(*_or_abort(table))


def update_of(table: Table) -> Update:
    """Build an UPDATE that fails on a violated constraint, whatever the table's conflict clause."""
    return update(table).prefix_with(*_or_abort(table))


def _or_abort(table: Table) -> tuple[str, ...]:
    return ("OR ABORT",) if ANSWERS_CONFLICTS in table.info else ()


def among(connection: Connection, column: ColumnElement[Any], values: Sequence[Any]) -> Any:
    """Whether the column holds one of the values: one parameter where the database takes arrays.

    So the statement has one text for any number of values, and is prepared once.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    return column.in_(values)


def storable_blanks(connection: Connection) -> str:
    """The blanks the database can hold: all, except on a PostgreSQL in an old encoding."""
    if connection.dialect.name != "postgresql":
        return BLANKS
    if connection.exec_driver_sql("SHOW server_encoding").scalar() == "UTF8":
        return BLANKS
    return "".join(blank for blank in BLANKS if _can_hold(connection, blank))


def _can_hold(connection: Connection, character: str) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(select(literal(character)))
    except (DBAPIError, UnicodeEncodeError):
        return False
    return True


def admin_sql(fragment: str) -> ColumnElement[Any]:
    """A fragment of SQL from the settings, as the administrator wrote it, in parentheses.

    Not ``text()``: that would take the colon of a quoted ``'a:b'`` for a parameter. The line
    break keeps a trailing comment from swallowing the parenthesis.
    """
    return literal_column(f"({fragment}\n)")
