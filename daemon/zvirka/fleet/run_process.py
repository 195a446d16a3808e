"""The process of one ordered run, which a worker starts (:mod:`zvirka.fleet.launching`).

SIGTERM ends the run at its next safe place. It also ends there when its worker dies, or when the
connection that holds its lane is lost: then another machine may have taken the order.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from zvirka.errors import JournalError, RunInterrupted, ZvirkaError
from zvirka.fleet.orders import Order, Result, order_from, to_json
from zvirka.journal.run_lock import HeldLock, lane_lock
from zvirka.logs import configure_logs
from zvirka.message import coded
from zvirka.reconcile.environment import Environment, open_environment
from zvirka.reconcile.feeding import Followed, follow_together, readers_of_the_node
from zvirka.reconcile.run import perform
from zvirka.service.run_daemon import run_here
from zvirka.service.run_slots import lanes_of
from zvirka.service.watchdog import Pulse
from zvirka.settings.loading import load_flows
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.settings.secrets import secret_values

_LANE_SECONDS = 120.0
"""How long a run waits for its lane: that of a dead worker is free once PostgreSQL notices."""

_LOOK_SECONDS = 5.0
_GRACE_SECONDS = 10.0
"""How long a run may take to its next safe place after SIGTERM."""


def perform_apart(config: Path | None, order: bytes, answer: Connection) -> None:
    """Perform an order and send the result, both as JSON.

    Args:
        config: the file of the settings.
        order: what :func:`zvirka.fleet.orders.order_from` takes.
        answer: where the worker waits for the result.
    """
    os.setsid()  # Ctrl+C at a terminal is for the worker, which passes it on.
    pulse = Pulse(time.monotonic)
    _end_at_sigterm(pulse)
    _end_with_worker()
    try:
        result = _perform(config, order_from(msgspec.json.decode(order)), os.environ, pulse)
    except ZvirkaError as error:
        result = Result.refused(error)
    except KeyboardInterrupt:
        cause = coded("ZV5503", "the process was told to stop")
        result = Result.refused(RunInterrupted(cause))
    with suppress(BrokenPipeError):  # the worker died
        answer.send_bytes(msgspec.json.encode(to_json(result)))


def _perform(config: Path | None, order: Order, environ: Mapping[str, str], pulse: Pulse) -> Result:
    flows = load_flows(config, environ)
    if order.flow in flows.broken:
        raise flows.broken[order.flow]
    settings = flows.loaded[order.flow].settings
    configure_logs(
        settings.log, stream=sys.stderr, environ=environ, secrets=secret_values(settings)
    )
    return _perform_order(settings, order, pulse)


def _perform_order(settings: Settings, order: Order, pulse: Pulse) -> Result:
    """Perform an order while holding the lanes of its flows.

    Raises:
        ZvirkaError: the run could not begin.
    """
    lanes, request = lanes_of(settings.flows), order.request
    flows = [settings] if request is not None else readers_of_the_node(settings)
    command = request.command.value if request is not None else "feed"
    with ExitStack() as locks:
        # In one order everywhere, so that two feeds never wait for each other.
        for lane in sorted({lanes[flow.name] for flow in flows}):
            lock = lane_lock(settings, lane, who=order.who, command=command, wait=_LANE_SECONDS)
            locks.enter_context(_watched(locks.enter_context(lock), pulse.stop.set))
        if request is None:
            return Result.of_feed(_feed(flows, order.who, pulse))
        if order.is_night:
            return Result(summaries={settings.name: run_here(settings, request, pulse)})
        with open_environment(settings, mapping_of(settings), progress=pulse) as environment:
            summary = perform(replace(environment, stop=pulse.stop), request)
            return Result(summaries={settings.name: summary})


def _feed(readers: Sequence[Settings], who: str, pulse: Pulse) -> Followed:
    @contextmanager
    def open_flow(flow: Settings) -> Iterator[Environment]:
        with open_environment(flow, mapping_of(flow), progress=pulse) as environment:
            yield replace(environment, stop=pulse.stop)

    return follow_together(readers, open_flow, who=who)


@contextmanager
def _watched(lane: HeldLock, lost: Callable[[], None]) -> Iterator[None]:
    """Look every few seconds whether the lane is still held."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            try:
                lane.check()
            except JournalError:
                lost()
                return

    watch = threading.Thread(target=look, name="lane", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join(_LOOK_SECONDS)


def _end_with_worker() -> None:
    """Have the run end at its next safe place when the worker dies, be it by kill -9.

    It then gives its session of 1C back, before another worker takes its order.
    """
    worker = multiprocessing.parent_process()
    assert worker is not None

    def wait() -> None:
        worker.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="worker", daemon=True).start()


def _end_at_sigterm(pulse: Pulse) -> None:
    """Let SIGTERM end the run at its next safe place, and after a while at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        pulse.stop.set()
        # Before the first phase nothing looks at `stop`: the run waits for a lock or for 1C.
        signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS if pulse.name else 0.1)

    def run_out(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, run_out)
