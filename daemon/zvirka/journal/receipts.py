"""Receipts of webhooks: opened before the store is written, settled after, chained throughout.

Opening and settling are each a link of one chain: a link's digest covers the link before it, so
a receipt that is changed, removed or inserted later breaks the walk of
:func:`verify_receipts`. One process writes receipts at a time and holds the chain's tip
(:mod:`zvirka.receiver.ingest`); a unique ``previous_digest`` keeps a second one from forking it.

Functions take a connection where they are part of the caller's transaction, an engine where they
only look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, func, insert, or_, select, update

from zvirka.domain import Command
from zvirka.journal.digests import digest_of
from zvirka.journal.tables import CORRECTION, RECEIPT, RUN
from zvirka.message import Message, loaded, stored

GENESIS = ""
"""What the first link follows."""

STORED = ("created", "updated", "restored", "deleted", "unchanged", "absent")
"""Outcomes after which the store held what the message said."""

SETTLED_LATER = ("failed", "refused", "held", "left")
"""Outcomes that left the store without this change, so that an older message may still apply."""

AHEAD_MS = 600_000
"""How far a sender's clock may be ahead of ours before its stamps are counted apart."""

_WRITING = (Command.RECONCILE, Command.RESYNC, Command.APPROVE, Command.UNDO)
_CHUNK = 500
_LAST = 2048


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
        tip = row["digest"] = _opening_digest(row)
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
        tip = row["settled_digest"] = _settling_digest(row | {"digest": settlement.receipt.digest})
        rows.append(row)
    if rows:
        statement = update(RECEIPT).where(RECEIPT.c.id == bindparam("zv_id"))
        names = [name for name in rows[0] if name != "zv_id"]
        connection.execute(statement.values({name: bindparam(name) for name in names}), rows)
    return tip


def chain_tip(connection: Connection) -> str:
    """The chain's last link: the one among the latest that no other link follows.

    A journal that was tampered with may have several or none; the latest opening is then used, and
    :func:`verify_receipts` reports the break.
    """
    receipts = RECEIPT.c
    latest = (
        select(
            receipts.digest,
            receipts.previous_digest,
            receipts.settled_digest,
            receipts.settled_previous,
        )
        .order_by(receipts.id.desc())
        .limit(_LAST)
    )
    followed: set[str] = set()
    links: list[str] = []
    for digest, previous, settled, settled_previous in connection.execute(latest):
        links.append(digest)
        followed.add(previous)
        if settled:
            links.append(settled)
            followed.add(settled_previous)
    unfollowed = [link for link in links if link not in followed]
    return (unfollowed or links or [GENESIS])[0]


def unsettled_receipts(connection: Connection) -> list[OpenReceipt]:
    """Receipts without an outcome, oldest first."""
    receipts = RECEIPT.c
    statement = (
        select(receipts.id, receipts.digest, receipts.received_at, receipts.payload)
        .where(receipts.outcome == "")
        .order_by(receipts.id)
    )
    return [
        OpenReceipt(Opened(number, digest), _aware(at), payload)
        for number, digest, at, payload in connection.execute(statement)
    ]


def written_since(connection: Connection, moment: datetime) -> bool:
    """Whether a run that may write was at work after the moment, however it ended."""
    at = moment.astimezone(UTC)
    statement = (
        select(RUN.c.id)
        .where(RUN.c.command.in_([command.value for command in _WRITING]))
        .where(or_(RUN.c.finished_at.is_(None), RUN.c.finished_at > at))
        .limit(1)
    )
    return connection.execute(statement).first() is not None


def corrected_since(connection: Connection, received: Mapping[str, datetime]) -> frozenset[str]:
    """Which pairing keys a run wrote, or was about to write, after a message about them came."""
    found: set[str] = set()
    keys = sorted(received)
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        since = min(received[key] for key in chunk).astimezone(UTC)
        statement = (
            select(CORRECTION.c.key, func.max(CORRECTION.c.intended_at))
            .where(CORRECTION.c.key.in_(chunk), CORRECTION.c.intended_at > since)
            .group_by(CORRECTION.c.key)
        )
        for key, latest in connection.execute(statement):
            if _aware(latest) > received[key]:
                found.add(key)
    return frozenset(found)


class Stamps(msgspec.Struct, frozen=True):
    """The newest stamps the store has taken in, in milliseconds, by Ref_Key and by pairing key.

    ``ahead`` holds those of a sender whose clock was ahead of ours: they are in order among
    themselves, and do not block what comes after the clock is set right.
    """

    by_ref: dict[str, int] = {}
    by_key: dict[str, int] = {}
    ahead_by_ref: dict[str, int] = {}
    ahead_by_key: dict[str, int] = {}

    def newest(self, ref: str, key: str, *, ahead: bool) -> int:
        """The newest stamp that a message about this counterparty is compared with; -1 for none."""
        refs, keys = (self.ahead_by_ref, self.ahead_by_key) if ahead else (self.by_ref, self.by_key)
        return max(refs.get(ref, -1), keys.get(key, -1))

    def note(self, ref: str, key: str, stamp: int, *, ahead: bool) -> None:
        """Count one more stamp that was taken in."""
        refs, keys = (self.ahead_by_ref, self.ahead_by_key) if ahead else (self.by_ref, self.by_key)
        if ref:
            refs[ref] = max(refs.get(ref, -1), stamp)
        keys[key] = max(keys.get(key, -1), stamp)


def is_ahead(stamp: int, received_at: datetime) -> bool:
    """Whether a stamp is of a clock so far ahead of ours that it would block all that follows."""
    return stamp > received_at.timestamp() * 1000 + AHEAD_MS


def last_stamps(connection: Connection, refs: Sequence[str], keys: Sequence[str]) -> Stamps:
    """The newest stamps the store has taken in of these Ref_Keys and pairing keys.

    A receipt of the same transaction that is still open does not count.
    """
    receipts = RECEIPT.c
    found = Stamps()
    for column, values in ((receipts.ref, refs), (receipts.key, keys)):
        wanted = sorted({value for value in values if value})
        for start in range(0, len(wanted), _CHUNK):
            statement = (
                select(receipts.ref, receipts.key, receipts.stamp, receipts.received_at)
                .where(column.in_(wanted[start : start + _CHUNK]))
                .where(receipts.stamp.is_not(None), receipts.outcome != "")
                .where(receipts.outcome.not_in(SETTLED_LATER))
            )
            for ref, key, stamp, received_at in connection.execute(statement):
                found.note(ref, key, stamp, ahead=is_ahead(stamp, _aware(received_at)))
    return found


class SeenMessage(msgspec.Struct, frozen=True):
    """A message that came before under a messageId, and was taken in."""

    stamp: int | None
    payload_digest: str


def seen_messages(connection: Connection, ids: Iterable[str]) -> dict[str, SeenMessage]:
    """By messageId: the last message of that id whose receipt says that it was taken in."""
    receipts = RECEIPT.c
    wanted = sorted(set(ids) - {""})
    found: dict[str, SeenMessage] = {}
    for start in range(0, len(wanted), _CHUNK):
        statement = (
            select(receipts.message_id, receipts.stamp, receipts.payload_digest)
            .where(receipts.message_id.in_(wanted[start : start + _CHUNK]))
            .where(receipts.outcome != "", receipts.outcome.not_in(SETTLED_LATER))
            .order_by(receipts.id)
        )
        for message_id, stamp, digest in connection.execute(statement):
            found[message_id] = SeenMessage(stamp, digest)
    return found


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
                    at, detail = _aware(row.received_at), loaded(row.detail)
                    yield Receipt(**values | {"received_at": at, "detail": detail})


def has_receipts(engine: Engine) -> bool:
    """Whether a receiver has ever run here; if not, a missing receipt means nothing."""
    with engine.connect() as connection:
        return connection.execute(select(RECEIPT.c.id).limit(1)).first() is not None


def verify_receipts(engine: Engine) -> Iterator[Message]:
    """Walk the chain from its beginning and yield every break, a sentence each.

    An empty iterator means that no receipt was changed, removed or slipped in since the tip was
    noted. Memory holds the receipts of one batch.
    """
    tip = GENESIS
    pending: dict[int, dict[str, Any]] = {}
    chosen = [column for column in RECEIPT.c if column.name != "payload"]
    with engine.connect() as connection:
        result = connection.execution_options(yield_per=1000).execute(
            select(*chosen).order_by(RECEIPT.c.id)
        )
        for found in result.mappings():
            row = dict(found)
            tip = _follow(pending, tip)
            if row["previous_digest"] != tip:
                yield Message(
                    "receipt {number}: a link before it was changed or removed",
                    number=str(row["id"]),
                )
                yield from _abandoned(pending)
            yield from _own_problems(row)
            tip = row["digest"]
            pending[row["id"]] = row
    _follow(pending, tip)
    yield from _abandoned(pending)


def _own_problems(row: dict[str, Any]) -> Iterator[Message]:
    if _opening_digest(row) != row["digest"]:
        yield Message(
            "receipt {number}: what was received does not match its digest", number=str(row["id"])
        )
    if row["extra"] and digest_of(row["extra"]) != row["extra_digest"]:
        yield Message(
            "receipt {number}: the extra keys do not match their digest", number=str(row["id"])
        )
    if row["outcome"] and _settling_digest(row) != row["settled_digest"]:
        yield Message(
            "receipt {number}: the outcome does not match its digest", number=str(row["id"])
        )
    if not row["outcome"] and (row["settled_digest"] or row["settled_at"] is not None):
        yield Message("receipt {number}: the outcome was removed", number=str(row["id"]))


def _follow(pending: dict[int, dict[str, Any]], tip: str) -> str:
    """Take settled receipts out of ``pending`` as long as they continue the chain."""
    links = {row["settled_previous"]: row for row in pending.values() if row["outcome"]}
    while row := links.pop(tip, None):
        del pending[row["id"]]
        tip = row["settled_digest"]
    return tip


def _abandoned(pending: dict[int, dict[str, Any]]) -> Iterator[Message]:
    for number, row in list(pending.items()):
        if row["outcome"]:
            del pending[number]
            yield Message(
                "receipt {number}: its outcome does not continue the chain", number=str(number)
            )


_UNSETTLED = {
    "outcome": "",
    "detail": "",
    "settled_at": None,
    "settled_previous": "",
    "settled_digest": "",
}


def _opening_digest(row: dict[str, Any]) -> str:
    names = ("previous_digest", "action", "key", "ref", "message_id", "stamp", "payload_digest")
    at = _aware(row["received_at"]).isoformat(timespec="microseconds")
    return digest_of(["opened", at, *(row[name] for name in names), row["extra_digest"]])


def _settling_digest(row: dict[str, Any]) -> str:
    at = "" if row["settled_at"] is None else _aware(row["settled_at"])
    moment = at if isinstance(at, str) else at.isoformat(timespec="microseconds")
    names = ("settled_previous", "digest", "outcome", "detail")
    return digest_of(["settled", moment, *(row[name] for name in names)])


def _aware(moment: datetime) -> datetime:
    # SQLite gives back what was written, without its zone: always UTC here.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
