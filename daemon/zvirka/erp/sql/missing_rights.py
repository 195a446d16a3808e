"""The statement that grants a missing right, from what the database says about it.

PostgreSQL and MariaDB name the object and the user in their refusal, and no value of a row.
"""

from __future__ import annotations

import re

from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError

from zvirka.errors import StoreError
from zvirka.message import Message, coded

_POSTGRESQL = re.compile(r"permission denied for (table|sequence|schema|view) (.+)")
_MARIADB = re.compile(
    r"""(?P<right>[A-Z]+(?:,\ [A-Z]+)*)\ command\ denied\ to\ user\ (?P<user>'[^']*'@'[^']*')
        \ for\ table\ (?P<table>[`\w.$-]+)""",
    re.VERBOSE,
)
_USER = "zvirka_user"
_VERB = re.compile(r"\b(INSERT|UPDATE|DELETE|SELECT)\b", re.IGNORECASE)
_LOCKING = re.compile(r"\bFOR (NO KEY )?UPDATE\b", re.IGNORECASE)


def name_user_in_errors(engine: Engine) -> None:
    """Note in each error of the engine which user was refused; PostgreSQL does not say it."""

    def note(context: ExceptionContext) -> None:
        setattr(context.original_exception, _USER, engine.url.username or "")

    event.listen(engine, "handle_error", note)


def right_error(error: DBAPIError, place: str) -> StoreError:
    """The error of a right that is missing, with the exact GRANT where the database names it."""
    text = str(error.orig)
    if found := _POSTGRESQL.search(text):
        return _of_postgresql(error, found[1], found[2].strip(), place)
    if found := _MARIADB.search(text):
        statement = f"GRANT {found['right']} ON {found['table']} TO {found['user']};"
        return _denied(found["table"].replace("`", ""), statement, place)
    return StoreError(
        coded("ZV2106", "the database user lacks a right on the store"),
        place=place,
        remedy=Message("grant SELECT, INSERT, UPDATE (and DELETE for hard deletes) on the tables"),
    )


def _of_postgresql(error: DBAPIError, kind: str, name: str, place: str) -> StoreError:
    user = getattr(error.orig, _USER, "") or "CURRENT_USER"
    if kind == "sequence":
        return StoreError(
            coded(
                "ZV2108",
                "the database user {user} may not take numbers from the sequence {name}",
                user=user,
                name=name,
            ),
            place=place,
            remedy=Message("{sql}", sql=f'GRANT USAGE ON SEQUENCE {name} TO "{user}";'),
        )
    if kind == "schema":
        return _denied(name, f'GRANT USAGE ON SCHEMA {name} TO "{user}";', place)
    right = _right(error.statement or "")
    return _denied(name, f'GRANT {right} ON {name} TO "{user}";', place)


def _right(statement: str) -> str:
    if _LOCKING.search(statement):
        return "SELECT, UPDATE"
    verb = _VERB.search(statement)
    return verb[1].upper() if verb else "SELECT, INSERT, UPDATE"


def _denied(name: str, statement: str, place: str) -> StoreError:
    return StoreError(
        coded("ZV2106", "the database user lacks a right on {name}", name=name),
        place=place,
        remedy=Message("{sql}", sql=statement),
    )
