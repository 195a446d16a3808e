"""A difference on the terminal: who it is about, before and after, why, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zvirka.domain import FieldDifference
    from zvirka.i18n.words import Words
    from zvirka.journal.records import DifferenceEntry


def difference_lines(
    entry: DifferenceEntry, words: Words, tinted: Callable[[str, str], str]
) -> Iterator[str]:
    """Yield what a person needs to decide; no character of outside text can steer a terminal.

    Args:
        entry: the difference and its corrections.
        words: the reader's language.
        tinted: gives a text in the colour of a tone.
    """
    from zvirka.i18n.visible_text import one_line
    from zvirka.report.summary_text import done, state_of, tone_of

    difference = entry.difference
    key, name = one_line(difference.key or difference.ref), one_line(difference.name)
    yield f"№ {difference.number}  {key}  {name}".rstrip()
    yield f"  {words.kind(difference.kind)}; {words.cause(difference.cause)}"
    for field in difference.fields:
        yield f"    {one_line(words.field(field.field))}: {_values(field)}"
    for text in (difference.evidence, difference.note):
        if text:
            yield f"  {one_line(words.told(text))}"
    yield f"  {tinted(done(entry, words), tone_of(state_of(entry)))}"


def _values(field: FieldDifference) -> str:
    """What the ERP holds, or held, and what 1C wants; ∅ is nothing."""
    return f"{_shown(field.found)} → {_shown(field.wanted)}"


def _shown(value: str | None) -> str:
    from zvirka.i18n.visible_text import one_line

    return "∅" if value is None else f"«{one_line(value)}»"
