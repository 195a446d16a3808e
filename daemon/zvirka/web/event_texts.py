"""The sentences of events, for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from zvirka.i18n import N_
from zvirka.i18n.words import Words
from zvirka.journal.events import Event, EventKind

WHAT: dict[str, str] = {
    "run": N_("runs"),
    EventKind.SETTINGS: N_("settings"),
    EventKind.SCHEMA: N_("tables and attributes"),
    EventKind.BACKUP: N_("backups"),
    EventKind.RESTORE: N_("restores"),
    EventKind.SIGN_IN: N_("sign-ins"),
}
_LENGTH = re.compile(r"\((\d+)")

Change = tuple[str, str | None, str | None]
"""Name, before, after; ``None`` where it was not there."""


def headline(event: Event, words: Words) -> str:
    """What happened, in one line."""
    _ = words.gettext
    changed = event.detail.get("changed", [])
    match event.kind:
        case EventKind.SETTINGS if not changed:
            return _("Settings recorded for the first time")
        case EventKind.SETTINGS:
            names = ", ".join(name for name, _before, _after in changed)
            return _("Settings changed: %(names)s") % {"names": names}
        case EventKind.SCHEMA:
            return "; ".join(_schema(event.detail["side"], changed, words))
        case EventKind.BACKUP:
            return _("Backup taken, up to run № %(run)s") % {"run": event.detail["runs"]}
        case EventKind.RESTORE:
            return _("Backup restored, up to run № %(run)s") % {"run": event.detail["runs"]}
        case EventKind.SIGN_IN:
            return _("Admin signed in")


def changes(event: Event) -> list[Change]:
    """What changed, with the values before and after; secrets are not among them."""
    return [(name, before, after) for name, before, after in event.detail.get("changed", [])]


def _schema(side: str, changed: list[Any], words: Words) -> Iterator[str]:
    _, ngettext = words.gettext, words.ngettext
    if not changed:
        yield (
            _("Attributes of 1C recorded for the first time")
            if side == "1c"
            else _("Columns of the ERP recorded for the first time")
        )
    gone = [name for name, _before, after in changed if after is None]
    new = [name for name, before, _after in changed if before is None]
    if gone and side == "1c":
        told = ngettext(
            "%(num)s attribute is gone from $metadata: %(names)s",
            "%(num)s attributes are gone from $metadata: %(names)s",
            len(gone),
        )
        yield told % {"num": len(gone), "names": ", ".join(gone)}
    elif gone:
        told = ngettext(
            "%(num)s column is gone: %(names)s", "%(num)s columns are gone: %(names)s", len(gone)
        )
        yield told % {"num": len(gone), "names": ", ".join(gone)}
    if new:
        yield _("new: %(names)s") % {"names": ", ".join(new)}
    for name, before, after in changed:
        if before is not None and after is not None:
            if side == "1c":
                told = _("attribute %(name)s has another type")
            elif _length(after) < _length(before):
                told = _("column %(name)s is shorter")
            else:
                told = _("column %(name)s has another type")
            yield f"{told % {'name': name}}: {before} → {after}"


def _length(kind: str) -> int:
    found = _LENGTH.search(kind)
    return int(found[1]) if found else 1 << 31
