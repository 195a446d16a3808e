"""Prefetching iterators: the next page is requested while the last one is processed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_PATIENCE = 2.0
"""Seconds to wait for the current request when no more items are needed."""


class _End:
    """The end of one source, with the error that ended it if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetch(Generic[T]):
    """Runs iterators one item ahead, each in a background thread of its own.

    For 1C that makes two requests at a time, as many as it should get: one source and the
    caller's own, or two sources. The first error of any source is raised in the caller's turn and
    ends them all. Closing it stops the threads after the items they are at.

    ``meanwhile`` is called while the first items are being requested.
    """

    def __init__(
        self, *sources: Iterator[T], meanwhile: Callable[[], object] | None = None
    ) -> None:
        self._queue: queue.Queue[T | _End] = queue.Queue(maxsize=len(sources))
        self._stop = threading.Event()
        self._meanwhile = meanwhile
        self._threads = [
            threading.Thread(target=self._run, args=(each,), name="zvirka-prefetch", daemon=True)
            for each in sources
        ]

    def __iter__(self) -> Iterator[T]:
        """The items, those of one source in their order."""
        for thread in self._threads:
            thread.start()
        try:
            if self._meanwhile is not None:
                self._meanwhile()
            running = len(self._threads)
            while running:
                item = self._queue.get()
                if not isinstance(item, _End):
                    yield item
                    continue
                if item.error is not None:
                    raise item.error
                running -= 1
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(_PATIENCE)

    def _run(self, source: Iterator[T]) -> None:
        end = _End()
        try:
            for item in source:
                self._put(item)
                if self._stop.is_set():
                    break
        except BaseException as error:
            end = _End(error)
        self._put(end)

    def _put(self, item: T | _End) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return


def prefetch(*sources: Iterator[T], meanwhile: Callable[[], object] | None = None) -> Iterator[T]:
    """Return the items of the sources, requesting the next while the last is processed."""
    return iter(Prefetch(*sources, meanwhile=meanwhile))
