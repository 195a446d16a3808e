"""Judges a message by those that came before it: it is news, stale, or refused.

The order is that of the push module's stamps; a messageId stands for one message.
"""

from __future__ import annotations

import msgspec
from loguru import logger

from zvirka.erp.sql.upsert import Effect
from zvirka.journal.receipt_order import SeenMessage, Stamps, is_ahead
from zvirka.message import Message
from zvirka.receiver.payload import WebhookMessage

STALE, LEFT = "stale", "left"
"""Outcomes besides the store's own: older than what the store holds; left to reconciliation."""


class IngestResult(msgspec.Struct, frozen=True):
    """What became of one webhook: the outcome of its receipt, without personal data in it."""

    outcome: str
    detail: str = ""


class Earlier(msgspec.Struct, frozen=True):
    """What receipts say of the messages that were taken in before."""

    stamps: Stamps
    messages: dict[str, SeenMessage]

    def copy(self) -> Earlier:
        """A copy to note further messages in."""
        parts = msgspec.structs.asdict(self.stamps)
        return Earlier(
            Stamps(**{name: dict(part) for name, part in parts.items()}), dict(self.messages)
        )

    def result(self, message: WebhookMessage) -> IngestResult | None:
        """What becomes of a message that is not news; ``None`` when it is to be written.

        A messageId stands for one message: sent again it changes nothing, and another body under
        it is taken only with a newer stamp, as the outbox of 1C sends the state of that moment.
        """
        seen = self.messages.get(message.message_id or "")
        if seen is not None and seen.payload_digest == message.digest:
            return IngestResult(STALE, Message("this message was taken in before"))
        if message.stamp is not None:
            ahead = is_ahead(message.stamp, message.received_at)
            if message.stamp < self.stamps.newest(message.ref, message.key, ahead=ahead):
                return IngestResult(STALE, Message("a newer message was taken in"))
        if seen is not None and (message.stamp or 0) <= (seen.stamp or 0):
            return IngestResult(Effect.FAILED, Message("messageId belongs to another message"))
        return None

    def note(self, message: WebhookMessage) -> None:
        """Count a message that was taken in."""
        if message.message_id:
            self.messages[message.message_id] = SeenMessage(message.stamp, message.digest)
        if message.stamp is not None:
            ahead = is_ahead(message.stamp, message.received_at)
            self.stamps.note(message.ref, message.key, message.stamp, ahead=ahead)


def clock_note(message: WebhookMessage) -> str:
    """A note for the receipt if the sender's clock is ahead."""
    if message.stamp is None or not is_ahead(message.stamp, message.received_at):
        return ""
    minutes = round((message.stamp / 1000 - message.received_at.timestamp()) / 60)
    logger.warning("the clock of 1C is ahead of this machine's", minutes=minutes)
    return Message("the clock of 1C is {minutes} minutes ahead", minutes=minutes)
