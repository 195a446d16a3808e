"""What `zvirka fleet status` shows of workers and queues; it can be described without the extra."""

from __future__ import annotations

from datetime import datetime

import msgspec


class RunAtWorker(msgspec.Struct, frozen=True):
    """The run of a flow that a worker performs, and since when."""

    flow: str
    since: datetime | None


class WorkerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A worker: ``heard`` is its last heartbeat, ``runs`` what it performs; no queues: all."""

    host: str
    pid: int
    queues: list[str] | None
    concurrency: int
    since: datetime
    heard: datetime
    alive: bool
    runs: list[RunAtWorker]

    @property
    def flows(self) -> list[str]:
        """The flows it runs."""
        return [run.flow for run in self.runs]


class QueueLine(msgspec.Struct, frozen=True, kw_only=True):
    """The orders of one server of 1C.

    ``waiting`` are the flows in their order and ``since`` how long the first of them; ``workers``
    count those alive that take them. ``late`` are flows that wait for longer than
    ``fleet.alert_after`` although no run of their lane is under way: nothing takes them.
    """

    server: str
    workers: int
    running: list[str]
    waiting: list[str]
    since: datetime | None
    late: list[str]

    def seconds_waiting(self, now: datetime) -> float:
        """How long the first run waits; 0 when none does."""
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


class FleetStatus(msgspec.Struct, frozen=True):
    """All workers, and all servers of 1C with orders or flows."""

    workers: list[WorkerLine]
    queues: list[QueueLine]

    @property
    def late(self) -> list[str]:
        """The flows that nothing takes."""
        return sorted(flow for queue in self.queues for flow in queue.late)
