"""``zvirka daemon``: the long-running service, its signals and its sleep."""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import SystemRandom

from loguru import logger

from zvirka.domain import RunStatus
from zvirka.errors import ExitCode, ZvirkaError
from zvirka.now import utc_now
from zvirka.reconcile.environment import open_environment
from zvirka.reconcile.noting import note_settings_of_service
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run import perform
from zvirka.reconcile.unbegun import record_unbegun
from zvirka.service.background_task import Background, Threaded, own_thread, thread_pool
from zvirka.service.daemon_records import JournalRecords, Situation
from zvirka.service.flow_runs import FlowRuns, RunsHere, RunsOf
from zvirka.service.flow_supervisors import FlowSupervisors, Parts
from zvirka.service.metrics import Exposed
from zvirka.service.run_slots import RunSlots, Slots
from zvirka.service.supervisor import Supervisor, SupervisorPorts
from zvirka.service.systemd_notify import Notifier, ServiceNotifier
from zvirka.service.timer_followup import prune_as_set, tell_of_broken_flow
from zvirka.service.watchdog import Pulse
from zvirka.settings.loading import Flows
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

_LOOK_THREADS = 4
"""So many flows look into their journals together; a thousand flows need no more."""

_NOTE_SECONDS = 8.0

STOP_WITHIN = 15.0
"""Seconds a run may take to leave after SIGTERM; the unit's TimeoutStopSec is longer."""


def runs_here(flow: str, ended: Callable[[], None]) -> FlowRuns:
    """The runs of a flow, performed in a thread of this process."""
    return RunsHere(run_here, Threaded(own_thread(f"run-{flow}"), ended))


def run_daemon(
    load: Callable[[], Flows],
    *,
    lenient: Callable[[str], Settings | None] = lambda _: None,
    runs: RunsOf = runs_here,
    slots: Slots | None = None,
    beside: tuple[Exposed, ...] = (),
    environ: Mapping[str, str] = os.environ,
    stop_within: float = STOP_WITHIN,
) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP reads the settings again. Return the exit code.

    A run that has not left ``stop_within`` seconds after SIGTERM is cut off with the process;
    the journal makes that as harmless as a crash.

    Args:
        load: gives the settings of all flows; called again at each SIGHUP.
        lenient: gives what of a flow's unusable settings says whom to tell.
        runs: performs the runs; :func:`runs_here` by default.
        slots: bound how many runs go together; :class:`RunSlots` by default.
        beside: metrics that are no flow's.
        environ: of systemd: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``.
        stop_within: seconds, see above.

    Raises:
        SettingsError: the settings of all flows are wrong at the start.
        JournalError: the journal cannot be opened at the start.
    """
    # systemd's watchdog ends a hung process by SIGABRT: then the log says where it hung.
    faulthandler.enable()
    events: queue.SimpleQueue[str] = queue.SimpleQueue()
    wake, looks = partial(events.put, "look"), thread_pool("look", _LOOK_THREADS)

    def make(settings: Settings, notifier: ServiceNotifier, begins: Slots) -> Supervisor:
        look_task: Threaded[Situation] = Threaded(looks, wake)
        return _supervisor(settings, notifier, begins, runs(settings.name, wake), look_task)

    def report_broken(flow: str, error: ZvirkaError) -> None:
        settings = lenient(flow)
        if settings is not None:
            with suppress(ZvirkaError):
                tell_of_broken_flow(settings, error, utc_now())

    # SimpleQueue.put is the one blocking primitive of the library that a signal may re-enter.
    asked = {signal.SIGTERM: "stop", signal.SIGINT: "stop", signal.SIGHUP: "reload"}
    for number in asked:
        signal.signal(number, lambda number, _frame: events.put(asked[signal.Signals(number)]))
    parts = Parts(make, report_broken, Notifier(environ), utc_now, slots or RunSlots(), beside)
    flows = FlowSupervisors(load(), parts)
    who = "zvirka.service"
    for settings in flows.settings:
        note_settings_of_service(settings, who, utc_now())
    try:
        flows.start()
        deadline = float("inf")
        while not (deadline < float("inf") and not flows.running):
            flows.step()
            if time.monotonic() > deadline:
                _cut_off()
            event = _next(events, flows.pause())
            if event == "stop" and deadline == float("inf"):
                deadline = time.monotonic() + stop_within
                flows.stop()
            elif event == "reload":
                flows.reload(load)
                for settings in flows.settings:
                    note_settings_of_service(settings, who, utc_now())
    finally:
        flows.close()
    _note_the_stop(flows.settings)
    logger.info("the daemon stops")
    return int(ExitCode.IN_SYNC)


def _note_the_stop(all_settings: Sequence[Settings]) -> None:
    """Let the page say that the daemon was stopped, not that it is silent.

    Where that takes long, with many flows or a slow database, the rest is left out: systemd would
    kill the process.
    """
    end = time.monotonic() + _NOTE_SECONDS
    for settings in all_settings:
        if time.monotonic() > end:
            return
        with suppress(ZvirkaError):
            JournalRecords(lambda settings=settings: settings).stopped(utc_now())  # type: ignore[misc]


def _supervisor(
    settings: Settings,
    notifier: ServiceNotifier,
    slots: Slots,
    runs: FlowRuns,
    look_task: Background[Situation],
) -> Supervisor:
    supervisor: Supervisor
    supervisor = Supervisor(
        settings,
        SupervisorPorts(
            records=JournalRecords(lambda: supervisor.settings),
            notifier=notifier,
            now=utc_now,
            monotonic=time.monotonic,
            random=SystemRandom(),
            runs=runs,
            look_task=look_task,
            slots=slots,
        ),
    )
    return supervisor


def run_here(settings: Settings, request: Request, pulse: Pulse) -> Summary:
    """Perform one run with the parts of the settings; the pulse is its progress and its stop.

    A run that cannot begin is recorded as a failed one.

    Raises:
        ZvirkaError: it could not begin, and could not be recorded.
    """
    try:
        return _perform(settings, request, pulse)
    except ZvirkaError as error:
        recorded = record_unbegun(settings, request, error)
        if recorded is None:
            raise
        return recorded


def _perform(settings: Settings, request: Request, pulse: Pulse) -> Summary:
    with open_environment(settings, mapping_of(settings), progress=pulse) as environment:
        summary = perform(replace(environment, stop=pulse.stop), request)
        if summary.status == RunStatus.FINISHED:
            prune_as_set(settings, environment.journal, environment.now(), request.who)
        return summary


def _next(events: queue.SimpleQueue[str], seconds: float) -> str:
    """The next event; what has ended meanwhile is looked at together."""
    with suppress(queue.Empty):
        event = events.get(timeout=seconds)
        while event == "look":
            event = events.get_nowait()
        return event
    return "look"


def _cut_off() -> None:
    """End the process although a run is in progress.

    Without unwinding: the interpreter would wait for, or crash into, the threads of DuckDB.
    """
    logger.warning("the run did not leave in time and is cut off; the next one resumes it")
    os._exit(int(ExitCode.IN_SYNC))
