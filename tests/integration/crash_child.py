"""One reconciliation in a process of its own that kills itself at a named step.

``python -m tests.integration.crash_child SETTINGS.json STEP OCCURRENCE``: STEP is one of
:data:`STEPS`; at its OCCURRENCE-th passing the process sends itself SIGKILL, so nothing is flushed,
closed or rolled back by it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zvirka.erp.sql.writer import SqlWriter
from zvirka.journal.journal import Journal
from zvirka.reconcile.environment import open_environment
from zvirka.reconcile.request import Request
from zvirka.reconcile.run import perform
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

STEPS: dict[str, tuple[Any, str, str]] = {
    "before the intent": (Journal, "intend", "before"),
    "after the intent": (Journal, "intend", "after"),
    "before the store's transaction": (SqlWriter, "_commit", "before"),
    "after the store's transaction": (SqlWriter, "_commit", "after"),
    "before the outcome": (Journal, "settle", "before"),
    "after the outcome": (Journal, "settle", "after"),
    "while verifying": (Journal, "update_differences", "before"),
    "before the end": (Journal, "finish", "before"),
    "after the end": (Journal, "finish", "after"),
}


def die_at(step: str, occurrence: int) -> None:
    """Arm the step."""
    owner, name, when = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    passed = 0

    def wrapped(*given: Any, **named: Any) -> Any:
        nonlocal passed
        passed += 1
        if passed == occurrence and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*given, **named)
        if isinstance(result, Iterator):
            result = list(result)
        if passed == occurrence:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


def main() -> None:
    """Reconcile, and die on the way."""
    file, step, occurrence = sys.argv[1:]
    settings = Settings.model_validate(json.loads(Path(file).read_text(encoding="utf-8")))
    die_at(step, int(occurrence))
    with open_environment(settings, mapping_of(settings)) as environment:
        perform(environment, Request(who="doomed"))
    print("survived")


if __name__ == "__main__":
    main()
