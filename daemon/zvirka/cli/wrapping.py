"""Lines that fit a terminal: broken between words, never inside one."""

from __future__ import annotations

import re
import textwrap

_COLOUR = re.compile(r"\x1b\[\d+m")


def wrapped(line: str, width: int) -> str:
    """Return the line in as many lines as it needs, the later ones indented further.

    A word longer than a line, such as a path or a digest, stays whole.
    """
    if len(_COLOUR.sub("", line)) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def longest_word(text: str) -> int:
    """Return how many letters the longest word of a cell has."""
    return max(map(len, _COLOUR.sub("", text).split()), default=0)
