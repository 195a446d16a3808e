"""What one run saw, besides its differences: the typed content of ``RunRow.facts``.

The reconciliation fills it, phase by phase; the report, the metrics and the alerts read it.
Times are ISO 8601 UTC texts. No personal data.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class FieldFact(msgspec.Struct, frozen=True):
    """How one field was compared: its name, where 1C keeps it in words, the comparison."""

    field: str
    source: str
    compare: str


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that held something.

    ``limit`` is the setting or rule (``max_deletes``, ``max_change_share``, ``shrink_share``,
    ``fingerprint``, ``first_run``), ``what`` is ``deletes`` or ``all``. ``found`` stands in
    ``relation`` to ``allowed``: counts, or shares from 0 to 1 where the limit is a share of
    deletes or changes; ``None`` for a rule without numbers. Journals of zvirka 0.1 hold counts as
    texts, without the relation.
    """

    limit: str
    what: str
    found: int | float | str | None = None
    relation: Literal[">", "<", ""] = ""
    allowed: int | float | str | None = None


class Facts(msgspec.Struct, kw_only=True):
    """Everything a reader of the report wants to know of the circumstances."""

    base: str = ""
    """The publication's URL, without credentials."""
    store: str = ""
    catalog: str = ""
    key: str = ""
    scope: str = ""
    writer: str = ""
    deletion_mark: str = ""
    fields: list[FieldFact] = []
    snapshot_from: str = ""
    snapshot_to: str = ""
    complete: bool = False
    incomplete_because: list[str] = []
    source_count_before: int = 0
    source_count_after: int = 0
    source_rows: int = 0
    store_rows: int = 0
    store_active: int = 0
    fetched: int = 0
    """Counterparties fetched whole: all of them in a full pull, the changed ones in a light one."""
    requests: int = 0
    bytes: int = 0
    retries: int = 0
    held: list[Hold] = []
    targets: list[str] = []
    """What a targeted run was asked for: «code 000123», «ref …»."""
    recovered: list[str] = []
    """Intents of an interrupted run this run settled, a sentence each."""
    changed_meanwhile: int = 0
    """Differences of an approved plan that are no longer identical."""
    pruned: list[int] = []
    """Runs whose personal values this run removed."""
    pruned_receipts: int = 0
    """The last receipt that has lost its personal values; 0 when none has."""
    warnings: list[str] = []
    causes: dict[str, int] = {}
    """Differences by cause, settled ones left out."""
    kinds: dict[str, int] = {}
    actions: dict[str, int] = {}
    """Differences by the action that would settle them."""
    outcomes: dict[str, int] = {}
    """Corrections by final state."""
    remaining: int = 0
    """Differences left after the run."""
    seconds: dict[str, float] = {}
    """Wall time by phase."""
