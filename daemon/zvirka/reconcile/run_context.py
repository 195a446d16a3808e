"""What the phases of one run share once both sides are staged."""

from __future__ import annotations

from dataclasses import dataclass, field

from zvirka.domain import Difference, Disposition
from zvirka.erp.protocol import Store
from zvirka.journal.run_facts import Facts
from zvirka.journal.suppressions import Suppression
from zvirka.journal.tables import RunRow
from zvirka.mapping import Mapping
from zvirka.onec.protocol import Source
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request
from zvirka.reconcile.snapshot import Snapshot
from zvirka.staging.candidates import Candidates
from zvirka.staging.source_mirror import SourceMirror


@dataclass
class RunContext:
    """One run's working set. ``standings`` are by Ref_Key, or by key where there is none."""

    environment: Environment
    run: int
    request: Request
    facts: Facts
    source: Source
    store: Store
    mirror: SourceMirror
    matching: Candidates
    snapshot: Snapshot
    mode: str = ""
    """How 1C was read: full, light or targeted."""
    standings: dict[str, Suppression] = field(default_factory=dict)
    planned: dict[tuple[str, Disposition], int] = field(default_factory=dict)
    """Differences so far by (action, disposition)."""
    rejections: dict[int, RunRow] = field(default_factory=dict)
    """Runs that rejected something, read when a difference names them."""
    asked: set[str] = field(default_factory=set)
    """Ref_Keys and keys a targeted run is about."""
    suspected: int = 0
    """Clients absent from a partial snapshot: no evidence, so no differences."""

    @property
    def mapping(self) -> Mapping:
        """The mapping of the configuration."""
        return self.environment.mapping

    @property
    def marks_count(self) -> bool:
        """Whether a deletion mark in 1C means anything to the store."""
        return self.environment.settings.policy.deletion_mark != "keep"

    @property
    def targeted(self) -> bool:
        """Whether the run is about named counterparties only."""
        return self.request.command == "resync" and not self.request.targets.everything

    @property
    def insists(self) -> bool:
        """Whether somebody asked to try again what was given up or undone."""
        return self.request.command == "resync" and self.request.trigger != "feed"

    def plan(self, difference: Difference) -> None:
        """Count a difference by what would settle it."""
        place = (str(difference.action or ""), difference.disposition)
        self.planned[place] = self.planned.get(place, 0) + 1
