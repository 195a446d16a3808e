"""``zvirka worker``: takes orders from the queue and performs each in a process of its own.

Threads cannot be aborted and processes can, so the worker itself only waits: for orders, for its
processes and for signals. What Procrastinate leaves to its users is done here: orders of workers
that died are put back (:meth:`FleetWorker._sweep`), as are those that were lost on their way to a
living one (:meth:`FleetWorker._settle_own`), and the worker connects again after the database was
away.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, Protocol

import msgspec
import psycopg
from loguru import logger
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException, JobAborted, UniqueViolation
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job, Status
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from zvirka.errors import JournalError
from zvirka.fleet.order_queue import TASK
from zvirka.fleet.orders import Order, Result, lost_run, order_from, to_json
from zvirka.fleet.queue_database import asynchronous_queue, prepare, queue_of
from zvirka.settings.model import Settings

STOP_SECONDS = 25.0
"""How long the process of a run may take to end after SIGTERM, until it is killed."""

KEPT_HOURS = 24
"""How long orders that are over are kept: they hold reasons and whom a run was about."""

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""When an order that is put back may begin: at once, whatever the clock of this machine says."""

_SWEEPING = 0x7A76_6972_7377  # «zvirsw»
_FORGET_SECONDS = 3600.0
_KEEP_SECONDS = 30.0
"""How long a worker tries to store the result of a run while the database is away."""
_CONNECTIONS = 4
_OVER = (ConnectorException, psycopg.Error, OSError)

Launch = Callable[[Order], Awaitable["RunProcess"]]
"""Starts the process of a run."""


class RunProcess(Protocol):
    """The process of a run under way."""

    async def result(self) -> Result:
        """Wait for its end; a process that ended without a word is a lost run."""
        ...

    def stop(self) -> None:
        """Ask it to end at the next safe place."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True)
class Employment:
    """What a worker takes: from which queues (``None``: all), and how many runs at once.

    ``poll`` is how often it looks for orders whose lane has become free, which nobody announces.
    """

    queues: Sequence[str] | None = None
    concurrency: int = 1
    poll: float = 1.0


class FleetWorker:
    """One worker until it is told to stop.

    Args:
        settings: of any flow of the installation.
        employment: queues and concurrency.
        launch: starts the process of a run.
    """

    def __init__(self, settings: Settings, employment: Employment, launch: Launch) -> None:
        self._settings = settings
        self._employment = employment
        self._launch = launch
        self._takeover = settings.fleet.takeover.total_seconds()
        self._stopping = asyncio.Event()
        self._worker: Worker | None = None
        self._under_way: set[int | None] = set()
        self._idle: set[int | None] = set()

    def stop(self) -> None:
        """Begin to stop: the runs under way are ended and their orders put back."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Take orders until :meth:`stop`; while the database is away, wait for it.

        Raises:
            JournalError: the queue cannot be reached at the start.
        """
        prepare(self._settings)
        first, told = True, False
        while not self._stopping.is_set():
            try:
                if not first:
                    await asyncio.to_thread(prepare, self._settings)
                told = False
                await self._work(ready if first else lambda: None)
            except (*_OVER, JournalError) as error:
                if not told:  # once, and not for every second it is away
                    logger.error("the queue cannot be used", kind=type(error).__name__)
                told = True
            first = False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)

    async def _work(self, ready: Callable[[], None]) -> None:
        """Take orders as long as the database answers."""
        connections = _CONNECTIONS + self._employment.concurrency
        app = asynchronous_queue(self._settings, connections=connections)
        app.task(name=TASK, pass_context=True, retry=_PutBack())(self._run)
        queues = self._employment.queues
        async with app.open_async():
            self._worker = Worker(
                app,
                queues=None if queues is None else [queue_of(one) for one in queues],
                concurrency=self._employment.concurrency,
                fetch_job_polling_interval=self._employment.poll,
                abort_job_polling_interval=1.0,
                shutdown_graceful_timeout=0,
                install_signal_handlers=False,
                update_heartbeat_interval=self._takeover / 4,
                stalled_worker_timeout=self._takeover,
            )
            if self._stopping.is_set():
                return
            beside = asyncio.create_task(self._look_after(app, self._worker, ready))
            try:
                await self._worker.run()  # type: ignore[no-untyped-call]
            finally:
                beside.cancel()
                with suppress(asyncio.CancelledError, *_OVER):
                    await beside

    # -- one order -------------------------------------------------------------------------------

    async def _run(self, context: JobContext, flow: str, order: dict[str, Any]) -> None:
        """Perform an order; it is put back when the worker has to stop."""
        self._under_way.add(context.job.id)
        try:
            await self._perform(context, flow, order)
        finally:
            self._under_way.discard(context.job.id)

    async def _perform(self, context: JobContext, flow: str, order: dict[str, Any]) -> None:
        job = context.job.id
        try:
            asked = order_from(order)
        except msgspec.ValidationError:
            logger.error("another version of zvirka wrote this order", job=job, flow=flow)
            await self._keep(context, lost_run("an order of another version"))
            return
        process = await self._launch(asked)
        logger.info("a run begins", job=job, flow=flow, attempt=context.job.attempts + 1)
        waiting = asyncio.ensure_future(process.result())
        try:
            result = await asyncio.shield(waiting)
        except asyncio.CancelledError:
            result = await _end(process, waiting)
            if context.abort_reason() is not AbortReason.USER_REQUEST:
                logger.info("the worker stops and puts the order back", job=job, flow=flow)
                raise _Handover from None
            await self._keep(context, result)
            raise JobAborted from None
        logger.info("a run has ended", job=job, flow=flow)
        await self._keep(context, result)

    async def _keep(self, context: JobContext, result: Result) -> None:
        async for attempt in AsyncRetrying(
            stop=stop_after_delay(_KEEP_SECONDS),
            wait=wait_fixed(1.0),
            retry=retry_if_exception_type(_OVER),
            reraise=True,
        ):
            with attempt:
                await context.app.connector.execute_query_async(
                    _KEEP, job=context.job.id, place=socket.gethostname(), content=to_json(result)
                )

    # -- beside the orders -----------------------------------------------------------------------

    async def _look_after(self, app: App, worker: Worker, ready: Callable[[], None]) -> None:
        """Say who the worker is; settle what nobody performs; forget what is long over."""
        while worker.worker_id is None:
            await asyncio.sleep(0.02)
        introduced, forgotten = False, float("-inf")
        while True:
            try:
                await self._introduce(app, worker)
                if not introduced:
                    introduced = True
                    ready()
                await self._sweep(app)
                await self._settle_own(app, worker.worker_id)
                if time.monotonic() - forgotten > _FORGET_SECONDS:
                    await app.job_manager.delete_old_jobs(
                        nb_hours=KEPT_HOURS,
                        include_failed=True,
                        include_cancelled=True,
                        include_aborted=True,
                    )
                    forgotten = time.monotonic()
            except _OVER as error:
                # The worker may outlive it, and must not go on without looking.
                logger.warning("the queue was not looked after", kind=type(error).__name__)
            await asyncio.sleep(self._takeover / 4)

    async def _introduce(self, app: App, worker: Worker) -> None:
        await app.connector.execute_query_async(
            _INTRODUCE,
            id=worker.worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=list(worker.queues) if worker.queues is not None else None,
            concurrency=self._employment.concurrency,
        )

    async def _sweep(self, app: App) -> None:
        """Put the orders of dead workers back into the queue.

        One worker does it at a time: a second one would put back what a third has just taken.
        """
        connector = app.connector
        assert isinstance(connector, PsycopgConnector)
        async with connector.pool.connection() as alone:
            taken = await alone.execute("SELECT pg_try_advisory_xact_lock(%s)", (_SWEEPING,))
            if await taken.fetchone() != (True,):
                return
            stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=self._takeover)
            for job in stalled:
                logger.warning("a worker died; its order is settled", job=job.id, lane=job.lock)
                await self._settle(app, job)

    async def _settle_own(self, app: App, worker: int) -> None:
        """Settle orders that count as this worker's and that it does not perform.

        The connection was lost after such an order was taken, or before its end was noted.
        Procrastinate leaves it, and its lane, as long as the worker lives. Between two steps of an
        order there are such moments too: only one that is found twice is settled.
        """
        jobs = await app.job_manager.list_jobs_async(status="doing", worker_id=worker)
        idle = [job for job in jobs if job.id not in self._under_way]
        for job in idle:
            if job.id in self._idle:
                logger.warning("an order got lost; it is settled", job=job.id, lane=job.lock)
                await self._settle(app, job)
        self._idle = {job.id for job in idle}

    async def _settle(self, app: App, job: Job) -> None:
        """Put an order that nobody performs back into the queue, unless it has its result."""
        kept = await app.connector.execute_query_all_async(_RESULT, job=job.id)
        try:
            if kept:
                await app.job_manager.finish_job(job, status=Status.SUCCEEDED, delete_job=False)
                return
            await app.job_manager.retry_job(job, retry_at=_LONG_AGO)
        except UniqueViolation:
            # The same night was ordered again in between. Left as it is, it would block its lane.
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)


_KEEP: LiteralString = """
    INSERT INTO fleet_results(job, place, content)
    VALUES (%(job)s, %(place)s, %(content)s)
    ON CONFLICT (job) DO UPDATE
    SET place = EXCLUDED.place, content = EXCLUDED.content, ended = now()
"""
_RESULT: LiteralString = "SELECT job FROM fleet_results WHERE job = %(job)s"
_INTRODUCE: LiteralString = """
    INSERT INTO fleet_workers(id, host, pid, queues, concurrency)
    VALUES (%(id)s, %(host)s, %(pid)s, %(queues)s, %(concurrency)s)
    ON CONFLICT (id) DO NOTHING
"""


class _Handover(Exception):  # noqa: N818 - it says what happens to the order
    """The worker stops; another one performs the order."""


class _PutBack(BaseRetryStrategy):
    """Only an order whose worker stops is tried again: a failed run is for the night to judge."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """At once, or not at all."""
        del job
        return RetryDecision(retry_at=_LONG_AGO) if isinstance(exception, _Handover) else None


async def _end(process: RunProcess, waiting: asyncio.Future[Result]) -> Result:
    process.stop()
    try:
        return await asyncio.wait_for(asyncio.shield(waiting), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        return await waiting


def stop_at_signals(worker: FleetWorker) -> None:
    """Let SIGTERM and SIGINT stop the worker of this event loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
