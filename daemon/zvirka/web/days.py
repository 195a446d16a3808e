"""Days in addresses and forms, in the time zone of the page."""

from __future__ import annotations

from datetime import date, datetime

from zvirka.now import day_begins, day_ends
from zvirka.web.request_context import RequestContext


def day_of(asked: str) -> date | None:
    """The day a filter names; ``None`` when it names none."""
    try:
        return date.fromisoformat(asked)
    except ValueError:
        return None


def between(
    context: RequestContext, first: date | None, last: date | None
) -> tuple[datetime, datetime] | None:
    """The moments in which the first day begins and the last one ends, in the page's zone."""
    if first is None and last is None:
        return None
    zone = context.words.timezone
    return day_begins(first or date.min, zone), day_ends(last or date.max, zone)
