"""What is asked of a run, and what it answers: the door of :mod:`zvirka.reconcile`.

Every trigger (nightly, timer, manual, web page, approval, undo) makes a :class:`Request` and
hands it to :func:`zvirka.reconcile.run.perform`; there is no other path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import msgspec

from zvirka.journal.run_facts import Hold

Command = Literal["reconcile", "plan", "resync", "approve", "reject", "undo"]


class Targets(msgspec.Struct, frozen=True):
    """The counterparties a resync is about; ``everything`` for all of them."""

    codes: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    tax_ids: tuple[str, ...] = ()
    everything: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One run to perform.

    ``trigger`` is ``schedule``, ``catch-up``, ``timer``, ``manual``, ``web`` or ``feed``.
    ``who`` asked (a login or unit name) and ``reason`` go to the journal. ``parent`` is the held
    run approved or rejected, or the run undone; ``digest`` the plan digest the approver saw
    (empty: that of the held run). ``targets`` also narrows an undo or a rejection, which with
    ``for_good`` lasts until a resync by name. ``wait`` is how many seconds to wait for the lock:
    0 not at all, ``None`` for ever. ``full`` forces a full pull.
    """

    command: Command = "reconcile"
    trigger: str = "manual"
    who: str
    reason: str = ""
    targets: Targets = Targets()
    parent: int | None = None
    digest: str = ""
    for_good: bool = False
    full: bool = False
    wait: float | None = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended: what a terminal, an alert or a metric needs; the journal has the rest.

    ``status``: finished, held, failed, interrupted. ``causes``, ``actions`` and ``outcomes`` as in
    :class:`zvirka.journal.run_facts.Facts`. ``error`` is cause, place and remedy of a failed run,
    ``kind`` the class of its error, ``passing`` whether trying again can help.
    """

    run: int
    command: str
    status: str
    exit_code: int
    causes: dict[str, int] = {}
    actions: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    held: tuple[Hold, ...] = ()
    remaining: int = 0
    plan_digest: str = ""
    reports: tuple[Path, ...] = ()
    error: str = ""
    kind: str = ""
    passing: bool = False
    seconds: float = 0.0


class Progress(Protocol):
    """Where a run tells how far it is. Called often; must be cheap and never raise."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins; ``total`` units are expected when known."""
        ...

    def advance(self, units: int) -> None:
        """So many more units of the phase are done."""
        ...

    def done(self) -> None:
        """The run is over, well or not."""
        ...


class Silence:
    """A :class:`Progress` that says nothing."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, units: int) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""
