"""Background tasks of the daemon's loop: one at a time, its result collected by the loop."""

from __future__ import annotations

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


class Threaded(Generic[T]):
    """A thread for each task.

    The threads are daemonic: a run that hangs must not keep the process from ending, and a run
    that is cut off is resumed like after a crash.

    Args:
        name: names the threads.
        wake: called when a task has ended.
    """

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self._name = name
        self._wake = wake
        self._thread: threading.Thread | None = None
        self._ending: Ending[T] | None = None

    @property
    def busy(self) -> bool:
        """Whether a task is running or its result was not yet taken."""
        return self._thread is not None

    def begin(self, work: Callable[[], T]) -> None:
        """Start a task; only when not busy."""

        def body() -> None:
            try:
                self._ending = Ending(value=work())
            except BaseException as error:
                self._ending = Ending(error=error)
            self._wake()

        self._ending = None
        self._thread = threading.Thread(target=body, name=self._name, daemon=True)
        self._thread.start()

    def take(self) -> Ending[T] | None:
        """The result of the task, once."""
        ending = self._ending
        if ending is not None:
            self._ending = self._thread = None
        return ending
