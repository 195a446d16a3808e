"""Seals a run that has ended: it becomes a link of the chain and never changes again."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, select, update

from zvirka.journal.column_types import canonical, encoded
from zvirka.journal.digests import raw_columns, run_digest, run_record
from zvirka.journal.events import event_tip
from zvirka.journal.receipts import chain_tip
from zvirka.journal.records import SealRecord
from zvirka.journal.signing import Signer
from zvirka.journal.tables import CHAIN, CORRECTION, DIFFERENCE, RECEIPT, RUN, RunRow

CHUNK = 5000
STREAMED = {"yield_per": CHUNK}
"""Execution options of a statement whose rows are streamed."""


class SealedSection(msgspec.Struct, frozen=True):
    """Rows of one table under a seal: how many, and the digest over their digests in order."""

    rows: int
    digest: str


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What a seal covers besides the run's own columns.

    ``difference`` and ``correction`` are the run's rows, ``settlement`` the corrections settled by
    it, of this or an earlier run. ``standing`` and ``pairing`` are the digests of those tables as
    sets. ``receipt`` is the last webhook receipt then, 0 without any, and ``receipt_digest`` the
    tip of the receipts' own chain. ``event`` and ``event_digest`` are the same of the events; a
    journal without any leaves them out, as older versions did.
    """

    difference: SealedSection
    correction: SealedSection
    settlement: SealedSection
    standing: str = ""
    pairing: str = ""
    receipt: int = 0
    receipt_digest: str = ""
    event: int = 0
    event_digest: str = ""


SECTIONS = ("difference", "correction", "settlement")


def section_query(name: str, run: int) -> Select[*tuple[Any, ...]]:
    """The cells of a section's rows that its digest covers, in order."""
    d, c = DIFFERENCE.c, CORRECTION.c
    query: Select[*tuple[Any, ...]]
    if name == "difference":
        query = select(d.number, d.disposition, d.digest).where(d.run_id == run).order_by(d.number)
    elif name == "correction":
        query = select(c.id, c.digest).where(c.run_id == run).order_by(c.id)
    else:
        query = select(c.id, c.settled_digest).where(c.settled_by == run).order_by(c.id)
    return query


def section(connection: Connection, name: str, run: int) -> SealedSection:
    """The section as it is now."""
    found = connection.execute(section_query(name, run), execution_options=STREAMED)
    return section_digest(tuple(row) for row in found)


def section_digest(rows: Iterable[tuple[object, ...]]) -> SealedSection:
    """The section of these cells, in order."""
    running, count = sha256(), 0
    for row in rows:
        running.update(encoded(row))
        count += 1
    return SealedSection(count, running.hexdigest())


def seal_record(connection: Connection, run: int) -> SealRecord | None:
    """What the digest of a sealed run is recomputed from; ``None`` while it is not sealed."""
    r, c = RUN.c, CORRECTION.c
    row = connection.execute(select(*raw_columns(RunRow)).where(r.id == run)).mappings().one()
    if row["seal"] is None:
        return None
    before = select(r.signature).where(r.seal == row["seal"] - 1)
    elsewhere = section_query("settlement", run).where(c.run_id != run)
    return SealRecord(
        record=run_record(row, connection.execute(before).scalar() or ""),
        salt=row["salt"],
        settled_elsewhere=tuple((row[0], row[1]) for row in connection.execute(elsewhere)),
    )


def seal(connection: Connection, run: int, signer: Signer | None) -> str:
    """Seal a run whose other columns are final, as the next link of the chain.

    Returns:
        The run's digest.
    """
    end = connection.execute(select(CHAIN).with_for_update()).mappings().one()
    event, event_digest = event_tip(connection)
    sealed = Sealed(
        difference=section(connection, "difference", run),
        correction=section(connection, "correction", run),
        settlement=section(connection, "settlement", run),
        standing=end["standing"],
        pairing=end["pairing"],
        receipt=connection.execute(select(func.max(RECEIPT.c.id))).scalar() or 0,
        receipt_digest=chain_tip(connection),
        event=event,
        event_digest=event_digest,
    )
    content = msgspec.to_builtins(sealed)
    if not event:
        del content["event"], content["event_digest"]
    number = end["seals"] + 1
    this = RUN.c.id == run
    connection.execute(
        update(RUN)
        .where(this)
        .values(
            seal=number,
            sealed=canonical(content),
            previous_digest=end["digest"],
        )
    )
    row = connection.execute(select(*raw_columns(RunRow)).where(this)).mappings().one()
    digest = run_digest(dict(row), end["signature"])
    signature = signer.sign(digest) if signer else ""
    connection.execute(update(RUN).where(this).values(digest=digest, signature=signature))
    connection.execute(update(CHAIN).values(seals=number, digest=digest, signature=signature))
    return digest
