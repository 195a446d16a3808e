"""Progress bars with rates on a terminal; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class TerminalProgress:
    """A :class:`zvirka.reconcile.request.Progress` that draws a bar for each phase.

    It is silent when the stream is not a terminal, so that logs and pipes stay clean.

    Args:
        stream: usually standard error.
        name_of: gives the words for a phase.
        per_second: gives the words for a rate.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        name_of: Callable[[str], str] = str,
        per_second: Callable[[float], str] = "{:,.0f}/s".format,
    ) -> None:
        self._name_of = name_of
        self._task: TaskID | None = None
        self._bars: Progress | None = None
        self.begun = False
        """Whether a run has begun."""
        if stream.isatty():
            self._bars = Progress(
                SpinnerColumn(finished_text="✓"),
                TextColumn("{task.description}"),
                BarColumn(),
                _Count(),
                _Rate(per_second),
                TimeElapsedColumn(),
                console=Console(file=stream),
                # Log lines are drawn above the bars; results on standard output are left alone.
                redirect_stdout=False,
            )

    def phase(self, name: str, total: int | None = None) -> None:
        """Begin a phase; the previous one is over."""
        self.begun = True
        if self._bars is None:
            return
        self._bars.start()
        self._finish()
        self._task = self._bars.add_task(self._name_of(name), total=total, units=None)

    def advance(self, units: int) -> None:
        """Count units of the phase as done."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, units)

    def done(self) -> None:
        """End the run: the bars stay, the cursor moves below them."""
        if self._bars is not None:
            self._finish()
            self._bars.stop()

    def _finish(self) -> None:
        if self._bars is not None and self._task is not None:
            units = self._bars.tasks[self._task].completed
            # A phase without units is a full bar as well, and counts nothing.
            full = max(units, 1)
            self._bars.update(self._task, total=full, completed=full, units=units)
            self._bars.stop_task(self._task)
            self._task = None


class _Count(ProgressColumn):
    """Units done, of how many when that is known."""

    def render(self, task: Task) -> Text:
        units = task.completed if task.fields["units"] is None else task.fields["units"]
        if not units:
            return Text("")
        total = f"/{int(task.total)}" if task.total is not None else ""
        return Text(f"{int(units)}{total}")


class _Rate(ProgressColumn):
    """Units a second, over the whole phase once it is finished."""

    def __init__(self, words: Callable[[float], str]) -> None:
        super().__init__()
        self._words = words

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        units = task.completed if task.fields["units"] is None else task.fields["units"]
        return Text(self._words(speed) if speed and units > 1 else "", style="cyan")
