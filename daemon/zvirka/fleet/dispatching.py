"""The daemon's runs, performed by workers.

One thread for all flows speaks with the queue, so that a thousand waiting flows need one thread
and one connection. The night itself stays with the daemon: it says which flow is due, when a
failure is tried again, and what a missed night means.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from loguru import logger

from zvirka.errors import RunInterrupted, ZvirkaError
from zvirka.fleet.fleet_watch import FleetWatch
from zvirka.fleet.order_queue import OrderQueue, OrderState, order_queue
from zvirka.fleet.orders import Order, Result
from zvirka.message import coded
from zvirka.reconcile.request import Request, Summary
from zvirka.service.background_task import Ending
from zvirka.service.flow_runs import FlowRuns
from zvirka.service.run_slots import lanes_of
from zvirka.service.watchdog import Pulse
from zvirka.settings.model import Settings

_LOOK_SECONDS = 1.0


@dataclass
class _Waiting:
    """A flow that waits for its order; ``ended`` is called when it is over."""

    order: Order
    settings: Settings
    pulse: Pulse
    ended: Callable[[], None]
    number: int | None = None
    ending: Ending[Summary] | None = None


class Dispatcher:
    """Performs runs by ordering them from workers; the queue may be away for a while.

    Args:
        settings: of any flow of the installation.
        watch: looks at the workers meanwhile.
        look_seconds: how often the queue is asked.
    """

    def __init__(
        self, settings: Settings, watch: FleetWatch, look_seconds: float = _LOOK_SECONDS
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._look_seconds = look_seconds
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        threading.Thread(target=self._body, name="fleet", daemon=True).start()

    def runs_of(self, flow: str, ended: Callable[[], None]) -> FlowRuns:
        """The runs of a flow, as orders."""
        del flow
        return _OrderedRuns(self._add, ended)

    def _add(self, waiting: _Waiting) -> None:
        with self._lock:
            self._waiting.append(waiting)

    def _body(self) -> None:
        away = False
        while True:
            try:
                with ExitStack() as opened:
                    queue = opened.enter_context(order_queue(self._settings))
                    while True:
                        self._look(queue)
                        away = False
                        time.sleep(self._look_seconds)
            except ZvirkaError as error:
                # The night goes on once the database is back; nothing was lost.
                if not away:
                    logger.error("the queue cannot be used", cause=error.cause)
                away = True
            self._keep_alive()
            time.sleep(self._look_seconds)

    def _keep_alive(self) -> None:
        """Let flows go whose daemon stops; waiting for a database is no standstill of the rest."""
        with self._lock:
            waiting = list(self._waiting)
        for one in waiting:
            one.pulse.advance(0)
            if one.pulse.stop.is_set():
                self._release(one, None)

    def _look(self, queue: OrderQueue) -> None:
        """Place what is new, and tell those whose order is over."""
        self._keep_alive()
        with self._lock:
            waiting = list(self._waiting)
        lanes: dict[str, str] = {}
        for one in waiting:
            if one.number is None:
                if one.order.flow not in lanes:
                    lanes = lanes_of(one.settings.flows)
                one.number = queue.place(one.order, one.settings, lanes[one.order.flow])
                logger.info("a run is ordered", flow=one.order.flow, order=one.number)
        self._watch.look(queue.status)
        states = queue.states([one.number for one in waiting if one.number is not None])
        for one in waiting:
            if one.number is not None:
                self._tell(one, states[one.number])

    def _tell(self, one: _Waiting, state: OrderState) -> None:
        if state.place == "over":
            self._release(one, state.result)
        elif state.place == "waits":
            one.pulse.phase("queued")
        else:
            one.pulse.phase("elsewhere")

    def _release(self, one: _Waiting, result: Result | None) -> None:
        """End the wait of a flow; ``None`` when the daemon stops before there is a result."""
        with self._lock:
            self._waiting.remove(one)
        try:
            if result is None:
                raise RunInterrupted(coded("ZV5503", "the process was told to stop"))
            one.ending = Ending(value=result.runs()[one.order.flow])
        except (ZvirkaError, KeyError) as error:
            one.ending = Ending(error=error)
        one.ended()


class _OrderedRuns:
    """:class:`FlowRuns` of one flow, performed by workers.

    A daemon that stops leaves an order where it is; after its next start it takes it up.
    """

    def __init__(self, add: Callable[[_Waiting], None], ended: Callable[[], None]) -> None:
        self._add = add
        self._ended = ended
        self._waiting: _Waiting | None = None

    @property
    def busy(self) -> bool:
        """Whether an order is not over or its result was not yet taken."""
        return self._waiting is not None

    def begin(self, settings: Settings, request: Request, pulse: Pulse) -> None:
        """Order a run; only when not busy."""
        waiting = _Waiting(Order.of(settings, request), settings, pulse, self._ended)
        self._waiting = waiting
        self._add(waiting)

    def take(self) -> Ending[Summary] | None:
        """The end of the run, handed out once; ``None`` before."""
        if self._waiting is None or self._waiting.ending is None:
            return None
        ending, self._waiting = self._waiting.ending, None
        return ending
