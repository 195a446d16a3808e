"""Excludes rows unchanged since the last agreement, before pairing.

On most nights nearly every row is unchanged, and one join of hashes finds out. The *changed* rest
is paired and compared in full. A row is unchanged only if nothing else could claim either half of
its pair: everything that shares a Ref_Key or a key with something changed counts as changed too,
so that pairing the changed rows finds what pairing all rows would find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zvirka.staging.agreement import AGREED
from zvirka.staging.database import PARTITION, Staging, parts
from zvirka.staging.pairing import Sides
from zvirka.staging.source_mirror import WANTED
from zvirka.staging.store_scan import BRIEF, REREAD

FEW = 1000
SHARE = 20
"""Up to FEW plus one in SHARE changed rows are read singly; past it a full scan is faster."""

_CHANGED = "scratch.changed"
_CHANGED_KEYS = "scratch.changed_key"
CHANGED = Sides("scratch.changed_client", "scratch.changed_record")


class Unchanged:
    """What changed on either side since the last agreement, after a brief scan."""

    def __init__(self, staging: Staging, *, live: str) -> None:
        self._staging = staging
        self._live = live
        staging.run(f"CREATE TABLE {_CHANGED}(ref UUID, row_id VARCHAR)")

    def find(self) -> bool:
        """Find the rows whose hashes differ from the last agreement.

        Returns:
            False if they are so many that the store has to be scanned in full.
        """
        staging = self._staging
        number = staging.parts_of(BRIEF, WANTED)
        for here in parts("row_id", number):
            staging.run(
                f"""
                INSERT INTO {_CHANGED}
                SELECT a.ref, row_id
                FROM (FROM {BRIEF} WHERE {here}) c
                FULL JOIN (FROM {AGREED} WHERE {here}) a USING (row_id)
                WHERE NOT coalesce(a.image_hash = c.image, false)
                """
            )
        for here in parts("ref", number):
            staging.run(
                f"""
                INSERT INTO {_CHANGED}
                SELECT ref, a.row_id
                FROM (FROM {WANTED} WHERE {here}) w
                FULL JOIN (FROM {AGREED} WHERE {here}) a USING (ref)
                WHERE NOT coalesce({self._live} AND a.wanted_hash = w.digest, false)
                """
            )
        return self._are_few()

    def add_related(self) -> bool:
        """Add what shares a Ref_Key or a key with the changed rows, which have been read.

        Of unchanged rows, the agreement knows key and Ref_Key. Returns the same as :meth:`find`.
        """
        if self._staging.rows(f"FROM {_CHANGED} LIMIT 1"):
            run = self._staging.run
            run(f"INSERT INTO {_CHANGED} SELECT ref, NULL FROM {REREAD}")
            run(
                f"""
                CREATE TABLE {_CHANGED_KEYS} AS
                SELECT DISTINCT key
                FROM (
                    SELECT key FROM {WANTED} WHERE ref IN (SELECT ref FROM {_CHANGED})
                    UNION ALL
                    SELECT key FROM {AGREED} WHERE ref IN (SELECT ref FROM {_CHANGED})
                    UNION ALL
                    SELECT key FROM {REREAD}
                )
                WHERE key <> ''
                """
            )
            run(
                f"""
                INSERT INTO {_CHANGED}
                SELECT ref, NULL FROM {WANTED} WHERE key IN (FROM {_CHANGED_KEYS})
                """
            )
            run(
                f"""
                INSERT INTO {_CHANGED}
                SELECT ref, row_id
                FROM {AGREED}
                WHERE key IN (FROM {_CHANGED_KEYS}) OR ref IN (SELECT ref FROM {_CHANGED})
                """
            )
        return self._are_few()

    def _are_few(self) -> bool:
        staging = self._staging
        most = min(PARTITION, FEW + staging.number_of(f"SELECT count(*) FROM {BRIEF}") // SHARE)
        return max(staging.distinct(column, _CHANGED) for column in ("ref", "row_id")) <= most

    def name(self, refs: Sequence[str], rows: Sequence[str]) -> None:
        """Take these as changed, and nothing else; the rows have been read."""
        self._staging.run(
            f"""
            INSERT INTO {_CHANGED}
            SELECT unnest(?)::UUID, NULL
            UNION ALL
            SELECT NULL, unnest(?)
            """,
            [list(refs), list(rows)],
        )

    def rows_to_read(self, size: int = 1000) -> Iterator[list[str]]:
        """Primary keys of the changed clients that were not read yet, in batches."""
        for rows in self._staging.stream(
            f"""
            SELECT DISTINCT row_id
            FROM {_CHANGED}
            WHERE row_id IS NOT NULL AND row_id NOT IN (SELECT row_id FROM {REREAD})
            """,
            size=size,
        ):
            yield [row for (row,) in rows]

    def sides(self) -> Sides:
        """The changed rows of both sides, clients as they were just read."""
        self._staging.run(
            f"""
            CREATE TABLE {CHANGED.records} AS
            FROM {WANTED} WHERE ref IN (SELECT ref FROM {_CHANGED})
            """
        )
        self._staging.run(
            f"""
            CREATE TABLE {CHANGED.clients} AS
            FROM {REREAD} WHERE row_id IN (SELECT row_id FROM {_CHANGED})
            """
        )
        return CHANGED
