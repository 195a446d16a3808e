"""Background tasks of the daemon's loop: one at a time, its result collected by the loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ending(Generic[T]):
    """The result of a task: a value or an error."""

    value: T | None = None
    error: BaseException | None = None


class Background(Protocol[T]):
    """Where work is done; the daemon uses :class:`Threaded`, simulated nights do it at once."""

    @property
    def busy(self) -> bool:
        """Whether a task is running or its result was not yet taken."""
        ...

    def begin(self, work: Callable[[], T]) -> None:
        """Start a task; only when not busy."""
        ...

    def take(self) -> Ending[T] | None:
        """The result of the task, once; ``None`` while it runs or if there was none."""
        ...


Start = Callable[[Callable[[], None]], None]
"""Has a function called in another thread."""


class Threaded(Generic[T]):
    """:class:`Background` in other threads: one for each task, or those of a pool.

    Args:
        start: has a task done.
        wake: called when a task has ended.
    """

    def __init__(self, start: Start, wake: Callable[[], None]) -> None:
        self._start = start
        self._wake = wake
        self._ending: Ending[T] | None = None
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether a task is running or its result was not yet taken."""
        return self._busy

    def begin(self, work: Callable[[], T]) -> None:
        """Start a task; only when not busy."""

        def body() -> None:
            try:
                self._ending = Ending(value=work())
            except BaseException as error:
                self._ending = Ending(error=error)
            self._wake()

        self._ending, self._busy = None, True
        self._start(body)

    def take(self) -> Ending[T] | None:
        """The result of the task, once."""
        ending = self._ending
        if ending is not None:
            self._ending, self._busy = None, False
        return ending


def own_thread(name: str) -> Start:
    """A thread of that name for each task.

    It is daemonic: a run that hangs must not keep the process from ending, and a run that is cut
    off is resumed like after a crash.
    """

    def start(body: Callable[[], None]) -> None:
        threading.Thread(target=body, name=name, daemon=True).start()

    return start


def thread_pool(name: str, size: int) -> Start:
    """So many daemonic threads for all tasks, which wait for one."""
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            waiting.get()()

    for number in range(size):
        threading.Thread(target=work, name=f"{name}-{number}", daemon=True).start()
    return waiting.put
