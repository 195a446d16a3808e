"""What receipts and corrections say of messages that came before: which message is the newest.

A message is news only if no newer one about its counterparty was taken in, and no run wrote the
client after the message came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, func, or_, select

from zvirka.domain import Command
from zvirka.journal.column_types import as_utc
from zvirka.journal.receipts import SETTLED_LATER
from zvirka.journal.tables import CORRECTION, RECEIPT, RUN

_CHUNK = 500

AHEAD_MS = 600_000
"""How far a sender's clock may be ahead of ours before its stamps are counted apart."""


_WRITING = (Command.RECONCILE, Command.RESYNC, Command.APPROVE, Command.UNDO)


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
            if as_utc(latest) > received[key]:
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
                found.note(ref, key, stamp, ahead=is_ahead(stamp, as_utc(received_at)))
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
