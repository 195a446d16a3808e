"""What the phases of one run work with."""

from __future__ import annotations

from dataclasses import dataclass

from zvirka.domain import Command, Trigger
from zvirka.erp.protocol import Store
from zvirka.journal.suppressions import Suppression
from zvirka.mapping import Mapping
from zvirka.onec.protocol import Source
from zvirka.policy import Policy
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request
from zvirka.staging.candidates import Candidates
from zvirka.staging.source_mirror import SourceMirror


@dataclass(frozen=True)
class RunContext:
    """One run and everything that is open for it. Phases return what they find.

    ``suppressions`` are by Ref_Key, or by key for clients without one.
    """

    environment: Environment
    run: int
    request: Request
    source: Source
    store: Store
    mirror: SourceMirror
    matching: Candidates
    policy: Policy
    suppressions: dict[str, Suppression]

    @property
    def mapping(self) -> Mapping:
        """The mapping of the configuration."""
        return self.environment.mapping

    @property
    def targeted(self) -> bool:
        """Whether the run is about named counterparties only."""
        return self.request.command == Command.RESYNC and not self.request.targets.everything

    @property
    def insists(self) -> bool:
        """Whether a person asked to try again what was given up or undone."""
        return self.request.command == Command.RESYNC and self.request.trigger != Trigger.FEED
