"""A process that dies at a step of its own: between any two writes to the journal or the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

STEPS = (
    *("begin", "add_differences", "update_differences", "hold", "intend", "settle", "finish"),
    *("save_facts", "set_phase", "put_suppressions", "drop_suppressions"),
    *("put_pairings", "drop_pairings"),
)
"""What a run does to the journal, and may die at."""


class Killed(BaseException):
    """The process is gone: nothing it would still have done is done."""


class Doom:
    """Lets a process live for so many steps of journal and writer; then none is taken any more."""

    def __init__(self, steps: int, meanwhile: Callable[[], None] | None = None) -> None:
        self.left = steps
        self._meanwhile = meanwhile

    def step(self) -> None:
        self.left -= 1
        if self._meanwhile is None and self.left < 0:
            raise Killed
        if self._meanwhile is not None and self.left == 0:
            self._meanwhile()

    def over(self, owner: Any, names: Sequence[str]) -> Any:
        """The object, its named methods counted before and after."""
        doom = self

        class Doomed:
            def __getattr__(self, name: str) -> Any:
                found = getattr(owner, name)
                if name not in names:
                    return found

                def stepped(*given: Any, **named: Any) -> Any:
                    doom.step()
                    done = found(*given, **named)
                    doom.step()
                    return done

                return stepped

        return Doomed()

    def writer(self, opened: Any) -> Any:
        """A writer that may die before and after each of its transactions."""
        opened._commit = self.over(opened, ["_commit"])._commit
        return opened
