"""What a pull is worth as evidence, by type: only a complete snapshot speaks of absence."""

from __future__ import annotations

import msgspec


class CompleteSnapshot(msgspec.Struct, frozen=True):
    """Every counterparty in scope was read: counts before and after equal the distinct keys.

    ``rows`` is that number. Only from this type can an absence be suspected at all.
    """

    rows: int


class PartialSnapshot(msgspec.Struct, frozen=True):
    """Something was, or may have been, left out; ``reasons`` say what, a sentence each."""

    rows: int
    reasons: tuple[str, ...]


Snapshot = CompleteSnapshot | PartialSnapshot


class Absence(msgspec.Struct, frozen=True):
    """Proof that one counterparty is not in 1C.

    A complete snapshot without it, and 1C's own answer when asked for that very key in this run;
    ``asked_for`` says how it was asked.
    """

    ref: str
    key: str
    asked_for: str


def judged(rows: int, reasons: list[str]) -> Snapshot:
    """The snapshot for a number of rows and the reasons, if any, to doubt it."""
    return PartialSnapshot(rows, tuple(reasons)) if reasons else CompleteSnapshot(rows)
