"""One line of ``zvirka check``, for 1C, the store, the journal and the settings alike."""

from __future__ import annotations

import msgspec

from zvirka.errors import ZvirkaError
from zvirka.message import Message, coded


class Finding(msgspec.Struct, frozen=True):
    """One line of ``zvirka check``: ``level`` is ``ok``, ``warning`` or ``failure``.

    ``text`` and ``remedy`` are messages; the text of a warning or failure has a code.
    """

    level: str
    subject: str
    text: Message
    remedy: str = ""


def failed(subject: str, error: ZvirkaError) -> Finding:
    """The finding that an error makes which ended a check."""
    text = error.cause
    if error.place:
        text = coded("", "{cause} [{place}]", cause=error.cause, place=error.place)
    return Finding("failure", subject, text, error.remedy)
