"""Placing orders in the queue and following them: for the daemon, the commands and the page."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal, LiteralString

import msgspec
from procrastinate import App
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Status

from zvirka.errors import JournalError
from zvirka.fleet.fleet_status import read_status
from zvirka.fleet.orders import Order, Result, lost_run, result_from, to_json
from zvirka.fleet.queue_database import guarded, opened_queue, queue_of
from zvirka.fleet.status_lines import FleetStatus
from zvirka.message import Message, coded
from zvirka.service.run_slots import lanes_of, server_of
from zvirka.settings.model import Settings

TASK = "zvirka.run"

_STATES: LiteralString = """
    SELECT job.id, job.status::text AS status, worker.host, result.content, place.ahead
    FROM procrastinate_jobs job
    LEFT JOIN (
        SELECT id,
            row_number() OVER (PARTITION BY queue_name ORDER BY priority DESC, id) - 1 AS ahead
        FROM procrastinate_jobs
        WHERE status = 'todo'
    ) place ON place.id = job.id
    LEFT JOIN fleet_workers worker ON worker.id = job.worker_id AND job.status = 'doing'
    LEFT JOIN fleet_results result ON result.job = job.id
    WHERE job.id = ANY(%(jobs)s)
"""
_TAKERS: LiteralString = """
    SELECT count(*) AS number
    FROM fleet_workers
    JOIN procrastinate_workers USING (id)
    WHERE last_heartbeat > now() - make_interval(secs => %(seconds)s)
        AND (queues IS NULL OR %(queue)s = ANY(queues))
"""
_STOP: LiteralString = """
    SELECT procrastinate_cancel_job_v1(%(job)s, true, false) AS id
    FROM procrastinate_jobs
    WHERE id = %(job)s AND status IN ('todo', 'doing')
"""


class OrderState(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order is: waiting behind ``ahead`` others of its server, at a worker, or over."""

    place: Literal["waits", "runs", "over"]
    ahead: int = 0
    host: str = ""
    result: Result | None = None


class OrderQueue:
    """The orders of one installation.

    Args:
        app: the opened queue.
        settings: of any flow.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    def place(self, order: Order, settings: Settings, lane: str = "") -> int:
        """Place an order, and return its number; a night that is ordered already keeps its own.

        An order never has a time to begin at: it would keep later ones of its flow waiting.

        Args:
            order: what to run.
            settings: those of its flow, which knows the others.
            lane: that of its flow; worked out from all flows unless it is given.

        Raises:
            JournalError: the queue cannot be reached.
        """
        lane = lane or lanes_of(settings.flows)[settings.name]
        once = f"night of {order.flow}" if order.is_night else None
        with guarded(self._settings):
            for _ in range(3):
                if once and (known := self._known(once)):
                    return known
                deferrer = self._app.configure_task(
                    TASK,
                    queue=queue_of(server_of(settings)),
                    lock=lane,
                    queueing_lock=once,
                    priority=order.priority,
                )
                try:
                    return deferrer.defer(flow=order.flow, order=to_json(order))
                except AlreadyEnqueued:
                    continue  # another daemon placed it in between
        raise JournalError(
            coded("ZV5701", "the queue of the workers cannot be used ({kind})", kind=once),
            place=order.flow,
            remedy=Message("run again; report it when it comes back"),
        )

    def _known(self, once: str) -> int | None:
        manager = self._app.job_manager
        for status in (Status.DOING, Status.TODO):
            for job in manager.list_jobs(queueing_lock=once, status=status.value):
                return job.id
        return None

    def states(self, numbers: Collection[int]) -> dict[int, OrderState]:
        """Where these orders are; one that is gone is over without a result of its own.

        Raises:
            JournalError: the queue cannot be reached.
        """
        with guarded(self._settings):
            rows = self._all(_STATES, jobs=list(numbers))
        found = {row["id"]: _state(row) for row in rows}
        gone = OrderState(place="over", result=lost_run("removed from the queue"))
        return {number: found.get(number, gone) for number in numbers}

    def takers(self, settings: Settings) -> int:
        """How many workers are alive that take runs of this flow.

        Raises:
            JournalError: the queue cannot be reached.
        """
        with guarded(self._settings):
            (row,) = self._all(
                _TAKERS,
                queue=queue_of(server_of(settings)),
                seconds=settings.fleet.takeover.total_seconds(),
            )
        return int(row["number"])

    def status(self) -> FleetStatus:
        """Who works, and what waits.

        Raises:
            JournalError: the queue cannot be reached.
        """
        with guarded(self._settings):
            return read_status(self._app, self._settings)

    def stop(self, number: int) -> None:
        """Withdraw an order that waits; end one that runs at its next safe place.

        Raises:
            JournalError: the queue cannot be reached.
        """
        with guarded(self._settings):
            self._all(_STOP, job=number)

    def _all(self, query: LiteralString, **values: Any) -> list[dict[str, Any]]:
        return self._app.connector.get_sync_connector().execute_query_all(query, **values)


@contextmanager
def order_queue(settings: Settings, *, connections: int = 1) -> Iterator[OrderQueue]:
    """Open the queue of an installation.

    Raises:
        SettingsError: the journal is not on PostgreSQL.
        JournalError: the queue cannot be reached.
    """
    with opened_queue(settings, connections=connections) as app:
        yield OrderQueue(app, settings)


def _state(row: dict[str, Any]) -> OrderState:
    status = row["status"]
    if row["content"] is not None and status != Status.TODO.value:
        return OrderState(place="over", result=result_from(row["content"]))
    if status == Status.TODO.value:
        return OrderState(place="waits", ahead=row["ahead"])
    if status == Status.DOING.value:
        return OrderState(place="runs", host=row["host"] or "")
    return OrderState(place="over", result=lost_run(status))
