"""When two texts name the same record: the one definition of trimming and of the pairing key.

A key is compared, looked up and stored in its canonical form. Every place that trims a text uses
:data:`BLANKS`: Python here, DuckDB in :func:`duckdb_trimmed`, the store's database in
:class:`zvirka.erp.sql.expressions.Trimmed`. A property test holds them equal for every character
of Unicode.

A composite key, one of several fields, is one text everywhere but in the store: its parts, each in
canonical form, with :data:`SEPARATOR` between them (``12345678~001``). DuckDB joins them in
:func:`duckdb_joined_key`, the store's database in
:func:`zvirka.erp.sql.key_columns.joined_key_of`; the same property test holds the three equal.
A record without the first part has no key; any other part may be empty (a head office has no code
of a branch).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from zvirka.domain import EMPTY_DATE, ZERO_REF

BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Every character that ``str.strip()`` removes."""

SEPARATOR = "~"
"""Between the parts of a composite key."""

ESCAPE = "\\"
"""Before a separator, or an escape, that belongs to a part."""

EMPTY_PARTS = (EMPTY_DATE, ZERO_REF)
"""How 1C writes a date and a reference that are empty: such a part of a key is empty, too."""

_PART = re.compile(r"(?:[^~\\]|\\.)*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_CLASS = "[" + "".join(f"\\x{{{ord(blank):x}}}" for blank in BLANKS) + "]"
_CHARACTERS = "||".join(f"chr({ord(blank)})" for blank in BLANKS)


def trimmed(text: str | None) -> str:
    """A text without the blanks around it; '' for ``None``."""
    return text.strip() if text else ""


def canonical_key(text: str | None, *, is_ref: bool = False) -> str:
    """A pairing key as it is compared and stored; '' for an empty one.

    ``is_ref``: the key is a Ref_Key, which some programs write in upper case.
    """
    key = trimmed(text)
    return key.lower() if is_ref else key


def canonical_part(text: str | None, *, is_ref: bool = False) -> str:
    """A part of a composite key as it is compared; '' when it is empty."""
    part = canonical_key(text, is_ref=is_ref)
    return "" if part in EMPTY_PARTS else part


def joined_key(parts: Sequence[str]) -> str:
    """The composite key of canonical parts; '' when the first of them is empty."""
    if not parts[0]:
        return ""
    return SEPARATOR.join(
        part.replace(ESCAPE, ESCAPE * 2).replace(SEPARATOR, ESCAPE + SEPARATOR) for part in parts
    )


def key_parts(key: str, count: int) -> tuple[str, ...] | None:
    """The ``count`` parts of a composite key; ``None`` when it does not have so many."""
    texts: list[str] = []
    rest = key
    while match := _PART.match(rest):
        texts.append(_ESCAPED.sub(r"\1", match[0]))
        if not rest[match.end() :].startswith(SEPARATOR):
            rest = rest[match.end() :]
            break
        rest = rest[match.end() + 1 :]
    return tuple(texts) if len(texts) == count and not rest else None


def duckdb_trimmed(expression: str) -> str:
    """DuckDB's SQL for :func:`trimmed`; NULL stays NULL.

    The regular expression finds the few texts that need trimming: ``trim`` with a list of
    characters takes seven times as long.
    """
    return (
        f"CASE WHEN regexp_matches({expression}, '^{_CLASS}|{_CLASS}$')"
        f" THEN trim({expression}, {_CHARACTERS}) ELSE {expression} END"
    )


def duckdb_trimmed_list(texts: str, joined: str, separator: str) -> str:
    """DuckDB's SQL for a list of texts, each trimmed.

    ``joined`` is the same texts joined by ``separator``, itself a blank: one look at it tells for
    all of them whether anything is to be trimmed, in half the time.
    """
    blank = _CLASS.replace(f"\\x{{{ord(separator):x}}}", "")
    between = f"\\x{{{ord(separator):x}}}"
    return (
        f"CASE WHEN regexp_matches({joined}, '{blank}{between}|{between}{blank}|{blank}$')"
        f" THEN list_transform({texts}, lambda text: {duckdb_trimmed('text')}) ELSE {texts} END"
    )


def duckdb_key(expression: str, *, is_ref: bool) -> str:
    """DuckDB's SQL for :func:`canonical_key`; NULL stays NULL."""
    key = duckdb_trimmed(expression)
    return f"lower({key})" if is_ref else key


def duckdb_part(expression: str, *, is_ref: bool) -> str:
    """DuckDB's SQL for :func:`canonical_part`; NULL becomes ''."""
    part = f"coalesce({duckdb_key(expression, is_ref=is_ref)}, '')"
    for empty in EMPTY_PARTS:
        part = f"nullif({part}, '{empty}')"
    return f"coalesce({part}, '')"


def duckdb_joined_key(parts: Sequence[str]) -> str:
    """DuckDB's SQL for :func:`joined_key` of canonical parts that are not NULL."""
    doubled, escaped = ESCAPE * 2, ESCAPE + SEPARATOR
    joined = f"|| '{SEPARATOR}' ||".join(
        f"replace(replace({part}, '{ESCAPE}', '{doubled}'), '{SEPARATOR}', '{escaped}')"
        for part in parts
    )
    return f"CASE WHEN {parts[0]} = '' THEN '' ELSE {joined} END"
