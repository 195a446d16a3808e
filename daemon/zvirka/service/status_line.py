"""The line ``systemctl status`` shows, for a person.

«нічна звірка 02:30 · остання 24.11 02:31: 3 розбіжності, 3 виправлено»
"""

from __future__ import annotations

from datetime import datetime, tzinfo

from zvirka.domain import OutcomeState
from zvirka.i18n import Language
from zvirka.i18n.words import Words
from zvirka.service.alert_texts import counted, say
from zvirka.service.daemon_records import RunView, Situation


def status_line(
    situation: Situation,
    *,
    at: str,
    zone: tzinfo,
    language: Language,
    retry_at: datetime | None = None,
) -> str:
    """When runs begin, and how the last one ended; ``retry_at`` when it will be tried again."""
    parts = [say(language, "nightly", at=at)]
    last = situation.last
    if last is None:
        parts.append(say(language, "never"))
    else:
        waits = any(run == last.run for run, _, _ in situation.held)
        when = f"{last.started.astimezone(zone):%d.%m %H:%M}"
        parts.append(f"{say(language, 'last', when=when)}: {_ended(last, language, waits)}")
    if retry_at is not None:
        parts.append(say(language, "retry", when=f"{retry_at.astimezone(zone):%H:%M}"))
    return " · ".join(parts)


def _ended(run: RunView, language: Language, waits: bool) -> str:
    if run.status.broke_off:
        return Words(language).status(run.status)
    found = run.facts.found
    if found is None:
        text = say(language, "ended")
    elif not found:
        text = say(language, "agreed")
    else:
        corrected = (run.facts.outcomes or {}).get(OutcomeState.APPLIED, 0)
        text = f"{counted(language, 'differences', found)}, {corrected} " + say(
            language, "corrected"
        )
    return f"{text}, {say(language, 'was_held')}" if waits else text
