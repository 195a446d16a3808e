"""One reconciliation in a process of its own that kills itself at a named step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
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


def reconcile(raw: str, step: str, occurrence: int) -> None:
    """Reconcile; at the step's occurrence SIGKILL leaves nothing flushed, closed or rolled back.

    Args:
        raw: the settings as JSON.
        step: one of :data:`STEPS`.
        occurrence: at which passing of the step, from 1.
    """
    settings = Settings.model_validate_json(raw)
    die_at(step, occurrence)
    with open_environment(settings, mapping_of(settings)) as environment:
        perform(environment, Request(who="doomed"))
