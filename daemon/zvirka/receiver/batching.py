"""Group commit: waiting messages are taken in as one batch and answered once they are on disk.

One task hands batches to one thread, so :class:`Ingest` needs no locks and the event loop goes on
reading requests while a batch is being written. Under load batches grow; waiting times do not.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from loguru import logger

from zvirka.errors import ZvirkaError
from zvirka.message import Message, coded
from zvirka.receiver.earlier_messages import IngestResult
from zvirka.receiver.payload import WebhookMessage

BATCH = 256
"""Messages of one transaction at most."""
WAITING = 4096
"""Messages that may wait; more are turned away, to come again later."""
LOOK_SECONDS = 5.0
"""How often the databases are looked at after a batch could not be taken in."""


Draw = Callable[[], Sequence[WebhookMessage]]
"""Gives the messages of a batch, once."""


class Taker(Protocol):
    """What takes a batch in, e.g. a :class:`zvirka.receiver.ingest.Ingest`."""

    def take_drawn(self, draw: Draw) -> list[IngestResult]:
        """Take a batch in; see :meth:`zvirka.receiver.ingest.Ingest.take_drawn`."""
        ...

    def look(self) -> None:
        """Whether a batch could be taken in; see :meth:`zvirka.receiver.ingest.Ingest.look`."""
        ...


class BusyError(Exception):
    """Too many messages are waiting, or the receiver is about to stop."""


Waiting = tuple[WebhookMessage, asyncio.Future[IngestResult]]


class Batcher:
    """The queue before :class:`Ingest`, as an asynchronous context manager.

    Leaving it empties the queue.
    """

    def __init__(self, ingest: Taker, *, on_taken: Callable[[int], None] | None = None) -> None:
        self._ingest = ingest
        self._on_taken = on_taken
        self._queue: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="zvirka-ingest")
        self._worker: asyncio.Task[None] | None = None
        self.trouble = ""
        """Why the last batch was not taken in; empty when it was."""

    async def __aenter__(self) -> Batcher:
        self._worker = asyncio.create_task(self._work(), name="zvirka-intake")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._closing = True
        self._arrived.set()
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn."""
        return len(self._queue)

    async def submit(self, message: WebhookMessage) -> IngestResult:
        """Wait until the message is taken in durably, and return its result.

        Raises:
            BusyError: it was not taken in; it may come again.
            ZvirkaError: a database cannot be used; it may come again.
        """
        if self._closing or len(self._queue) >= WAITING:
            raise BusyError
        future: asyncio.Future[IngestResult] = asyncio.get_running_loop().create_future()
        self._queue.append((message, future))
        self._arrived.set()
        return await future

    async def _work(self) -> None:
        while True:
            await self._arrival()
            while self._queue:
                await self._take(self._queue)
            if self._closing:
                return

    async def _arrival(self) -> None:
        """Wait for messages.

        In trouble, look whether it is over: a load balancer that asks for our health sends no
        messages until then.
        """
        while not self._arrived.is_set():
            try:
                await asyncio.wait_for(self._arrived.wait(), LOOK_SECONDS if self.trouble else None)
            except TimeoutError:
                await self._look()
        self._arrived.clear()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._ingest.look)
        except ZvirkaError as error:
            self.trouble = error.cause
        except Exception as error:
            self.trouble = _unexpected(error).cause
        else:
            self.trouble = ""
            logger.info("webhooks can be taken in again")

    async def _take(self, source: deque[Waiting]) -> None:
        """Take in a batch of what waits in ``source``.

        It is drawn in the thread once that may write: what came while another receiver had its
        turn is in it, too. The event loop only appends meanwhile.
        """
        batch: list[Waiting] = []

        def draw() -> list[WebhookMessage]:
            batch.extend(source.popleft() for _ in range(min(BATCH, len(source))))
            return [message for message, _ in batch]

        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._thread, self._ingest.take_drawn, draw)
        except ZvirkaError as error:
            if not batch:  # there was no turn
                draw()
            self._refuse(batch, error)
            return
        except Exception as error:
            if len(batch) <= 1:
                self._refuse(batch or [source.popleft()], _unexpected(error))
                return
            # One message broke the batch: take each alone, so that the others succeed.
            for single in batch:
                await self._take(deque([single]))
            return
        self.trouble = ""
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
        if self._on_taken is not None:
            self._on_taken(len(batch))

    def _refuse(self, batch: list[Waiting], error: ZvirkaError) -> None:
        self.trouble = error.cause
        logger.error(
            "webhooks not taken in", messages=len(batch), cause=error.cause, place=error.place
        )
        for _, future in batch:
            if not future.done():
                future.set_exception(error)


def _unexpected(error: Exception) -> ZvirkaError:
    """An unexpected error by type and place only; its text may hold values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return ZvirkaError(
        coded(
            "ZV5502",
            "the message could not be taken in ({kind})",
            kind=type(error).__name__,
        ),
        place=f"{Path(frame.filename).name}:{frame.lineno}",
        remedy=Message("this is an error in zvirka: report it with its place"),
    )
