"""The versions a light pull has seen, and how they differ from the mirror."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from zvirka.onec.protocol import VersionBatch
from zvirka.staging.database import Staging, page_of

SEEN = "seen_version"
_MOVED = "moved_version"


class Moved(NamedTuple):
    """How a light pull differs from the mirror.

    ``stale``: Ref_Keys the mirror lacks or has in another version or mark; ``gone``: those the
    light pull did not see. ``went_back``: some DataVersion is older than the mirror's, so a
    backup of 1C was restored.
    """

    stale: list[str]
    gone: list[str]
    went_back: bool


class SeenVersions:
    """Ref_Key, DataVersion and deletion mark of all counterparties, page by page.

    The tables are temporary: pages are staged in the same transaction as the scan of the store.
    """

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        staging.run(f"CREATE TEMP TABLE {SEEN}(ref UUID, version VARCHAR, mark BOOLEAN)")

    def add(self, batch: VersionBatch) -> None:
        """Stage a page of the light pull."""
        if batch.refs:
            page = page_of(ref=batch.refs, version=batch.versions, mark=batch.marks)
            self._staging.insert(page, SEEN, uuid=("ref",))

    def forget(self) -> None:
        """Drop all pages, to look again."""
        self._staging.run(f"DELETE FROM {SEEN}")

    def count(self) -> int:
        """Distinct counterparties seen."""
        return self._staging.distinct("ref", SEEN)

    def compare(self, objects: str) -> Moved:
        """Compare with ``objects``: Ref_Key, DataVersion and deletion mark as last pulled."""
        self._staging.run(
            f"""
            CREATE OR REPLACE TEMP TABLE {_MOVED} AS
            SELECT s.ref, o.ref AS known, s.version, o.version AS before
            FROM {SEEN} s
            FULL JOIN {objects} o ON o.ref = s.ref
            WHERE NOT coalesce(o.version = s.version AND o.mark = s.mark, false)
            """
        )
        went_back = self._staging.number_of(
            f"""
            SELECT count(*)
            FROM {_MOVED}
            WHERE version <> before AND try(from_base64(version)) < try(from_base64(before))
            """
        )
        return Moved(
            stale=self._refs(f"SELECT DISTINCT ref FROM {_MOVED} WHERE ref IS NOT NULL"),
            gone=self._refs(f"SELECT known FROM {_MOVED} WHERE ref IS NULL"),
            went_back=bool(went_back),
        )

    def among(self, refs: Collection[str]) -> set[str]:
        """Those of the Ref_Keys that were seen."""
        sql = f"SELECT ref FROM {SEEN} WHERE ref IN (SELECT unnest(?)::UUID)"
        return set(self._refs(sql, [list(refs)])) if refs else set()

    def _refs(self, sql: str, values: Sequence[object] = ()) -> list[str]:
        return [str(ref) for (ref,) in self._staging.rows(sql, values)]
