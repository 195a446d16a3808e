"""A finding of ``zvirka check`` about a step that took its time."""

from __future__ import annotations

import time

from zvirka.findings import Finding
from zvirka.message import Message, coded

_SLOW_SECONDS = 30.0


def timed(subject: str, text: Message, started: float, *, empty: bool = False) -> Finding:
    """What was found since ``started`` (of the monotonic clock), and whether it took too long."""
    seconds = time.monotonic() - started
    if empty:
        return Finding(
            "warning",
            subject,
            coded("ZV1313", "{what}", what=text),
            Message("check onec.scope and the user's rights"),
        )
    if seconds > _SLOW_SECONDS:
        return Finding(
            "warning",
            subject,
            coded("ZV1505", "{what}, but it took {seconds} s", what=text, seconds=round(seconds)),
            Message(
                "the first request after idle is slow; if the next check is as slow, look at"
                " the load of the 1C server"
            ),
        )
    return Finding("ok", subject, text)
