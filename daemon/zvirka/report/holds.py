"""A limit that held something, in words: for reports, the page and the command line."""

from __future__ import annotations

from zvirka.i18n import N_
from zvirka.i18n.words import HELD_WHAT, LIMITS, Words
from zvirka.journal.run_facts import Hold

_SHARES = frozenset({"max_delete_share", "max_change_share"})
_MOST_DECIMALS = 6
_OLD_SENTENCES = (N_("scope, mapping or policy are new"), N_("this is the first run"))
"""What zvirka 0.1 wrote as found where a rule has no number."""


def hold_cells(hold: Hold, words: Words) -> tuple[str, str, str, str]:
    """The limit, what was found, what is allowed, what is held: a row of a table."""
    _ = words.gettext
    found, allowed = _numbers(hold, words)
    if hold.relation:
        bound = _("at least %(value)s") if hold.relation == "<" else _("at most %(value)s")
        allowed = bound % {"value": allowed}
    return words.word(LIMITS, hold.limit), found, allowed, words.word(HELD_WHAT, hold.what)


def hold_line(hold: Hold, words: Words) -> str:
    """The same in one line: «deletes a run: 4 > 2»."""
    name = words.word(LIMITS, hold.limit)
    if hold.found is None:
        _ = words.gettext
        return f"{name}: {_('a person approves')}"
    found, allowed = _numbers(hold, words)
    return f"{name}: {found} {hold.relation or '/'} {allowed}"


def _numbers(hold: Hold, words: Words) -> tuple[str, str]:
    if hold.found is None or hold.allowed is None:
        _ = words.gettext
        return "—", _("a person approves")
    if isinstance(hold.found, str) or isinstance(hold.allowed, str):
        return _old(hold.found, words), _old(hold.allowed, words)
    if hold.limit not in _SHARES:
        return words.number(hold.found), words.number(hold.allowed)
    for decimals in range(2, _MOST_DECIMALS):
        found, allowed = (words.percent(one, decimals) for one in (hold.found, hold.allowed))
        if found != allowed:
            break
    return found, allowed


def _old(value: float | str, words: Words) -> str:
    """A number as text, or a sentence: as zvirka 0.1 left it in the journal."""
    text = str(value)
    return words.number(int(text)) if text.isascii() and text.isdigit() else words.gettext(text)
