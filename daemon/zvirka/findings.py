"""One line of ``zvirka check``, the same shape for 1C, the store and the daemon's own house."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One line of ``zvirka check``: ``level`` is ``ok``, ``warning`` or ``failure``."""

    level: str
    subject: str
    text: str
    remedy: str = ""
