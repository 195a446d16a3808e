"""HTTP connections that end: slow senders and floods cannot keep others out.

uvicorn limits how long a connection may idle between two requests, and nothing else. Here a
request has to be whole, head and body, within some seconds, and connections are limited in number:
above it the one that has waited longest without a whole request is closed for the new one.
"""

from __future__ import annotations

import asyncio

from loguru import logger
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 15.0
"""From the first moment of a connection, or of a further request on it, to its last byte."""

CONNECTIONS = 350
"""At once and a server."""

ACCEPTED_AT_ONCE = 64
"""Connections accepted before those above the limit are closed; asyncio takes 2,048 otherwise.

So two servers stay below the 1,024 open files many systems allow.
"""

_TOLD_EVERY_SECONDS = 60.0


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, closed when a request does not become whole in time.

    For ``uvicorn.Config(http=…)``; a subclass may set other limits.
    """

    seconds = REQUEST_SECONDS
    limit = CONNECTIONS

    _waiting_since: float | None = None
    _timer: asyncio.TimerHandle | None = None
    _whole: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and begin to wait for its first request."""
        super().connection_made(transport)
        if len(self.connections) > self.limit:
            self._make_room()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait until the request these bytes belong to is whole."""
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()
        super().data_received(data)
        cycle = self.cycle
        if cycle is not None and cycle is not self._whole and not cycle.more_body:
            self._whole = cycle
            self._stop_waiting()

    def _wait(self) -> None:
        self._waiting_since = self.loop.time()
        self._timer = self.loop.call_later(self.seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._waiting_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        """Close the connection that has waited longest; this one when none waits."""
        waiting = [
            (one._waiting_since, number, one)
            for number, one in enumerate(self.connections)
            if isinstance(one, BoundedProtocol) and one._waiting_since is not None
        ]
        oldest = min(waiting)[2] if waiting else self
        oldest._stop_waiting()  # or the next one would choose it again before it is gone
        oldest.transport.abort()
        now = self.loop.time()
        if (
            now - getattr(self.server_state, "warned_at", -_TOLD_EVERY_SECONDS)
            >= _TOLD_EVERY_SECONDS
        ):
            self.server_state.warned_at = now  # type: ignore[attr-defined]
            logger.warning("too many connections, closing idle ones", limit=self.limit)
