"""Work beside the loop that answers systemd: one piece at a time, its end taken up by the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ending(Generic[T]):
    """How a piece of work ended: with a value or with an error."""

    value: T | None = None
    error: BaseException | None = None


class Background(Protocol[T]):
    """Where work is done; the daemon uses :class:`Threaded`, simulated nights do it at once."""

    @property
    def busy(self) -> bool:
        """Whether a piece of work is going on or its end not yet taken."""
        ...

    def begin(self, work: Callable[[], T]) -> None:
        """Begin a piece of work; only when not busy."""
        ...

    def take(self) -> Ending[T] | None:
        """The end of the work, once; ``None`` while it goes on or when there was none."""
        ...


class Threaded(Generic[T]):
    """A thread for each piece of work.

    The threads are daemonic: a run that hangs must not keep the process from ending, and a run
    that is cut off is resumed like after a crash.

    Args:
        name: names the threads.
        wake: called when a piece of work has ended.
    """

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self._name = name
        self._wake = wake
        self._thread: threading.Thread | None = None
        self._ending: Ending[T] | None = None

    @property
    def busy(self) -> bool:
        """Whether a piece of work is going on or its end not yet taken."""
        return self._thread is not None

    def begin(self, work: Callable[[], T]) -> None:
        """Begin a piece of work; only when not busy."""

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
        """The end of the work, once."""
        ending = self._ending
        if ending is not None:
            self._ending = self._thread = None
        return ending
