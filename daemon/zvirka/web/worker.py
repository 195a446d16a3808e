"""What an admin started: one run at a time, in a thread of its own, and how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from loguru import logger

from zvirka.errors import ZvirkaError
from zvirka.message import Message, coded
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Progress, Request, Summary
from zvirka.reconcile.run import perform


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work as it stands. Over when it has a summary or an error."""

    request: Request
    began: datetime
    phase: str = ""
    done: int = 0
    total: int | None = None
    summary: Summary | None = None
    error: ZvirkaError | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.summary is not None or self.error is not None


class Worker:
    """Performs requests in an environment, one at a time.

    Args:
        environment: its ``stop`` is set when the page is asked to stop.
        performed: what performs a request.
    """

    def __init__(
        self,
        environment: Environment,
        performed: Callable[[Environment, Request], Summary] = perform,
    ) -> None:
        self._environment = environment
        self._perform = performed
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._work: Work | None = None

    @property
    def work(self) -> Work | None:
        """The piece of work under way, or the last one."""
        return self._work

    def begin(self, request: Request) -> bool:
        """Begin a run; false when another of this page is under way."""
        with self._lock:
            if self._work is not None and not self._work.over:
                return False
            self._ended.clear()
            self._work = Work(request, self._environment.now())
            self._thread = threading.Thread(
                target=self._body, args=(request,), name="web-run", daemon=True
            )
            self._thread.start()
            return True

    def wait(self, seconds: float) -> Work | None:
        """The work, when it ends within so many seconds or however far it is by then."""
        if self._work is not None:
            self._ended.wait(seconds)
        return self._work

    def close(self, seconds: float) -> None:
        """Ask the run under way to leave at the next safe place, and wait so long for it."""
        self._environment.stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _body(self, request: Request) -> None:
        environment = replace(self._environment, progress=_WorkProgress(self._note))
        try:
            summary = self._perform(environment, request)
        except ZvirkaError as error:
            logger.warning("a run of the page was refused", cause=error.cause, who=request.who)
            self._note(error=error)
        except BaseException as error:
            logger.exception("a run of the page failed", who=request.who)
            self._note(error=_UNEXPECTED)
            if not isinstance(error, Exception):
                raise
        else:
            self._note(summary=summary)
        finally:
            self._ended.set()

    def _note(self, **news: object) -> None:
        assert self._work is not None
        self._work = replace(self._work, **news)  # type: ignore[arg-type]


class _WorkProgress(Progress):
    """Notes the progress of a run where the page reads it."""

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note
        self._done = 0

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins."""
        self._done = 0
        self._note(phase=name, done=0, total=total)

    def advance(self, units: int) -> None:
        """So many more units are done."""
        self._done += units
        self._note(done=self._done)

    def done(self) -> None:
        """The summary follows."""


_UNEXPECTED = ZvirkaError(
    coded("ZV5502", "an unexpected error ended the run"),
    place=Message("see the log"),
    remedy=Message("report it with the log; the next run settles what was under way"),
)
