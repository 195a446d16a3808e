"""The present time, passed in wherever it is needed so that tests can set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]
"""Gives the time, aware, in UTC."""


def utc_now() -> datetime:
    """Return the time of the machine, aware, in UTC."""
    return datetime.now(UTC)
