"""Which characters the text columns of a store can hold.

MySQL and PostgreSQL fail a whole statement that names a character the column or the database has
no code for, even where it only looks for it. Such a value is in no row.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, String, Table, text

CHARSET = "charset"
"""Key in ``Column.info``: the :class:`Charset` of a column that cannot hold every character."""

_FIRST_PLANE = "first plane"
"""Stands for a codec: every character up to U+FFFF."""

_EVERY_CHARACTER = {"utf8mb4", "utf16", "utf16le", "utf32", "binary", "UTF8", "SQL_ASCII"}

_CODECS = {
    "mysql": {
        "latin1": "cp1252",
        "utf8": _FIRST_PLANE,
        "utf8mb3": _FIRST_PLANE,
        "ucs2": _FIRST_PLANE,
        "koi8u": "koi8-u",
        "koi8r": "koi8-r",
    },
    "postgresql": {"KOI8U": "koi8-u", "KOI8R": "koi8-r"},
}
"""Encodings whose codec in Python has another name. PostgreSQL's WIN1251 is cp1251."""

_OF_MYSQL = text("""
    SELECT column_name, character_set_name
    FROM information_schema.columns
    WHERE table_name = :table AND table_schema = COALESCE(:schema, DATABASE())
        AND character_set_name IS NOT NULL
""")


@dataclass(frozen=True)
class Charset:
    """A character set: its name in the database, and the codec of Python that equals it."""

    name: str
    codec: str

    def holds(self, value: str) -> bool:
        """Whether the encoding has every character of the text."""
        if value.isascii():
            return True
        if self.codec == _FIRST_PLANE:
            return max(value) <= "\uffff"
        try:
            value.encode(self.codec)
        except UnicodeEncodeError:
            return False
        return True


def note_charsets(connection: Connection, table: Table) -> None:
    """Record the character set of each text column that cannot hold every character."""
    dialect = "mysql" if connection.dialect.name == "mariadb" else connection.dialect.name
    columns = [column for column in table.columns if isinstance(column.type, String)]
    names: dict[str, str] = {}
    if dialect == "mysql":
        parameters = {"table": table.name, "schema": table.schema}
        names = {row[0]: row[1] for row in connection.execute(_OF_MYSQL, parameters)}
    elif dialect == "postgresql":
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        names = {column.name: encoding for column in columns}
    for column in columns:
        codec = _codec(dialect, names.get(column.name, ""))
        if codec is not None:
            column.info[CHARSET] = Charset(names[column.name], codec)


def charset_of(column: Column[Any]) -> Charset | None:
    """What the column is encoded in; ``None`` when it holds every character."""
    return column.info.get(CHARSET)


@cache
def _codec(dialect: str, name: str) -> str | None:
    """The codec for an encoding; ``None`` when it holds every character, or is unknown here."""
    if not name or name in _EVERY_CHARACTER:
        return None
    codec = _CODECS[dialect].get(name) or name.replace("WIN", "cp")
    if codec == _FIRST_PLANE:
        return codec
    try:
        return codecs.lookup(codec).name
    except LookupError:
        return None
