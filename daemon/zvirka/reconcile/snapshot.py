"""What a run has read of 1C, by type: only a complete snapshot can prove absence."""

from __future__ import annotations

import msgspec


class CompleteSnapshot(msgspec.Struct, frozen=True):
    """Every counterparty in scope was read: counts before and after equal the distinct keys.

    ``rows`` is that number.
    """

    rows: int


class PartialSnapshot(msgspec.Struct, frozen=True):
    """Something was, or may have been, left out; ``reasons`` say what, a sentence each."""

    rows: int
    reasons: tuple[str, ...]


class NamedOnly(msgspec.Struct, frozen=True):
    """Nothing was pulled: 1C is asked about each named counterparty, by Ref_Key and by key."""


Snapshot = CompleteSnapshot | PartialSnapshot
AbsenceBasis = CompleteSnapshot | NamedOnly
"""What an absence can be concluded from, once 1C has answered for that very counterparty."""


class Absence(msgspec.Struct, frozen=True):
    """Proof that a client's counterparty is not in 1C, under no Ref_Key and no key of it.

    ``asked_for`` says what 1C was asked for in this run.
    """

    asked_for: str


class Unproven(msgspec.Struct, frozen=True):
    """Why an absence is not proven; ``postponed``: 1C is asked when the run is approved."""

    reason: str
    postponed: bool = False


def judged(rows: int, reasons: list[str]) -> Snapshot:
    """The snapshot for a number of rows and the reasons, if any, to doubt it."""
    return PartialSnapshot(rows, tuple(reasons)) if reasons else CompleteSnapshot(rows)


def doubted(snapshot: Snapshot, reason: str) -> PartialSnapshot:
    """The snapshot with one more reason to doubt it."""
    before = snapshot.reasons if isinstance(snapshot, PartialSnapshot) else ()
    return PartialSnapshot(snapshot.rows, (*before, reason))
