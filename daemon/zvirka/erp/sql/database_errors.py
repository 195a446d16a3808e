"""What a database's error means: this one row is bad, try again, or the store is not usable.

The drivers' own texts carry values («Key (tax_code)=(…) already exists»), so none of them is
passed on: sentences here name constraints and columns only.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchTableError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)

from zvirka.erp.protocol import no_text
from zvirka.erp.sql.missing_rights import right_error
from zvirka.errors import StoreError
from zvirka.message import Message, coded, joined

_MYSQL_DEADLOCK = 1213
_MYSQL_LOCK = {1205, 3572}
_MYSQL_CLIENT = range(2000, 3000)
"""Errors of the client's own: the connection is lost."""
_MYSQL_RIGHTS = {1044, 1142, 1143, 1227}
_MYSQL_PASSWORD = {1045, 1698}
_MYSQL_UNREACHABLE = {2002, 2003, 2005, 2006, 2013}
_MYSQL_SERVER = {
    *(1021, 1023, 1026, 1030, 1034, 1035, 1036, 1037, 1038, 1040, 1041, 1049, 1053, 1080, 1105),
    *(1114, 1129, 1130, 1135, 1194, 1195, 1203, 1226, 1290, 1317, 1613, 1792, 1836, 1927, 3024),
}
"""About the server, its disk or the session. A trigger can raise any other number it likes."""
_SQLITE_ROW_ERRORS = {1, 18, 19, 20}
"""SQLITE_ERROR (a statement of a trigger fails), TOOBIG, CONSTRAINT, MISMATCH."""
_NAME = re.compile(
    r"""(?:for\ key|Column|for\ column|CONSTRAINT|column:?)\s+
        (?:[`'"][^`'"]+[`'"]\.)*                 # MariaDB puts database and table before it
        [`'"]+([^`'"]+)[`'"]""",
    re.VERBOSE,
)
_STORE_CLASSES = {
    "08",
    "0A",
    "25",
    "26",
    "28",
    "3D",
    "40",
    "42",
    "53",
    "54",
    "55",
    "57",
    "58",
    "XX",
}
"""Classes of SQLSTATE that are about the server, the session or the statement, not about a row."""
_SHUTDOWN = "57P"
_FUNCTION = re.compile(r'(?:PL/\w+|SQL) function "?(?:\w+\.)*(\w+)')
_SQLITE_OURS = re.compile(r"no such (?:table|column|function): \w+$")
"""What a statement of ours lacks; in a trigger the name comes with its schema or with NEW."""
_SQLITE_MISSING = re.compile(r"no such (?:table|column|function): [\w.]+")
_MYSQL_MISSING = re.compile(r"Table '(?:[^']*\.)?([^'.]+)' doesn't exist")
_KINDS = {
    "23505": Message("a unique constraint"),
    "23502": Message("a NOT NULL constraint"),
    "23503": Message("a foreign key"),
    "23514": Message("a check constraint"),
    "22001": Message("the length limit of a column"),
}


def is_row_fault(error: StatementError) -> bool:
    """Whether the error is about the values of one statement and not about the store."""
    if not isinstance(error, DBAPIError):
        return True
    if error.connection_invalidated or is_passing(error):
        return False
    if isinstance(error, IntegrityError | DataError):
        return True
    if number := _errno(error):
        aside = _MYSQL_SERVER | _MYSQL_LOCK | _MYSQL_RIGHTS | _MYSQL_PASSWORD
        return number not in aside and number not in _MYSQL_CLIENT and not _lacks_ours(error)
    if (code := _sqlite_code(error)) is not None:
        return code in _SQLITE_ROW_ERRORS and not _SQLITE_OURS.search(str(error.orig))
    state = _sqlstate(error)
    if not state or state.startswith(_SHUTDOWN):
        return False
    # A trigger may raise any code about its row.
    return state[:2] not in _STORE_CLASSES or _trigger_of(error) != ""


def _lacks_ours(error: DBAPIError) -> bool:
    """Whether MySQL misses a table that our statement names; a trigger's own is about its row."""
    missing = _MYSQL_MISSING.search(str(error.orig))
    return missing is not None and missing[1] in (error.statement or "")


def is_row_wait(error: StatementError) -> bool:
    """Whether the statement waited too long for a row that another program has locked."""
    if not isinstance(error, DBAPIError):
        return False
    return _sqlstate(error) in {"55P03", "57014"} or _errno(error) in _MYSQL_LOCK


def is_hopeless(error: StatementError) -> bool:
    """Whether no other row could be written either: the connection or the file is not usable."""
    if not isinstance(error, DBAPIError):
        return False
    number, code, state = _errno(error), _sqlite_code(error), _sqlstate(error)
    if error.connection_invalidated or number in _MYSQL_SERVER or number in _MYSQL_CLIENT:
        return True
    if code is not None:
        return code not in _SQLITE_ROW_ERRORS
    return (
        state.startswith(_SHUTDOWN)
        or state[:2] in {"08", "28", "3D", "58"}
        or not (state or number)
    )


def _trigger_of(error: DBAPIError) -> str:
    """The function of PostgreSQL that raised the error, empty when none did."""
    context = getattr(getattr(error.orig, "diag", None), "context", None)
    found = _FUNCTION.search(str(context or ""))
    return found[1] if found else ""


def is_passing(error: BaseException | None) -> bool:
    """Whether the same transaction may well go through when tried again: deadlocks.

    MariaDB ends the whole transaction that lost, so that going back to a savepoint then fails:
    what counts is the error before that one.
    """
    while error is not None:
        if isinstance(error, DBAPIError) and (
            _sqlstate(error) in {"40001", "40P01"} or _errno(error) == _MYSQL_DEADLOCK
        ):
            return True
        error = error.__context__
    return False


def row_reason(error: StatementError) -> Message:
    """Say without any value why the database refused one row."""
    if not isinstance(error, DBAPIError):
        return Message("a value does not fit the type of its column")
    if is_row_wait(error):
        return Message("another program has locked the row")
    diag = getattr(error.orig, "diag", None)
    if diag is not None:
        state = str(diag.sqlstate)
        kind = _KINDS.get(state, Message("the database's rules (SQLSTATE {state})", state=state))
        raised = _trigger_of(error)
        return _refused(
            kind,
            diag.constraint_name or diag.column_name,
            Message("raised by {function}", function=f"{raised}()") if raised else None,
        )
    if number := _errno(error):
        found = _NAME.search(str(error.orig))
        return _refused(Message("error {number}", number=str(number)), found and found[1])
    return _refused(_sqlite_text(error))


def _refused(*why: str | None) -> Message:
    named = joined([one for one in why if one], ", ")
    return Message("the database refused the row: {why}", why=named)


def store_error(error: SQLAlchemyError, place: str) -> StoreError:
    """The error that ends the phase, with what the reader can do about it."""
    if isinstance(error, NoSuchTableError):
        return StoreError(
            coded("ZV2201", "the table does not exist in the store"),
            place=place,
            remedy=Message("check erp.table, erp.schema and the tables of erp.children"),
        )
    if not isinstance(error, DBAPIError):
        return StoreError(
            coded("ZV2103", "the store cannot be used ({kind})", kind=type(error).__name__),
            place=place,
            remedy=Message("run `zvirka check`"),
        )
    if _is_locked(error):
        return StoreError(
            coded("ZV2104", "the store is locked by somebody else"),
            place=place,
            remedy=Message(
                "run again when the other program has let go; the report says what was written"
            ),
        )
    if _lacks_password(error):
        return StoreError(
            coded("ZV2107", "the database asks for a password, and none was found"),
            place=place,
            remedy=Message("set erp.password_file, or give the unit the credential erp.password"),
        )
    if _is_unknown_user(error):
        return StoreError(
            coded("ZV2105", "the database does not accept the user or the password"),
            place=place,
            remedy=Message("check the user in erp.url and erp.password_file (or the credential)"),
        )
    if _is_denied(error):
        return right_error(error, place)
    if _is_unreachable(error):
        return StoreError(
            coded("ZV2109", "the database server cannot be reached"),
            place=place,
            remedy=Message("check that the server runs, and host and port of erp.url"),
        )
    if "Could not decode to UTF-8" in str(error.orig):
        return no_text(place)
    return StoreError(
        coded(
            "ZV2103",
            "the database does not answer as it should ({summary})",
            summary=_summary(error),
        ),
        place=place,
        remedy=Message("check that the server runs and erp.url is right, then run `zvirka check`"),
    )


def _is_locked(error: DBAPIError) -> bool:
    text = str(error.orig)
    return (
        _sqlstate(error) == "55P03"
        or _errno(error) in _MYSQL_LOCK
        or "database is locked" in text
        or "database table is locked" in text
    )


def _is_unknown_user(error: DBAPIError) -> bool:
    text = str(error.orig)
    return (
        _sqlstate(error) in {"28P01", "28000"}
        or _errno(error) in _MYSQL_PASSWORD
        or "password authentication failed" in text
    )


def _lacks_password(error: DBAPIError) -> bool:
    text = str(error.orig)
    unknown = _errno(error) in _MYSQL_PASSWORD and "using password: NO" in text
    return unknown or "no password supplied" in text


def _is_unreachable(error: DBAPIError) -> bool:
    """Whether no connection came about; a driver gives no SQLSTATE then."""
    # By its name: importing psycopg costs 9 MB where the store is another database.
    if type(error.orig).__module__.startswith("psycopg"):
        connection = getattr(error.orig, "pgconn", None)
        operational = isinstance(error, OperationalError)
        return operational and not _sqlstate(error) and connection is None
    return _errno(error) in _MYSQL_UNREACHABLE


def _is_denied(error: DBAPIError) -> bool:
    text = str(error.orig)
    return (
        _sqlstate(error) in {"42501", "25006"}
        or _errno(error) in _MYSQL_RIGHTS
        or "readonly database" in text
    )


def _summary(error: DBAPIError) -> str:
    """Class and code; the text too where it cannot hold a row's values (SQLite, connecting)."""
    code = str(_errno(error) or "") or _sqlstate(error)
    if code:
        return f"{type(error.orig).__name__} {code}"
    first = str(error.orig).splitlines()[0] if str(error.orig) else ""
    return f"{type(error.orig).__name__}: {first[:200]}"


def _sqlite_text(error: DBAPIError) -> str:
    text = str(error.orig)
    if "constraint failed" in text:
        return text
    missing = _SQLITE_MISSING.search(text)
    return missing[0] if missing else type(error.orig).__name__


def _sqlite_code(error: DBAPIError) -> int | None:
    """The primary result code of SQLite; ``None`` for other databases."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _errno(error: DBAPIError) -> int:
    original: Any = error.orig
    if "pymysql" not in type(original).__module__:
        return 0
    return original.args[0] if original.args and isinstance(original.args[0], int) else 0
