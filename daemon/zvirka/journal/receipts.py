"""Receipts of webhooks: opened before the store is written, settled after, chained throughout.

Opening and settling are each a link of one chain: a link's digest covers the link before it, so
a receipt that is changed, removed or inserted later breaks the walk of
:mod:`zvirka.journal.receipt_checks`. One process writes receipts at a time
(:mod:`zvirka.journal.receiver_turns`) and remembers the chain's tip; a unique ``previous_digest``
keeps a second one from forking it.

Functions take a connection where they are part of the caller's transaction, an engine where they
only look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, insert, or_, select, union_all, update

from zvirka.journal.column_types import as_utc
from zvirka.journal.digests import digest_of
from zvirka.journal.tables import RECEIPT
from zvirka.message import loaded, stored

GENESIS = ""
"""What the first link follows."""

STORED = ("created", "updated", "restored", "deleted", "unchanged", "absent")
"""Outcomes after which the store held what the message said."""

SETTLED_LATER = ("failed", "refused", "held", "waiting", "left")
"""Outcomes that left the store without this change, so that an older message may still apply."""

_CHUNK = 500
_LAST = 512
"""The tip is among so many: the largest batch has half of them, and is settled before the next."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it came in: ``payload`` is kept while the receipt is open, for recovery.

    ``received_at`` is aware, ``stamp`` milliseconds UTC of the push module, ``payload_digest``
    SHA-256 of the body as received, ``extra`` what came along and no mapping knows.
    """

    received_at: datetime
    action: str
    key: str
    ref: str
    message_id: str
    stamp: int | None
    payload_digest: str
    payload: dict[str, Any]
    extra: dict[str, Any]


class Opened(msgspec.Struct, frozen=True):
    """A receipt that is on disk: its number and its link in the chain."""

    id: int
    digest: str


class Settlement(msgspec.Struct, frozen=True):
    """What became of an opened receipt; ``detail`` holds no personal data."""

    receipt: Opened
    outcome: str
    detail: str = ""


class OpenReceipt(msgspec.Struct, frozen=True):
    """A receipt without an outcome: its process ended in between."""

    receipt: Opened
    received_at: datetime
    payload: dict[str, Any]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt as evidence of a difference's cause."""

    id: int
    received_at: datetime
    action: str
    key: str
    ref: str
    message_id: str
    stamp: int | None
    outcome: str
    detail: str


def open_receipts(
    connection: Connection, openings: Sequence[Opening], tip: str
) -> tuple[list[Opened], str]:
    """Write open receipts that follow ``tip``; return them in order, and the new tip."""
    rows = []
    for opening in openings:
        row = msgspec.structs.asdict(opening)
        row["received_at"] = opening.received_at.astimezone(UTC)
        row |= {"extra_digest": digest_of(opening.extra), "previous_digest": tip}
        tip = row["digest"] = opening_digest(row)
        rows.append(row | _UNSETTLED)
    if not rows:
        return [], tip
    statement = insert(RECEIPT).returning(RECEIPT.c.id, sort_by_parameter_order=True)
    numbers = connection.execute(statement, rows).scalars().all()
    pairs = zip(numbers, rows, strict=True)
    return [Opened(number, row["digest"]) for number, row in pairs], tip


def settle_receipts(
    connection: Connection, settlements: Sequence[Settlement], tip: str, at: datetime
) -> str:
    """Write what became of open receipts and let their payloads go; return the new tip."""
    rows = []
    for settlement in settlements:
        row = {
            "zv_id": settlement.receipt.id,
            "outcome": settlement.outcome,
            "detail": stored(settlement.detail),
            "settled_at": at.astimezone(UTC),
            "settled_previous": tip,
            "payload": {},
        }
        tip = row["settled_digest"] = settling_digest(row | {"digest": settlement.receipt.digest})
        rows.append(row)
    if rows:
        statement = update(RECEIPT).where(RECEIPT.c.id == bindparam("zv_id"))
        names = [name for name in rows[0] if name != "zv_id"]
        connection.execute(statement.values({name: bindparam(name) for name in names}), rows)
    return tip


def chain_tip(connection: Connection) -> str:
    """The chain's last link: the one among the latest that no other link follows.

    A journal that was tampered with may have several or none; the latest opening is then used, and
    :func:`zvirka.journal.receipt_checks.verify_receipts` reports the break.
    """
    receipts = RECEIPT.c
    latest = (
        select(
            receipts.id,
            receipts.digest,
            receipts.previous_digest,
            receipts.settled_digest,
            receipts.settled_previous,
        )
        .order_by(receipts.id.desc())
        .limit(_LAST)
        .cte("latest")
    )
    settled = latest.c.settled_digest != ""
    links = union_all(
        select(latest.c.id, latest.c.digest.label("link")),
        select(latest.c.id, latest.c.settled_digest).where(settled),
    ).subquery()
    followed = union_all(
        select(latest.c.previous_digest), select(latest.c.settled_previous).where(settled)
    )
    unfollowed = select(links.c.link).where(links.c.link.not_in(followed))
    for statement in (unfollowed.order_by(links.c.id.desc()), select(latest.c.digest)):
        tip: str | None = connection.execute(statement.limit(1)).scalar()
        if tip is not None:
            return tip
    return GENESIS


def is_followed(connection: Connection, tip: str) -> bool:
    """Whether a receipt was opened after ``tip``, with which no receipt was left open."""
    statement = select(RECEIPT.c.id).where(RECEIPT.c.previous_digest == tip).limit(1)
    return connection.execute(statement).first() is not None


def unsettled_receipts(connection: Connection) -> list[OpenReceipt]:
    """Receipts without an outcome, oldest first."""
    receipts = RECEIPT.c
    statement = (
        select(receipts.id, receipts.digest, receipts.received_at, receipts.payload)
        .where(receipts.outcome == "")
        .order_by(receipts.id)
    )
    return [
        OpenReceipt(Opened(number, digest), as_utc(at), payload)
        for number, digest, at, payload in connection.execute(statement)
    ]


def find_receipts(
    engine: Engine,
    *,
    refs: Iterable[str] = (),
    keys: Iterable[str] = (),
    since: datetime | None = None,
) -> Iterator[Receipt]:
    """Receipts of these counterparties not older than ``since`` (aware), each once, in no order.

    The reconciliation asks with the differences it found: no receipt means that the webhook for
    the change never came.
    """
    receipts = RECEIPT.c
    wanted = [(receipts.ref, value) for value in sorted({*refs} - {""})]
    wanted += [(receipts.key, value) for value in sorted({*keys} - {""})]
    names = Receipt.__struct_fields__
    seen: set[int] = set()
    with engine.connect() as connection:
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            by_ref = [value for column, value in chunk if column is receipts.ref]
            by_key = [value for column, value in chunk if column is receipts.key]
            statement = select(*(receipts[name] for name in names)).where(
                or_(receipts.ref.in_(by_ref), receipts.key.in_(by_key))
            )
            if since is not None:
                statement = statement.where(receipts.received_at >= since.astimezone(UTC))
            for row in connection.execute(statement):
                if row.id not in seen:
                    seen.add(row.id)
                    values = dict(zip(names, row, strict=True))
                    at, detail = as_utc(row.received_at), loaded(row.detail)
                    yield Receipt(**values | {"received_at": at, "detail": detail})


def has_receipts(engine: Engine) -> bool:
    """Whether a receiver has ever run here; if not, a missing receipt means nothing."""
    with engine.connect() as connection:
        return connection.execute(select(RECEIPT.c.id).limit(1)).first() is not None


_UNSETTLED = {
    "outcome": "",
    "detail": "",
    "settled_at": None,
    "settled_previous": "",
    "settled_digest": "",
}


def opening_digest(row: dict[str, Any]) -> str:
    """The link that a receipt's opening is; ``row`` holds its columns."""
    names = ("previous_digest", "action", "key", "ref", "message_id", "stamp", "payload_digest")
    at = as_utc(row["received_at"]).isoformat(timespec="microseconds")
    return digest_of(["opened", at, *(row[name] for name in names), row["extra_digest"]])


def settling_digest(row: dict[str, Any]) -> str:
    """The link that a receipt's outcome is; ``row`` holds its columns."""
    at = "" if row["settled_at"] is None else as_utc(row["settled_at"])
    moment = at if isinstance(at, str) else at.isoformat(timespec="microseconds")
    names = ("settled_previous", "digest", "outcome", "detail")
    return digest_of(["settled", moment, *(row[name] for name in names)])
