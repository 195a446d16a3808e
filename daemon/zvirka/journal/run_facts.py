"""The facts of one run besides its differences: where it compared, what it counted.

The reconciliation fills them, phase by phase; reports, metrics and alerts read them. Times are
ISO 8601 UTC texts. No personal data.
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
    ``fingerprint``, ``first_run``, ``linked``), ``what`` is ``deletes``, ``linked`` (deletes of
    clients that another flow is linked to) or ``all``. ``found`` stands in ``relation`` to
    ``allowed``: counts, or shares from 0 to 1 where the limit is a share of deletes or changes;
    ``None`` for a rule without numbers. Journals of zvirka 0.1 hold counts as
    texts, without the relation.
    """

    limit: str
    what: str
    found: int | float | str | None = None
    relation: Literal[">", "<", ""] = ""
    allowed: int | float | str | None = None


class Facts(msgspec.Struct, kw_only=True):
    """The circumstances and counts of one run. A count the run did not take is ``None``."""

    flow: str = "main"
    base: str = ""
    """The publication's URL, without credentials."""
    store: str = ""
    machine: str | msgspec.UnsetType = msgspec.UNSET
    """The machine that performed the run, where runs are spread over several."""
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
    source_count_before: int | None = None
    source_count_after: int | None = None
    source_rows: int | None = None
    store_rows: int | None = None
    store_active: int | None = None
    fetched: int | None = None
    """Counterparties fetched whole: all of them in a full pull, the changed ones in a light one."""
    requests: int | None = None
    bytes: int | None = None
    retries: int | None = None
    held: list[Hold] = []
    targets: list[str] = []
    """What a targeted run was asked for: «code 000123», «ref …»."""
    recovered: list[str] = []
    """Intents of an interrupted run this run settled, a sentence each."""
    until: str = ""
    """The last day of the suppression this run has set, as an ISO date; empty for no end."""
    suppressed_until: dict[str, int] = {}
    """Differences left because a person stopped their correction, by its last day, '' for none."""
    changed_meanwhile: int = 0
    """Differences of an approved plan that are no longer identical."""
    pruned: list[int] = []
    """Runs whose personal values this run removed."""
    pruned_receipts: int = 0
    """The last receipt that has lost its personal values; 0 when none has."""
    warnings: list[str] = []
    compared: bool = False
    """Whether all differences were recorded, so that :meth:`Journal.finish` can count them."""
    causes: dict[str, int] | None = None
    """Differences by cause."""
    kinds: dict[str, int] | None = None
    actions: dict[str, int] | None = None
    """Differences by the action that would settle them."""
    outcomes: dict[str, int] | None = None
    """Differences by the outcome of the last correction tried."""
    waiting: int = 0
    """Corrections left because a row that they refer to is not in the store yet."""
    remaining: int | None = None
    """Differences left after the run (:func:`zvirka.journal.definitions.is_left`)."""
    seconds: dict[str, float] = {}
    """Wall time by phase."""

    @property
    def found(self) -> int | None:
        """Differences the run found; ``None`` when it did not count them."""
        return None if self.causes is None else sum(self.causes.values())
