"""The next page is on its way while the last one is processed: pages of 1C, rows of the store."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_PATIENCE = 10.0
"""Seconds to wait for the request under way when the pages are no longer wanted."""


class _End:
    """The end of the pages, with the error that ended them if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Runs an iterator one item ahead, in one background thread.

    For 1C that makes two requests at a time with the caller's own, as many as it should get. An
    error of the iterator is raised in the caller's turn. Closing it stops the thread after the
    item it is at.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.Queue[T | _End] = queue.Queue(maxsize=1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zvirka-ahead", daemon=True)

    def __iter__(self) -> Iterator[T]:
        """The items in their order."""
        self._thread.start()
        try:
            while True:
                item = self._queue.get()
                if isinstance(item, _End):
                    if item.error is not None:
                        raise item.error
                    return
                yield item
        finally:
            self._stop.set()
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        end = _End()
        try:
            for item in self._items:
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


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one on its way while the last is processed."""
    return iter(Ahead(items))
