"""What the journal holds, as its readers see it: runs, differences, corrections, counts."""

from __future__ import annotations

from datetime import datetime

import msgspec

from zvirka.domain import (
    Action,
    Cause,
    Command,
    Correction,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Mode,
    Outcome,
    OutcomeState,
    RunStatus,
    Trigger,
)
from zvirka.journal.run_facts import Facts


class Fault(msgspec.Struct, frozen=True):
    """Why a run failed: what went wrong, where, and what to do about it."""

    cause: str = ""
    place: str = ""
    remedy: str = ""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times are aware UTC.

    ``mode`` is ``None`` until 1C is read, ``parent`` the run approved, rejected or undone by this
    one. ``digest`` is empty while the run is not sealed. ``pruned_at`` says when retention removed
    the personal values.
    """

    id: int
    command: Command
    trigger: Trigger
    who: str
    reason: str
    status: RunStatus
    phase: str
    mode: Mode | None
    started_at: datetime
    finished_at: datetime | None
    exit_code: int | None
    parent: int | None
    fingerprint: str
    plan_digest: str
    facts: Facts
    error: Fault | None
    previous_digest: str
    digest: str
    signature: str
    pruned_at: datetime | None


class Write(msgspec.Struct, frozen=True, gc=False):
    """One correction, what became of it, and when. Times are aware UTC.

    ``settled_by`` is the run that settled it: a later one when its own died.
    """

    correction: Correction
    outcome: Outcome
    intended_at: datetime
    settled_at: datetime | None
    settled_by: int | None
    values_digest: str = ""
    digest: str = ""
    settled_digest: str = ""


class DifferenceEntry(msgspec.Struct, frozen=True):
    """One difference with the corrections tried for it, in their order."""

    difference: Difference
    writes: tuple[Write, ...] = ()
    values_digest: str = ""
    digest: str = ""


class SealRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a sealed run's digest is recomputed from, without the journal.

    ``record`` is the text the digest is taken over (:func:`zvirka.journal.digests.run_record`).
    ``salt`` goes into the digests of personal values; empty after prune. ``settled_elsewhere``
    holds id and digest of each outcome this run recorded for a correction of an earlier run.
    """

    record: str
    salt: str
    settled_elsewhere: tuple[tuple[int, str], ...]


class Tally(msgspec.Struct, frozen=True):
    """How many differences are alike; ``outcome`` is that of the last correction tried."""

    kind: Kind
    cause: Cause
    action: Action | None
    disposition: Disposition
    outcome: OutcomeState | None
    count: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The differences of a run in numbers.

    ``outcomes`` counts differences by the outcome of the last correction tried, ``remaining``
    those left (:func:`zvirka.journal.definitions.is_left`).
    """

    total: int = 0
    causes: dict[str, int] = {}
    kinds: dict[str, int] = {}
    actions: dict[str, int] = {}
    dispositions: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    remaining: int = 0


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One run's difference on one counterparty, and what became of it.

    ``fields`` says what 1C held (wanted), the store held (found) and reads back. ``outcome`` is
    ``None`` when there was no correction. After prune (``pruned``) the values are gone.
    """

    run: int
    at: datetime
    command: str
    status: str
    who: str
    kind: str
    cause: str
    key: str
    ref: str
    row: str
    action: str
    disposition: str
    fields: tuple[FieldDifference, ...] = ()
    note: str = ""
    evidence: str = ""
    outcome: str | None = None
    detail: str = ""
    settled_at: datetime | None = None
    pruned: bool = False
