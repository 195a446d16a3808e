"""Makes every character of outside text visible, whatever it would do to a page or a terminal.

A name may hold marks that reverse the reading order, or hide the very difference a report is
about (a no-break space, a soft hyphen). They are shown as ⟨U+202E⟩: what the eye sees is what
the field holds.
"""

from __future__ import annotations

CELL_LIMIT = 32_767
"""Characters an Excel cell holds."""


def visible(text: str) -> str:
    """The text with every hidden character spelt out; line breaks and tabs stay.

    Hidden is what :meth:`str.isprintable` says is not printable: controls, format characters,
    surrogates, private use and unassigned ones, line and paragraph separators, and every space
    but the plain one. A carriage return counts too: HTML, XML and CSV readers would each turn it
    into something else.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" else f"⟨U+{ord(one):04X}⟩" for one in text
    )


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
