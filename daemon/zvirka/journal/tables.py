"""The journal's tables: what happened, durably. SQLite by default, PostgreSQL by URL.

``table=True`` models do not validate; rows are only ever made by :mod:`zvirka.journal.book`.
Times are aware UTC. Personal values live only in the JSON columns that ``prune`` empties.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, MetaData
from sqlmodel import Field, SQLModel

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class JournalModel(SQLModel):
    """Base that keeps the journal's metadata apart from the embedded store's."""

    metadata = metadata


def _time(nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=nullable))


def _json() -> Any:
    return Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class RunRow(JournalModel, table=True):
    """One run: who or what asked for it, what it saw, how it ended.

    ``command``: reconcile, plan, resync, approve, undo. ``trigger``: schedule, manual, timer,
    catch-up, receiver. ``status``: running, finished, failed, held, approved, rejected,
    interrupted. ``mode``: full, light, targeted. ``facts`` holds counts, snapshot window, limits
    held, scope and the mapping's description (documented in report/findings). ``error`` is
    cause, place, remedy. The digest chain runs over finished reports, see journal/chain.
    """

    __tablename__ = "run"

    id: int | None = Field(default=None, primary_key=True)
    command: str
    trigger: str
    who: str
    reason: str = ""
    started_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    finished_at: datetime | None = _time()
    status: str = Field(default="running", index=True)
    phase: str = ""
    mode: str = ""
    exit_code: int | None = None
    fingerprint: str = ""
    plan_digest: str = ""
    parent: int | None = Field(default=None, description="the run approved or undone by this one")
    facts: dict[str, Any] = _json()
    error: dict[str, Any] = _json()
    previous_digest: str = ""
    digest: str = Field(default="", index=True)
    signature: str = ""
    pruned_at: datetime | None = _time()


class DifferenceRow(JournalModel, table=True):
    """One difference of one run; columns as in :class:`zvirka.counterparty.Difference`.

    ``fields`` is a list of {field, wanted, found, read_back}. ``digest`` covers the values, so
    that the chain stays verifiable after prune has removed them.
    """

    __tablename__ = "difference"

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    number: int
    kind: str
    cause: str
    key: str = Field(default="", index=True)
    ref: str = Field(default="", index=True)
    row: str = ""
    action: str = ""
    disposition: str = ""
    name: str = ""
    rows: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    fields: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False)
    )
    note: str = ""
    evidence: str = ""
    digest: str = ""


class CorrectionRow(JournalModel, table=True):
    """One correction: on disk as ``intended`` before the store is touched, settled after."""

    __tablename__ = "correction"

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    difference_id: int | None = Field(default=None, foreign_key="difference.id", index=True)
    action: str
    key: str = Field(default="", index=True)
    ref: str = ""
    row: str = ""
    active: bool = True
    new_key: str | None = None
    before: dict[str, Any] = _json()
    after: dict[str, Any] = _json()
    state: str = Field(default="intended", index=True)
    detail: str = ""
    digest: str = ""
    intended_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    settled_at: datetime | None = _time()


class StandingRow(JournalModel, table=True):
    """What the next runs must remember of one counterparty until a side changes.

    ``state``: ``not_converging`` (``nights`` counts the same wanted and found) or ``undone``.
    ``wanted`` and ``found`` are digests of the canonical values then.
    """

    __tablename__ = "standing"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(index=True)
    ref: str = Field(default="", index=True)
    state: str
    wanted: str = ""
    found: str = ""
    nights: int = 1
    run_id: int
    since: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class PairingRow(JournalModel, table=True):
    """Which Ref_Key a key stood for when last seen in agreement (stores without a Ref_Key)."""

    __tablename__ = "pairing"

    ref: str = Field(primary_key=True)
    key: str = Field(index=True)
    row: str = ""


class ReceiptRow(JournalModel, table=True):
    """One webhook received: time, action, key, payload digest, outcome. See journal/receipts.

    On disk with an empty ``outcome`` before the store is touched, settled after. ``payload`` is
    the message while it is open, for recovery, and empty from then on; ``extra`` keeps the keys
    the mapping does not know. Opening and settling are each a link of one digest chain.
    """

    __tablename__ = "receipt"

    id: int | None = Field(default=None, primary_key=True)
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    action: str
    key: str = Field(default="", index=True)
    ref: str = Field(default="", index=True)
    message_id: str = Field(default="", index=True)
    stamp: int | None = Field(
        default=None,
        sa_column=Column(BigInteger, nullable=True),
        description="milliseconds UTC taken by the push module",
    )
    payload_digest: str = ""
    payload: dict[str, Any] = _json()
    extra: dict[str, Any] = _json()
    extra_digest: str = ""
    previous_digest: str = Field(default="", unique=True)
    digest: str = ""
    outcome: str = Field(default="", index=True)
    detail: str = ""
    settled_at: datetime | None = _time()
    settled_previous: str = ""
    settled_digest: str = ""
