"""Signals: the exit codes they lead to, and how Ctrl+C and SIGTERM end a run.

The first signal ends the run at the next safe place, the second one at once. If there is no safe
place within some seconds, as while 1C does not answer, the first signal then counts as the second.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a command that a person interrupted, as shells have it."""

OUTPUT_CLOSED = 128 + signal.SIGPIPE
"""The exit code when the reader of standard output went away, as shells have it."""

GRACE_SECONDS = 10.0
"""How long a run may take to the next safe place: with closing the session it stays below 20 s."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class GracefulStop:
    """Turns the signals into a request to stop while its block runs.

    A run that was asked to stop ends as *interrupted*, with its report; nothing it did is lost.
    After SIGTERM the process then ends itself by the same signal, which systemd does not count as
    a failure.

    Args:
        stop: set at the first signal.
        begun: whether a run has begun that checks ``stop``; waiting for a lock ends at once.
        words: written to standard error at the first signal.
        grace: seconds to the next safe place.
    """

    def __init__(
        self,
        stop: threading.Event,
        begun: Callable[[], bool],
        words: str,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._grace = grace
        self._stop = stop
        self._begun = begun
        self._words = words
        self._before: list[object] = []
        self.asked: signal.Signals | None = None

    def __enter__(self) -> GracefulStop:
        self._before = [signal.signal(number, self._take) for number in _SIGNALS]
        self._before.append(signal.signal(signal.SIGALRM, self._run_out))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, before in zip((*_SIGNALS, signal.SIGALRM), self._before, strict=True):
            signal.signal(number, before)  # type: ignore[arg-type]

    def end(self) -> None:
        """After SIGTERM, end the process by that signal; call it once the results are shown."""
        if self.asked is signal.SIGTERM:
            sys.stdout.flush()
            sys.stderr.flush()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        again = self.asked is not None
        self.asked = signal.Signals(number)
        if again or not self._begun():
            raise KeyboardInterrupt
        self._stop.set()
        signal.setitimer(signal.ITIMER_REAL, self._grace)
        # Not through sys.stderr: the signal may have interrupted a write to it.
        os.write(2, f"{self._words}\n".encode())

    def _run_out(self, _number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt
