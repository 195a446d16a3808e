"""What is as both sides last agreed on it is set aside before anything is paired.

On most nights that is nearly everything, and one join tells; what is left is *loose*: paired and
compared in full. A pair is quiet only if nobody else could claim either half of it: whatever
shares a Ref_Key or a key with something loose is loose as well, so that pairing what is loose
finds what pairing all of both sides would find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from zvirka.reconcile.staging import Staging

PARTITION = 200_000
"""Rows whose joins fit into the memory of the staging."""

FEW = 1000
SHARE = 20
"""Up to so many rows, and one in so many, are read singly sooner than all are scanned again."""


class Sides(NamedTuple):
    """The tables to be paired: clients of the store, counterparties of 1C."""

    clients: str
    parties: str


WHOLE = Sides("scratch.client", "wanted")
LOOSE = Sides("scratch.loose_client", "scratch.loose_wanted")


def set_aside(staging: Staging, *, marks_count: bool) -> bool:
    """Leave only what is loose in :data:`LOOSE`, by the images of a brief scan.

    ``False``: too much is loose for that to be of use, and the store has to be scanned in full.
    """
    live = "NOT w.mark" if marks_count else "true"
    most = min(PARTITION, FEW + staging.number_of("SELECT count(*) FROM scratch.client") // SHARE)
    staging.run("CREATE TABLE scratch.loose(ref UUID, row_id VARCHAR)")
    for here in parts("ref", parts_of(staging, WHOLE)):
        staging.run(
            "INSERT INTO scratch.loose SELECT w.ref, c.row_id"
            f" FROM (FROM wanted WHERE {here}) w"
            f" FULL JOIN (FROM scratch.client WHERE {here}) c ON c.ref = w.ref"
            f" LEFT JOIN (FROM mirror.agreed WHERE {here}) a"
            " ON a.ref = w.ref AND a.row_id = c.row_id"
            f" WHERE NOT coalesce({live} AND c.active AND a.wanted = w.digest"
            " AND a.image = c.image AND a.key = c.key, false)"
        )
        if staging.number_of("SELECT count(*) FROM scratch.loose") > most:
            return False
    _gather(staging)
    return staging.number_of(f"SELECT count(*) FROM {LOOSE.clients}") <= most


def _gather(staging: Staging) -> None:
    """What is loose, with all that shares a Ref_Key or a key with it."""
    staging.run(
        f"CREATE TABLE {LOOSE.parties} AS FROM wanted"
        " WHERE ref IN (SELECT ref FROM scratch.loose);"
        f"CREATE TABLE {LOOSE.clients} AS FROM scratch.client"
        " WHERE row_id IN (SELECT row_id FROM scratch.loose)"
        " OR ref IN (SELECT ref FROM scratch.loose)"
    )
    if not staging.rows("FROM scratch.loose LIMIT 1"):
        return
    staging.run(
        "CREATE TABLE scratch.loose_key AS SELECT DISTINCT key FROM"
        f" (SELECT key FROM {LOOSE.parties} UNION ALL SELECT key FROM {LOOSE.clients})"
        " WHERE key <> '';"
        "CREATE TABLE scratch.claimed AS SELECT DISTINCT ref FROM"
        " (SELECT ref FROM wanted WHERE key IN (FROM scratch.loose_key)"
        " UNION ALL SELECT ref FROM scratch.client WHERE key IN (FROM scratch.loose_key))"
        " WHERE ref IS NOT NULL AND ref NOT IN"
        f" (SELECT ref FROM {LOOSE.parties} UNION ALL"
        f" SELECT ref FROM {LOOSE.clients} WHERE ref IS NOT NULL);"
        f"INSERT INTO {LOOSE.parties} FROM wanted WHERE ref IN (FROM scratch.claimed);"
        f"INSERT INTO {LOOSE.clients} FROM scratch.client WHERE ref IN (FROM scratch.claimed)"
    )


def loose_rows(staging: Staging, size: int = 1000) -> Iterator[list[str]]:
    """Primary keys of the loose clients, in batches."""
    for rows in staging.stream(f"SELECT row_id FROM {LOOSE.clients}", size=size):
        yield [row for (row,) in rows]


def take_renewed(staging: Staging) -> None:
    """Put the loose clients as they were just read again in the place of what the scan knew."""
    staging.run(
        f"CREATE OR REPLACE TABLE {LOOSE.clients} AS FROM scratch.new_client"
        f" WHERE row_id IN (SELECT row_id FROM {LOOSE.clients})"
    )


def parts_of(staging: Staging, sides: Sides) -> int:
    """Into how many parts the joins of two tables go, so that each fits into memory."""
    rows = max(staging.number_of(f"SELECT count(*) FROM {table}") for table in sides)
    return max(1, rows // PARTITION)


def parts(column: str, number: int) -> Iterator[str]:
    """Conditions that together hold for every row once."""
    for part in range(number):
        yield f"hash({column}) % {number} = {part}"
