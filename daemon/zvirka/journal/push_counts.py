"""How many of 1C's webhooks arrived: the other half of the push's miss rate."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from zvirka.journal.receipts import SETTLED_LATER
from zvirka.journal.tables import RECEIPT


def received_between(connection: Connection, since: datetime, until: datetime) -> int | None:
    """Webhooks taken in between two moments; ``None`` where no receiver has ever run."""
    r = RECEIPT.c
    if connection.execute(select(r.id).limit(1)).first() is None:
        return None
    query = select(func.count()).where(
        r.received_at > since,
        r.received_at <= until,
        r.outcome != "",
        r.outcome.not_in(SETTLED_LATER),
    )
    return int(connection.execute(query).scalar_one())
