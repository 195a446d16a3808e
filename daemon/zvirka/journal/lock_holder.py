"""What the locks of a journal are for, who holds one, and how the others are told."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC

import msgspec

from zvirka.errors import LockHeldError
from zvirka.message import Coded, Message, coded
from zvirka.now import Now


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock; ``since`` is ISO 8601 UTC."""

    who: str
    command: str
    host: str
    pid: int
    since: str

    @property
    def told(self) -> Message:
        """Who holds it, as a sentence."""
        return Message(
            "{command} by {who} since {since}, process {pid} on {host}",
            command=self.command,
            who=self.who,
            since=self.since,
            pid=str(self.pid),
            host=self.host,
        )


@dataclass(frozen=True)
class LockKind:
    """What a lock is for: the name of its file, the key of its advisory lock, and its refusal."""

    file: str
    key: int
    refusal: Coded
    remedy: Message

    def held_by(self, holder: Holder | None, place: str) -> LockHeldError:
        """The refusal, with the holder or else the place of the lock."""
        return LockHeldError(
            self.refusal, place=holder.told if holder else place, remedy=self.remedy
        )


RUN_LOCK = LockKind(
    file="run.lock",
    key=0x7A76_6972_6B61,  # «zvirka» in ASCII
    refusal=coded("ZV5301", "another run is under way"),
    remedy=Message("wait for it to end, or run again with --wait"),
)
LANE_LOCK = LockKind(
    file="lane.lock",
    key=0x7A76_6972_6C6E,  # «zvirln»
    refusal=coded("ZV5305", "another run holds the place of this one"),
    remedy=Message("it is tried again when that one has ended"),
)
RECEIVER_LOCK = LockKind(
    file="receiver.lock",
    key=0x7A76_6972_7263,  # «zvirrc»
    refusal=coded("ZV5304", "another receiver works on this journal"),
    remedy=Message("stop it first: systemctl stop the unit that runs `zvirka serve`"),
)


TURN_LOCK = LockKind(
    file="turn.lock",
    key=0x7A76_6972_7475,  # «zvirtu»
    refusal=coded("ZV5306", "another receiver of this journal does not end its batch"),
    remedy=Message("1C sends again; if it stays, restart the receiver that is named"),
)


def holder_of(who: str, command: str, now: Now) -> Holder:
    """Return this process as the holder of a lock from now on."""
    return Holder(
        who=who,
        command=command,
        host=socket.gethostname(),
        pid=os.getpid(),
        since=now().astimezone(UTC).isoformat(timespec="seconds"),
    )
