"""The pairs of Ref_Key and row that earlier runs agreed on, for a store that keeps no Ref_Key.

They come from the journal, since the agreement may be lost with the cache. Pairs agreed on in this
run count as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from zvirka.staging.agreement import AGREED
from zvirka.staging.database import Staging, page_of, parts
from zvirka.staging.source_mirror import WANTED
from zvirka.staging.store_scan import CLIENTS

REMEMBERED = "scratch.remembered"


class RememberedPairs:
    """The remembered pairs of one run; empty where the store keeps the Ref_Key."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        staging.run(f"CREATE TABLE {REMEMBERED}(ref UUID, key VARCHAR, row_id VARCHAR)")

    def add(self, pairings: Iterable[list[tuple[str, str, str]]]) -> None:
        """Stage what the journal remembers: Ref_Key, key and row, in batches."""
        for batch in pairings:
            page = page_of(
                ref=[ref for ref, _, _ in batch],
                key=[key for _, key, _ in batch],
                row_id=[row for _, _, row in batch],
            )
            self._staging.insert(page, REMEMBERED, uuid=("ref",))

    def missing(self, size: int = 5000) -> Iterator[list[tuple[str, str, str]]]:
        """Agreed pairs (Ref_Key, key, row) that are not remembered yet, in batches."""
        for rows in self._staging.stream(
            f"""
            SELECT a.ref, a.key, a.row_id
            FROM {AGREED} a
            LEFT JOIN {REMEMBERED} p ON p.ref = a.ref AND p.row_id = a.row_id AND p.key = a.key
            WHERE p.ref IS NULL
            """,
            size=size,
        ):
            yield [(str(ref), key, row) for ref, key, row in rows]

    def rows_of(self, refs: Sequence[str]) -> dict[str, str]:
        """By Ref_Key: the row of the store it was last paired with, where known."""
        rows = self._staging.rows(
            f"""
            SELECT ref, row_id FROM {REMEMBERED} WHERE ref IN (SELECT unnest(?)::UUID)
            UNION ALL
            SELECT ref, row_id FROM {AGREED} WHERE ref IN (SELECT unnest(?)::UUID)
            """,
            [list(refs), list(refs)],
        )
        return {str(ref): row for ref, row in rows}

    def refs_of(self, rows: Sequence[str]) -> set[str]:
        """The Ref_Keys that the rows of the store were paired with, where known."""
        found = self._staging.rows(
            f"""
            SELECT ref FROM {AGREED} WHERE row_id IN (SELECT unnest(?))
            UNION
            SELECT ref FROM {REMEMBERED} WHERE row_id IN (SELECT unnest(?))
            """,
            [list(rows), list(rows)],
        )
        return {str(ref) for (ref,) in found}

    def superseded(self) -> list[str]:
        """Remembered Ref_Keys whose client has been agreed on as another's since."""
        found = self._staging.rows(
            f"""
            SELECT p.ref
            FROM {REMEMBERED} p
            JOIN {AGREED} a USING (row_id)
            WHERE p.ref <> a.ref
            """
        )
        return [str(ref) for (ref,) in found]

    def gone_from_both(self) -> Iterator[list[str]]:
        """Remembered Ref_Keys that 1C no longer has and whose client is not active either."""
        for here in parts("ref", self._staging.parts_of(REMEMBERED, WANTED)):
            rows = self._staging.rows(
                f"""
                SELECT p.ref
                FROM (FROM {REMEMBERED} WHERE {here}) p
                ANTI JOIN {CLIENTS} c ON c.row_id = p.row_id AND c.active
                WHERE p.ref NOT IN (SELECT ref FROM {WANTED} WHERE {here})
                """
            )
            if rows:
                yield [str(ref) for (ref,) in rows]
