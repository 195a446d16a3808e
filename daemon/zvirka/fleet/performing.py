"""Runs that a person asks for, on a command line or on the page, performed by workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from loguru import logger

from zvirka.domain import Command
from zvirka.fleet.extra import require_fleet
from zvirka.fleet.orders import Order, Result
from zvirka.fleet.status_lines import FleetStatus
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run import perform
from zvirka.settings.model import Settings

if TYPE_CHECKING:
    from zvirka.fleet.order_queue import OrderQueue

HERE = frozenset({Command.REJECT, Command.ENDORSE, Command.SUPPRESS})
"""They only write to the journal: nothing is gained by a place in the queue of a server of 1C."""

_LOOK_SECONDS = 0.5


class Fleet(Protocol):
    """Workers that take runs of one flow."""

    def perform(
        self,
        request: Request | None,
        who: str,
        *,
        stop: threading.Event,
        tell: Callable[[str, str], None],
    ) -> Result:
        """Order a run, or a feed without ``request``, and wait for its end.

        Args:
            request: the run.
            who: asks.
            stop: set to withdraw the order, or to end the run at its next safe place.
            tell: is told where the order is: ``queued`` with how many go before it, or
                ``elsewhere`` with the machine that runs it.

        Returns:
            How it ended.

        Raises:
            ZvirkaError: the run could not begin, or the queue cannot be reached.
        """
        ...


@contextmanager
def fleet_of(settings: Settings) -> Iterator[Fleet | None]:
    """The workers of a flow; ``None`` without workers: the caller then performs the run itself.

    Raises:
        SettingsError: ``[fleet]`` is enabled without the extra, or without PostgreSQL.
        JournalError: the queue cannot be reached.
    """
    if not settings.fleet.enabled:
        yield None
        return
    require_fleet(settings)
    from zvirka.fleet.order_queue import order_queue

    with order_queue(settings) as queue:
        yield _Workers(queue, settings) if queue.takers(settings) else None


def workers_of(settings: Settings) -> Callable[[], FleetStatus] | None:
    """What reads the status of the workers for the page; ``None`` without ``[fleet]``.

    Raises:
        SettingsError: ``[fleet]`` is enabled without the extra.
    """
    if not settings.fleet.enabled:
        return None
    require_fleet(settings)
    from zvirka.fleet.fleet_status import fleet_status

    return partial(fleet_status, settings)


def perform_at_worker(environment: Environment, request: Request) -> Summary:
    """Perform a run of the page at a worker, or here if no worker is alive.

    Raises:
        ZvirkaError: the run could not begin, or the queue cannot be reached.
    """
    settings = environment.settings
    if request.command in HERE:
        return perform(environment, request)
    with fleet_of(settings) as fleet:
        if fleet is None:
            return perform(environment, request)
        result = fleet.perform(
            request,
            request.who,
            stop=environment.stop,
            tell=lambda place, _: environment.progress.phase(place),
        )
        return result.runs()[settings.name]


class _Workers:
    def __init__(self, queue: OrderQueue, settings: Settings) -> None:
        self._queue = queue
        self._settings = settings

    def perform(
        self,
        request: Request | None,
        who: str,
        *,
        stop: threading.Event,
        tell: Callable[[str, str], None],
    ) -> Result:
        """Order a run and wait for its end."""
        queue, settings = self._queue, self._settings
        number = queue.place(Order(flow=settings.name, who=who, request=request), settings)
        logger.info("a run is ordered", flow=settings.name, order=number)
        told, stopped = ("", ""), False
        while (state := queue.states([number])[number]).place != "over":
            waits = state.place == "waits"
            here = ("queued", str(state.ahead)) if waits else ("elsewhere", state.host)
            if here != told:
                tell(*here)
                told = here
            if stopped:
                time.sleep(_LOOK_SECONDS)
            elif stop.wait(_LOOK_SECONDS):
                queue.stop(number)
                stopped = True
        assert state.result is not None
        return state.result
