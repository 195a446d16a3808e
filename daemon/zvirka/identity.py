"""When two texts name the same record: the one definition of trimming and of the pairing key.

A key is compared, looked up and stored in its canonical form. Every place that trims a text uses
:data:`BLANKS`: Python here, DuckDB in :func:`duckdb_trimmed`, the store's database in
:class:`zvirka.erp.sql.expressions.Trimmed`. A property test holds them equal for every character
of Unicode.
"""

from __future__ import annotations

BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Every character that ``str.strip()`` removes."""

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
