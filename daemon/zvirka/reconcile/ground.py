"""What the phases of one run share once both sides are staged."""

from __future__ import annotations

from dataclasses import dataclass, field

from zvirka.counterparty import Difference, Disposition
from zvirka.erp.store import Store
from zvirka.journal.facts import Facts
from zvirka.journal.memory import Standing
from zvirka.mapping import Mapping
from zvirka.onec.source import Source
from zvirka.reconcile.house import House
from zvirka.reconcile.matching import Matching
from zvirka.reconcile.mirror import Mirror
from zvirka.reconcile.request import Request
from zvirka.reconcile.snapshot import Snapshot


@dataclass
class Ground:
    """One run's working set. ``standings`` are by Ref_Key, or by key where there is none."""

    house: House
    run: int
    request: Request
    facts: Facts
    source: Source
    store: Store
    mirror: Mirror
    matching: Matching
    snapshot: Snapshot
    mode: str = ""
    """How 1C was read: full, light or targeted."""
    standings: dict[str, Standing] = field(default_factory=dict)
    planned: dict[tuple[str, Disposition], int] = field(default_factory=dict)
    """Differences so far by (action, disposition)."""
    asked: set[str] = field(default_factory=set)
    """Ref_Keys and keys a targeted run is about."""
    suspected: int = 0
    """Clients absent from a partial snapshot: no evidence, so no differences."""

    @property
    def mapping(self) -> Mapping:
        """The mapping of the configuration."""
        return self.house.mapping

    @property
    def marks_count(self) -> bool:
        """Whether a deletion mark in 1C means anything to the store."""
        return self.house.settings.policy.deletion_mark != "keep"

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
