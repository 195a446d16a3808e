"""What is as both sides last agreed on it is set aside before anything is paired.

On most nights that is nearly everything, and one join tells; what is left is *loose*: paired and
compared in full. A pair is quiet only if nobody else could claim either half of it: whatever
shares a Ref_Key or a key with something loose is loose as well, so that pairing what is loose
finds what pairing all of both sides would find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from zvirka.staging.database import PARTITION, Staging, parts

FEW = 1000
SHARE = 20
"""Up to so many rows, and one in so many, are read singly sooner than all are scanned again."""


class Sides(NamedTuple):
    """The tables to be paired: clients of the store, counterparties of 1C."""

    clients: str
    parties: str


BRIEF = "scratch.brief"
"""A brief scan: the primary key and the hash of the image of every row, and nothing else."""
WHOLE = Sides("scratch.client", "wanted")
LOOSE = Sides("scratch.loose_client", "scratch.loose_wanted")


def find_loose(staging: Staging, *, marks_count: bool) -> bool:
    """Collect in ``scratch.loose`` what is not as it was last agreed, by a brief scan's images.

    ``False``: too much is loose for that to be of use, and the store has to be scanned in full.
    """
    live = "NOT w.mark" if marks_count else "true"
    number = staging.parts_of(BRIEF, WHOLE.parties)
    staging.run("CREATE TABLE scratch.loose(ref UUID, row_id VARCHAR)")
    for here in parts("row_id", number):
        staging.run(
            f"INSERT INTO scratch.loose SELECT a.ref, row_id FROM (FROM {BRIEF} WHERE {here}) c"
            f" FULL JOIN (FROM mirror.agreed WHERE {here}) a USING (row_id)"
            " WHERE NOT coalesce(a.image = c.image, false)"
        )
    for here in parts("ref", number):
        staging.run(
            f"INSERT INTO scratch.loose SELECT ref, a.row_id FROM (FROM wanted WHERE {here}) w"
            f" FULL JOIN (FROM mirror.agreed WHERE {here}) a USING (ref)"
            f" WHERE NOT coalesce({live} AND a.wanted = w.digest, false)"
        )
    return _few_are_loose(staging)


def gather(staging: Staging) -> bool:
    """Add to what is loose, once read, all that shares a Ref_Key or a key with it.

    Of what is quiet the last agreement tells key and Ref_Key. ``False`` as in
    :func:`find_loose`.
    """
    if staging.rows("FROM scratch.loose LIMIT 1"):
        staging.run(
            "INSERT INTO scratch.loose SELECT ref, NULL FROM scratch.new_client;"
            "CREATE TABLE scratch.loose_key AS SELECT DISTINCT key FROM"
            " (SELECT key FROM wanted WHERE ref IN (SELECT ref FROM scratch.loose)"
            " UNION ALL SELECT key FROM mirror.agreed WHERE ref IN (SELECT ref FROM scratch.loose)"
            " UNION ALL SELECT key FROM scratch.new_client) WHERE key <> '';"
            "INSERT INTO scratch.loose SELECT ref, NULL FROM wanted"
            " WHERE key IN (FROM scratch.loose_key);"
            "INSERT INTO scratch.loose SELECT ref, row_id FROM mirror.agreed"
            " WHERE key IN (FROM scratch.loose_key) OR ref IN (SELECT ref FROM scratch.loose)"
        )
    return _few_are_loose(staging)


def _few_are_loose(staging: Staging) -> bool:
    most = min(PARTITION, FEW + staging.number_of(f"SELECT count(*) FROM {BRIEF}") // SHARE)
    loose = max(staging.distinct(column, "scratch.loose") for column in ("ref", "row_id"))
    return loose <= most


def loose_rows(staging: Staging, size: int = 1000) -> Iterator[list[str]]:
    """Primary keys of the loose clients that were not read yet, in batches."""
    for rows in staging.stream(
        "SELECT DISTINCT row_id FROM scratch.loose WHERE row_id IS NOT NULL"
        " AND row_id NOT IN (SELECT row_id FROM scratch.new_client)",
        size=size,
    ):
        yield [row for (row,) in rows]


def set_aside(staging: Staging) -> None:
    """Leave only what is loose, the clients as they were just read, in :data:`LOOSE`."""
    staging.run(
        f"CREATE TABLE {LOOSE.parties} AS FROM wanted"
        " WHERE ref IN (SELECT ref FROM scratch.loose);"
        f"CREATE TABLE {LOOSE.clients} AS FROM scratch.new_client"
        " WHERE row_id IN (SELECT row_id FROM scratch.loose)"
    )
