"""One line of ``zvirka check``, for 1C, the store, the journal and the settings alike."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One line of ``zvirka check``: ``level`` is ``ok``, ``warning`` or ``failure``."""

    level: str
    subject: str
    text: str
    remedy: str = ""
