"""Switches that make the publication misbehave as publications do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Faults:
    """What goes wrong. Everything is off at first; set an attribute to switch it on.

    Where a switch takes ``bool | int``, ``True`` is always and a number that many times, after
    which it is off again. ``only`` limits the countable switches and ``latency`` to requests
    whose decoded path and query contain that text; ``skip`` lets that many of them through first.
    """

    only: str = ""
    skip: int = 0
    latency: float = 0.0
    """Seconds before each answer."""
    stall: float = 0.0
    """Seconds of silence in the middle of each body."""
    fail_500: bool | int = 0
    """HTTP 500 instead of an answer."""
    fail_500_at: set[int] = field(default_factory=set)
    """HTTP 500 to the requests of these numbers, counted from 1 since the simulator started."""
    fail_status: int = 500
    """The status ``fail_500`` and ``fail_500_at`` answer with: 429, 502, 503, 504 as well."""
    drop_after_bytes: int | None = None
    """Close the connection after that many bytes of the body."""
    drop_times: bool | int = 1
    """How many connections ``drop_after_bytes`` drops."""
    truncate_json: bool | int = 0
    """Half the body, sent as if it were whole."""
    html_200: bool | int = 0
    """An HTML page of the web server with status 200."""
    unauthorized_after: int | None = None
    """So many more requests are authorised, all later ones get 401."""
    lose_session_after: int | None = None
    """So many more requests find their session, then 1C forgets all sessions once."""
    lost_session_status: int = 400
    """What a forgotten session answers: 400, 404 or 500."""
    no_licence: bool = False
    """No licence is free: 406 to the start of a session, 500 to a request without one."""
    maintenance: bool = False
    """The base is locked: 503 with the reason in Russian."""
    no_count: bool = False
    """The publication does not serve ``/$count``."""
    full_disk_above: int | None = None
    """An answer of more rows than that fails: 500 «No space left on device»."""
    hide: Collection[str] = frozenset()
    """Ref_Keys row-level rights forbid: silently missing under allowedOnly, 401 code 20 else."""
    unpublished: Collection[str] = frozenset()
    """Entity sets left out of the published composition, a tabular section's set among them."""
    denied: Collection[str] = frozenset()
    """Entity sets the user has no right to read: 401 code 20."""
    filters: Literal["honoured", "empty", "ignored"] = "honoured"
    """What ``$filter`` does: an empty set comes with status 200, or the filter is dropped."""
    between_pages: Callable[[int], None] | None = None
    """Called after each page (an answer to ``$top``), before it is sent, with its number from 1."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def applies(self, address: str) -> bool:
        """Whether a request to that decoded path and query is meant; uses up ``skip``."""
        if self.only and self.only not in address:
            return False
        with self._lock:
            if self.skip > 0:
                self.skip -= 1
                return False
        return True

    def take(self, name: str) -> bool:
        """Whether that countable switch is on; uses up one of its times."""
        with self._lock:
            left = getattr(self, name)
            if left is True:
                return True
            if left > 0:
                setattr(self, name, left - 1)
                return True
        return False

    def expire(self, name: str) -> bool:
        """Whether an ``…_after`` switch has run out; uses up one of its requests."""
        with self._lock:
            left = getattr(self, name)
            if left is None:
                return False
            if left <= 0:
                return True
            setattr(self, name, left - 1)
        return False
