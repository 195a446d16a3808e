"""How reliable the push of 1C is: the webhooks missed of the changes, and how many arrived.

A light run reads the records that have changed in 1C since the run before, and finds those whose
webhook the ERP missed. Both are records, so their share is the miss rate. A full run reads
everything and does not know what has changed. Webhooks that arrived are messages, of which one
record may have many: they are counted for themselves and are no part of the rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from zvirka.domain import Cause, Mode
from zvirka.journal.receipts import SETTLED_LATER
from zvirka.journal.run_facts import Facts
from zvirka.journal.tables import RECEIPT

MISSED = (Cause.MISSED_CREATE, Cause.MISSED_UPDATE, Cause.MISSED_DELETE)


class MissRate(msgspec.Struct, frozen=True):
    """Webhooks missed of the changes that runs read."""

    missed: int
    changed: int

    @property
    def share(self) -> float:
        """From 0 to 1; 0 without a change."""
        return self.missed / self.changed if self.changed else 0.0


def miss_rate(mode: Mode | None, facts: Facts) -> MissRate | None:
    """The rate of one run; ``None`` where it is not known what had changed.

    A record deleted in 1C is not read any more: its missed webhook counts as a change by itself.
    """
    if mode is not Mode.LIGHT or facts.causes is None or facts.fetched is None:
        return None
    missed = sum(facts.causes.get(cause, 0) for cause in MISSED)
    return MissRate(missed, max(facts.fetched, missed))


def miss_rate_over(rates: Iterable[MissRate]) -> MissRate | None:
    """The rate of several runs together; ``None`` without a change."""
    rates = list(rates)
    changed = sum(one.changed for one in rates)
    return MissRate(sum(one.missed for one in rates), changed) if changed else None


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
