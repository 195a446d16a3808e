"""Where the runs of a flow are performed: here, or ordered from somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from zvirka.reconcile.request import Request, Summary
from zvirka.service.background_task import Background, Ending
from zvirka.service.watchdog import Pulse
from zvirka.settings.model import Settings

Runner = Callable[[Settings, Request, Pulse], Summary]
"""Performs one run and returns when it has ended; the pulse is its progress and its stop."""


class FlowRuns(Protocol):
    """The runs of one flow, one at a time."""

    @property
    def busy(self) -> bool:
        """Whether a run is under way or its result was not yet taken."""
        ...

    def begin(self, settings: Settings, request: Request, pulse: Pulse) -> None:
        """Begin a run; only when not busy."""
        ...

    def take(self) -> Ending[Summary] | None:
        """The result of the run, once; ``None`` while it goes on or if there was none."""
        ...


RunsOf = Callable[[str, Callable[[], None]], FlowRuns]
"""Makes the :class:`FlowRuns` of a flow by its name; the function is called when a run has ended.
"""


class RunsHere:
    """:class:`FlowRuns` performed by this process, beside its loop."""

    def __init__(self, runner: Runner, task: Background[Summary]) -> None:
        self._runner = runner
        self._task = task

    @property
    def busy(self) -> bool:
        """Whether a run is under way or its result was not yet taken."""
        return self._task.busy

    def begin(self, settings: Settings, request: Request, pulse: Pulse) -> None:
        """Begin a run; only when not busy."""
        self._task.begin(lambda: self._runner(settings, request, pulse))

    def take(self) -> Ending[Summary] | None:
        """The result of the run, once."""
        return self._task.take()
