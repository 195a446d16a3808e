"""Staged values: the digest that outlives a DuckDB version, and the short form of long values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence

from zvirka.erp.protocol import IMAGE_SEPARATOR
from zvirka.identity import trimmed
from zvirka.mapping import Comparison, Mapping

LONGEST = 10_000
"""Characters of a value that is staged as it is; a longer one would not fit into memory."""

_MARK = "\x02zvirka:"
"""Begins a short form. U+0002 does not occur in a text that 1C can publish, and is no blank: a
short form is left as it is when it is trimmed."""


def stable_digest(mapping: Mapping, values: MappingABC[str, str | None]) -> int:
    """A 64-bit digest of a row's values, the same in every version of Python and DuckDB.

    :data:`STABLE_DIGEST` is the same function in SQL; a test holds them equal.
    """
    texts = [
        staged_text(
            values.get(field.name) or "", exact=mapping.comparison(field) is Comparison.EXACT
        )
        for field in mapping.fields
    ]
    text = IMAGE_SEPARATOR.join(texts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha1(text, usedforsecurity=False).digest()[:8], "big")


STABLE_DIGEST = "('0x' || left(sha1({text}), 16))::UBIGINT"
"""SQL for :func:`stable_digest`; ``text`` are the trimmed values joined by U+001F."""


def staged_text(value: str, *, exact: bool = False) -> str:
    """A value as it is staged: trimmed unless it is compared exactly, shortened if too long."""
    return shortened(value if exact else trimmed(value))


def shortened(text: str) -> str:
    """The text, or, if it is longer than :data:`LONGEST`, its length and SHA-256.

    Two long texts have the same short form only if they are equal.
    """
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_MARK}{len(text)}:{digest}"


def shortened_sql(text: str) -> str:
    """SQL for :func:`shortened`."""
    short = f"chr({ord(_MARK[0])}) || '{_MARK[1:]}' || length({text}) || ':' || sha256({text})"
    return f"CASE WHEN length({text}) <= {LONGEST} THEN {text} ELSE {short} END"


def is_shortened(text: str | None) -> bool:
    """Whether a staged text is the short form of a longer one."""
    return text is not None and text.startswith(_MARK)


def with_short_values(
    values: Sequence[str | None], *, exact: bool, kept: dict[str, str] | None = None
) -> Sequence[str | None]:
    """A column with its long values shortened; ``kept`` collects the whole text by short form."""
    if max(map(len, filter(None, values)), default=0) <= LONGEST:
        return values
    column: list[str | None] = []
    for value in values:
        if value is not None and len(value) > LONGEST:
            short = staged_text(value, exact=exact)
            if kept is not None and is_shortened(short):
                kept[short] = value
            value = short
        column.append(value)
    return column
