"""The present time, passed in wherever it is needed so that tests can set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

Now = Callable[[], datetime]
"""Gives the time, aware, in UTC."""


def utc_now() -> datetime:
    """Return the time of the machine, aware, in UTC."""
    return datetime.now(UTC)


def day_begins(day: date, zone: tzinfo) -> datetime:
    """When a day begins in a zone; the first and last days of the calendar are moved into it."""
    ordinal = min(max(day.toordinal(), 2), date.max.toordinal() - 1)
    return datetime.combine(date.fromordinal(ordinal), time(), zone).astimezone(UTC)


def day_ends(day: date, zone: tzinfo) -> datetime:
    """When a day ends in a zone."""
    return day_begins(day if day == date.max else day + timedelta(days=1), zone)
