"""The journal's tables: what happened, durably. SQLite by default, PostgreSQL by URL.

``table=True`` models do not validate; rows are made by :mod:`zvirka.journal.row_mapping` only.
Times are aware UTC. Personal values live only in the columns that ``prune`` empties: ``name``,
``fields``, ``note`` and ``evidence`` of a difference, ``before`` and ``after`` of a correction,
``extra`` of a receipt. What the digests cover: :mod:`zvirka.journal.chain`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, MetaData, Table, text
from sqlmodel import Field, SQLModel

from zvirka.journal.column_types import JsonText, UtcTime

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
    return Field(default=None, sa_column=Column(UtcTime, nullable=nullable))


def _json(kind: type[Any] = dict) -> Any:
    return Field(default_factory=kind, sa_column=Column(JsonText, nullable=False))


class RunRow(JournalModel, table=True):
    """One run; read as :class:`zvirka.journal.records.RunRecord`.

    ``command``, ``trigger``, ``status`` and ``mode`` are the enums of :mod:`zvirka.domain`; no
    column changes after sealing but those that prune empties. ``facts`` is
    :class:`zvirka.journal.run_facts.Facts`, ``error`` :class:`zvirka.journal.records.Fault`.

    ``seal`` counts the sealed runs from 1, ``sealed`` holds the digests of the run's rows and of
    the suppressions, pairings and receipts at that moment, ``previous_digest`` is the digest of the
    run sealed before. ``salt`` goes into the digests of personal values and leaves with them.
    """

    __tablename__ = "run"

    id: int | None = Field(
        default=None, primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    command: str
    trigger: str
    who: str
    reason: str = ""
    started_at: datetime = _time(nullable=False)
    finished_at: datetime | None = _time()
    status: str = Field(default="running", index=True)
    phase: str = ""
    mode: str = ""
    exit_code: int | None = None
    fingerprint: str = ""
    plan_digest: str = ""
    parent: int | None = Field(
        default=None, index=True, description="the run approved, rejected or undone by this one"
    )
    facts: dict[str, Any] = _json()
    error: dict[str, Any] = _json()
    salt: str = Field(default="", repr=False)
    salt_digest: str = ""
    seal: int | None = Field(default=None, unique=True)
    sealed: dict[str, Any] = _json()
    previous_digest: str = ""
    digest: str = Field(default="", index=True)
    signature: str = ""
    pruned_at: datetime | None = _time()


class DifferenceRow(JournalModel, table=True):
    """One difference of one run; columns as in :class:`zvirka.domain.Difference`.

    ``fields`` is a list of {field, wanted, found, read_back}. ``values_digest`` covers the
    personal values, ``digest`` the rest and ``values_digest``, so that the chain stays verifiable
    after prune has removed them. ``disposition`` is covered by the run's seal.
    """

    __tablename__ = "difference"

    run_id: int = Field(foreign_key="run.id", primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str
    cause: str
    key: str = Field(default="", index=True)
    ref: str = Field(default="", index=True)
    row: str = ""
    action: str = ""
    disposition: str = ""
    name: str = ""
    rows: list[str] = _json(list)
    fields: list[dict[str, Any]] = _json(list)
    note: str = ""
    evidence: str = ""
    values_digest: str = ""
    digest: str = ""


class CorrectionRow(JournalModel, table=True):
    """One correction: on disk as ``intended`` before the store is touched, settled after.

    ``number`` is the difference it settles. ``digest`` covers what was intended and is sealed
    with the run; ``settled_digest`` covers ``state``, ``detail``, ``written_row`` and
    ``settled_at`` and is sealed with the run ``settled_by``: the same one, or a later one that
    found the intent of a run that died.
    """

    __tablename__ = "correction"
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "number"], ["difference.run_id", "difference.number"]),
        Index("ix_correction_run_id_number", "run_id", "number"),
        # Few are open at a time; a partial index costs the settled ones nothing.
        Index(
            "ix_correction_open",
            "id",
            sqlite_where=text("state = 'intended'"),
            postgresql_where=text("state = 'intended'"),
        ),
    )

    id: int | None = Field(
        default=None, primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    run_id: int
    number: int
    action: str
    key: str = Field(default="", index=True)
    ref: str = ""
    row: str = ""
    active: bool = True
    new_key: str | None = None
    before: dict[str, Any] = _json()
    after: dict[str, Any] = _json()
    intended_at: datetime = _time(nullable=False)
    values_digest: str = ""
    digest: str = ""
    state: str = "intended"
    detail: str = ""
    written_row: str = ""
    settled_at: datetime | None = _time()
    settled_by: int | None = Field(default=None, index=True)
    settled_digest: str = ""


class ChainRow(JournalModel, table=True):
    """The end of the chain, one row: what a run removed from the end would leave behind.

    ``begun`` is the highest run number given, ``seals`` the number of sealed runs, ``digest`` and
    ``signature`` those of the last. ``standing`` and ``pairing`` are the digests of these two
    tables as sets, kept in step with every change (:mod:`zvirka.journal.set_digest`).
    """

    __tablename__ = "chain"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    begun: int = 0
    seals: int = 0
    digest: str = ""
    signature: str = ""
    standing: str = ""
    pairing: str = ""


class SuppressionRow(JournalModel, table=True):
    """A :class:`zvirka.journal.suppressions.Suppression`; ``state`` is its reason.

    ``ident`` is the Ref_Key, or the key of a client without one.
    """

    __tablename__ = "standing"

    ident: str = Field(primary_key=True)
    key: str = ""
    ref: str = ""
    state: str
    wanted: str = ""
    found: str = ""
    nights: int = 1
    run_id: int
    since: datetime = _time(nullable=False)
    until: str = Field(default="", description="the last day it applies, as an ISO date; or none")


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
    received_at: datetime = _time(nullable=False)
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


class BeatRow(JournalModel, table=True):
    """A :class:`zvirka.journal.beats.Beat`: who is alive now. Overwritten, not in the chain."""

    __tablename__ = "beat"

    name: str = Field(primary_key=True)
    at: datetime = _time(nullable=False)
    detail: dict[str, Any] = _json()


class EventRow(JournalModel, table=True):
    """A :class:`zvirka.journal.events.Event`: what happened beside the runs.

    Each row is a link of a digest chain of its own, whose end is sealed with every run.
    """

    __tablename__ = "event"

    id: int | None = Field(
        default=None, primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    kind: str
    who: str
    detail: dict[str, Any] = _json()
    previous_digest: str = Field(default="", unique=True)
    digest: str = ""


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model."""
    table: Table = getattr(model, "__table__")  # noqa: B009 - SQLModel does not declare it
    return table


RUN = table_of(RunRow)
DIFFERENCE = table_of(DifferenceRow)
CORRECTION = table_of(CorrectionRow)
RECEIPT = table_of(ReceiptRow)
CHAIN = table_of(ChainRow)
EVENT = table_of(EventRow)
