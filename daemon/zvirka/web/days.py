"""Days in addresses and forms, in the time zone of the page."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

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
    begin = datetime.combine(first or date(1970, 1, 1), time(), zone)
    end = datetime.combine((last or date(9000, 1, 1)) + timedelta(days=1), time(), zone)
    return begin.astimezone(UTC), end.astimezone(UTC)
