"""Verification of the chain of receipts: every link is recomputed, from the first to the tip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, select

from zvirka.journal.digests import digest_of
from zvirka.journal.receipts import GENESIS, opening_digest, settling_digest
from zvirka.journal.tables import RECEIPT
from zvirka.message import Message


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
    if opening_digest(row) != row["digest"]:
        yield Message(
            "receipt {number}: what was received does not match its digest", number=str(row["id"])
        )
    if row["extra"] and digest_of(row["extra"]) != row["extra_digest"]:
        yield Message(
            "receipt {number}: the extra keys do not match their digest", number=str(row["id"])
        )
    if row["outcome"] and settling_digest(row) != row["settled_digest"]:
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
