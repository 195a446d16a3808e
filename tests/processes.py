"""Child processes for tests that kill one, forked from a server that has imported zvirka already.

A fresh interpreter spends two seconds on imports; a fork has them. The server itself runs no test
code, so a child starts without threads, connections or locks of the test.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "zvirka.cli.app",
        "zvirka.reconcile.run",
        "zvirka.erp.sql.writer",
        "zvirka.receiver.run_receiver",
    ]
)


def start(target: Callable[..., Any], *given: Any) -> BaseProcess:
    """Start a child that calls a function of a module with values that can be pickled."""
    process = _CONTEXT.Process(target=target, args=given, daemon=True)
    process.start()
    return process


def ended(target: Callable[..., Any], *given: Any, within: float = 100) -> int:
    """Run a child to its end; its exit code, or the negated signal that killed it.

    Raises:
        TimeoutError: it has not ended within that many seconds.
    """
    process = start(target, *given)
    process.join(within)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"the child did not end within {within} s")
    return process.exitcode
