"""The head of the chain: what is anchored outside the journal, and compared with it later.

Who holds both the journal and the signing key can write a chain that is whole and signed. They
cannot change a head that was written down elsewhere before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
from sqlalchemy import Connection, func, or_, select

from zvirka.errors import NOT_JSON
from zvirka.journal.column_types import encoded
from zvirka.journal.receipts import chain_tip
from zvirka.journal.row_checks import ChainProblem
from zvirka.journal.tables import RECEIPT, RUN
from zvirka.message import Message


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The run sealed last, and the receipt received last, at one moment.

    ``receipt`` is 0 and ``receipt_digest`` empty where no receiver runs, or where only the run is
    known, as from a printed report.
    """

    head: Literal[1] = 1
    run: int
    digest: str
    receipt: int = 0
    receipt_digest: str = ""

    @property
    def line(self) -> bytes:
        """The head as one line of canonical JSON; this is what is timestamped."""
        return encoded(msgspec.to_builtins(self)) + b"\n"


def chain_head(connection: Connection) -> Head | None:
    """The head now; ``None`` before the first run is sealed."""
    query = select(RUN.c.id, RUN.c.digest).where(RUN.c.seal.is_not(None))
    last = connection.execute(query.order_by(RUN.c.seal.desc()).limit(1)).first()
    if last is None:
        return None
    receipt = connection.execute(select(func.max(RECEIPT.c.id))).scalar() or 0
    return Head(
        run=last.id,
        digest=last.digest,
        receipt=receipt,
        receipt_digest=chain_tip(connection) if receipt else "",
    )


def read_head(line: bytes) -> Head | None:
    """A head from its line; ``None`` when it is none."""
    try:
        return msgspec.json.decode(line, type=Head)
    except NOT_JSON:
        return None


def head_problems(connection: Connection, head: Head) -> Iterator[ChainProblem]:
    """What of an anchored head is no longer in the journal."""
    run = head.run
    digest = connection.execute(select(RUN.c.digest).where(RUN.c.id == run)).scalar()
    if digest is None:
        last = connection.execute(select(func.max(RUN.c.id))).scalar() or 0
        yield ChainProblem(
            run,
            Message(
                "run {run}: anchored, but the journal ends with run {last}: it was rolled back to"
                " an older copy, or runs were cut off",
                run=str(run),
                last=str(last),
            ),
        )
    elif digest != head.digest:
        yield ChainProblem(
            run,
            Message(
                "run {run}: its digest is not the one that was anchored; the chain was rewritten",
                run=str(run),
            ),
        )
    if not head.receipt:
        return
    r, tip = RECEIPT.c, head.receipt_digest
    there = select(r.id).where(or_(r.digest == tip, r.settled_digest == tip)).limit(1)
    if connection.execute(there).first() is None:
        yield ChainProblem(
            run,
            Message(
                "table receipt: receipt {receipt}, the last one when run {run} was anchored, was"
                " cut off or rewritten",
                receipt=str(head.receipt),
                run=str(run),
            ),
        )
