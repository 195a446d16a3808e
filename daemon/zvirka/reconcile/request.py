"""The interface of :mod:`zvirka.reconcile`: the request for a run and its summary.

Every trigger (schedule, timer, command line, web page) passes a :class:`Request` to
:func:`zvirka.reconcile.run.perform`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec

from zvirka.domain import Command, RunStatus, Trigger
from zvirka.journal.run_facts import Hold


class Targets(msgspec.Struct, frozen=True):
    """The counterparties a resync, undo or rejection is about; ``everything``: all of them."""

    codes: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    tax_ids: tuple[str, ...] = ()
    everything: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One run to perform.

    ``who`` asked (a login or unit name) and ``reason`` go to the journal. ``parent`` is the held
    run approved or rejected, or the run undone; ``digest`` the plan digest the approver saw
    (empty: that of the held run). ``targets`` also narrows an undo, an approval or a
    rejection, which with ``for_good`` lasts until a resync by name. ``until`` is the last day of a
    suppression, ``None`` for no end. ``wait`` is how many seconds
    to wait for the lock: 0 not at all, ``None`` for ever. ``full`` forces a full pull.
    """

    command: Command = Command.RECONCILE
    trigger: Trigger = Trigger.MANUAL
    who: str
    reason: str = ""
    targets: Targets = Targets()
    parent: int | None = None
    digest: str = ""
    for_good: bool = False
    until: date | None = None
    full: bool = False
    wait: float | None = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, for the terminal, alerts and metrics; the journal has the details.

    ``parent`` is the run it answers. ``causes``, ``actions`` and ``outcomes`` as in
    :class:`zvirka.journal.run_facts.Facts`: ``None`` when the run did not compare.
    ``waiting`` of the differences that remain wait for a row of another flow.
    ``error`` is cause, place and remedy of a failed run,
    ``kind`` the class of its error, ``passing`` whether trying again can help.
    """

    run: int
    command: Command
    status: RunStatus
    exit_code: int
    parent: int | None = None
    causes: dict[str, int] | None = None
    actions: dict[str, int] | None = None
    outcomes: dict[str, int] | None = None
    held: tuple[Hold, ...] = ()
    remaining: int | None = None
    waiting: int = 0
    plan_digest: str = ""
    reports: tuple[Path, ...] = ()
    error: str = ""
    kind: str = ""
    passing: bool = False
    seconds: float = 0.0


class Progress(Protocol):
    """Receives the progress of a run. Called often: must be cheap and must not raise."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins; ``total`` units are expected when known."""
        ...

    def advance(self, units: int) -> None:
        """Count ``units`` more of the phase as done."""
        ...

    def done(self) -> None:
        """The run has ended, successfully or not."""
        ...


class Silence:
    """A :class:`Progress` that says nothing."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, units: int) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""
