"""Makes every character of outside text visible, whatever it would do to a page or a terminal.

A name may hold marks that reverse the reading order, or hide the very difference a report is
about (a no-break space, a soft hyphen). They are shown as ⟨U+202E⟩: what the eye sees is what
the field holds.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

CELL_LIMIT = 32_767
"""Characters an Excel cell holds."""

_LINES = "\n\t"


@cache
def _hidden() -> re.Pattern[str]:
    """All characters that have no visible form of their own, as one character class.

    Controls, format characters, surrogates, private use and unassigned ones, line and paragraph
    separators, and every space but the plain one. A carriage return counts too: HTML, XML and
    CSV readers would each turn it into something else.
    """
    ranges: list[list[int]] = []
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        if character == " " or character in _LINES:
            continue
        if unicodedata.category(character)[0] in "CZ":
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    body = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
    return re.compile(f"[{body}]")


def visible(text: str) -> str:
    """The text with every hidden character spelt out; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return _hidden().sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def one_line(text: str) -> str:
    """As :func:`visible`, with line breaks and tabs spelt out as well."""
    return visible(text).replace("\n", "⟨U+000A⟩").replace("\t", "⟨U+0009⟩")


def cell(text: str) -> str:
    """As :func:`visible`, cut to what a spreadsheet cell holds, and saying so where it was."""
    shown = visible(text)
    if len(shown) <= CELL_LIMIT:
        return shown
    mark = f"… ⟨{len(text)}⟩"
    return shown[: CELL_LIMIT - len(mark)] + mark
