"""How fast requests may go: evenly spaced over all threads, and all of them held back at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RequestRate:
    """Gives each caller its moment, ``per_second`` of them a second.

    ``clock`` is monotonic seconds, ``sleep`` waits that many.
    """

    def __init__(
        self, per_second: float, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """Hold back all requests for so long, as the other side asked."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)
