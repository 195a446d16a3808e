"""Selects the pairs that may differ, by digests, with the last agreement as third side.

:mod:`zvirka.staging.pairing` finds the pairs. :mod:`zvirka.reconcile` decides what a candidate
means, after reading both sides again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from zvirka.domain import Client, Counterparty
from zvirka.staging.agreement import AGREED, Agreement
from zvirka.staging.database import Staging
from zvirka.staging.pairing import (
    DUPLICATE_KEYS_1C,
    DUPLICATE_KEYS_STORE,
    DUPLICATE_REFS,
    PAIRS,
    UNPAIRED_CLIENTS,
    UNPAIRED_RECORDS,
    Pairing,
)
from zvirka.staging.remembered_pairs import REMEMBERED, RememberedPairs
from zvirka.staging.source_mirror import WANTED, SourceMirror
from zvirka.staging.store_scan import StoreScan
from zvirka.staging.unchanged import Unchanged
from zvirka.staging.values import stable_digest

_COMPARED = "scratch.compared"
_CANDIDATES = "scratch.candidate"
_TAKEN_KEYS = "scratch.taken_key"
_OWNERS = "scratch.owner"
_ORPHANS = "scratch.orphan"


class Candidate(msgspec.Struct, frozen=True):
    """A pair, or one half of a pair, that may be a difference.

    ``ref`` and ``row`` name the two sides; empty where a side is absent. ``agreed_wanted`` and
    ``agreed_client`` say whether that side is as it was at the last agreement, ``None`` if there
    was none. ``refs`` and ``rows`` name all that share a key which occurs more than once.

    ``alone`` marks a client that no counterparty is paired with; its ``refs`` are all it was ever
    paired with, ``ref`` the last of them. ``key_taken``: its key is that of a counterparty with
    another client.
    """

    ref: str
    row: str
    key: str
    agreed_wanted: bool | None
    agreed_client: bool | None
    refs: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    alone: bool = False
    key_taken: bool = False


class Candidates:
    """The comparison of one run. ``marks_count`` says whether a deletion mark has an effect.

    ``clients`` stages the store's rows, ``remembered`` the pairs of earlier runs; ``unchanged`` and
    ``pairing`` prepare the comparison. Open the agreement before the mirror: it may be taken over
    from an older mirror.
    """

    def __init__(
        self, staging: Staging, mirror: SourceMirror, agreement: Agreement, *, marks_count: bool
    ) -> None:
        self._staging = staging
        self._mirror = mirror
        self._live = "NOT w.mark" if marks_count else "true"
        self.agreement = agreement
        self.clients = StoreScan(staging)
        self.unchanged = Unchanged(staging, live=self._live)
        self.remembered = RememberedPairs(staging)
        self.pairing = Pairing(staging, marks_count=marks_count)
        staging.run(
            f"""
            CREATE TABLE {_COMPARED}(
                what VARCHAR, ref UUID, row_id VARCHAR, key VARCHAR, client_key VARCHAR,
                wanted_hash UBIGINT, client_hash UBIGINT, image_hash UBIGINT, stable UBIGINT,
                agreed_wanted BOOLEAN, agreed_client BOOLEAN, agreed_stable UBIGINT
            )
            """
        )
        staging.run(
            f"""
            CREATE TABLE {_CANDIDATES}(
                what VARCHAR, ref UUID, row_id VARCHAR, key VARCHAR,
                agreed_wanted BOOLEAN, agreed_client BOOLEAN, agreed_stable UBIGINT,
                refs UUID[], row_ids VARCHAR[]
            )
            """
        )

    def counts(self) -> tuple[int, int]:
        """Rows of the store, and the active ones among them; after the pairing.

        Unchanged rows are active, or they would not have been agreed on.
        """
        rows = self.clients.count()
        inactive = self._staging.number_of(
            f"SELECT count(*) FROM {self.pairing.sides.clients} WHERE NOT active"
        )
        return rows, rows - inactive

    # -- candidates ----------------------------------------------------------------------------

    def find(self) -> int:
        """Collect the candidates and return how many there are.

        Pairs are joined once: those unchanged since the last agreement are left out, those with
        equal digests are kept for :meth:`agree`, the rest are candidates.
        """
        if self.pairing.is_empty():
            return 0
        self._compare_pairs()
        # Each of these is a join with everything, so only where there is anything.
        rows = self._staging.rows
        if rows(f"FROM {UNPAIRED_RECORDS} WHERE live LIMIT 1"):
            self._add_unpaired_records()
        if rows(f"FROM {UNPAIRED_CLIENTS} WHERE active LIMIT 1"):
            self._add_unpaired_clients()
        self._add_duplicates()
        self._staging.run(
            f"""
            INSERT INTO {_CANDIDATES}
            SELECT what, ref, row_id, key, agreed_wanted, agreed_client, agreed_stable, NULL, NULL
            FROM {_COMPARED}
            WHERE what <> 'equal'
            """
        )
        return self._staging.number_of(f"SELECT count(*) FROM {_CANDIDATES}")

    def _compare_pairs(self) -> None:
        live = self._live
        same_ref = "coalesce(p.client_ref = w.ref, true)"
        for here in self.pairing.each_part("ref"):
            self._staging.run(
                f"""
                INSERT INTO {_COMPARED}
                SELECT
                    CASE
                        WHEN NOT ({live}) THEN 'marked'
                        WHEN NOT p.active THEN 'inactive'
                        WHEN w.digest = p.digest AND w.key = p.key AND {same_ref} THEN 'equal'
                        ELSE 'different'
                    END,
                    w.ref, p.row_id, w.key, p.key,
                    w.digest, p.digest, p.image, p.stable,
                    a.wanted_hash = w.digest,
                    coalesce(a.client_hash = p.digest, a.client = p.stable),
                    {_STABLE_IF_NEEDED}
                FROM (FROM {PAIRS} WHERE {here}) p
                JOIN (FROM {self.pairing.sides.records} WHERE {here}) w USING (ref)
                LEFT JOIN (FROM {AGREED} WHERE {here}) a
                    ON a.ref = p.ref AND a.row_id = p.row_id
                WHERE CASE
                    WHEN NOT ({live}) THEN p.active
                    WHEN NOT p.active THEN true
                    ELSE NOT coalesce(
                        a.wanted_hash = w.digest
                            AND a.client_hash = p.digest
                            AND a.image_hash = p.image
                            AND a.key = p.key
                            AND a.wanted IS NOT NULL
                            AND {same_ref},
                        false
                    )
                END
                """
            )

    def _add_unpaired_records(self) -> None:
        self._staging.run(
            f"""
            INSERT INTO {_CANDIDATES}
            SELECT
                CASE WHEN w.key = '' THEN 'keyless_1c' ELSE 'missing' END,
                w.ref, NULL, w.key,
                a.wanted_hash = w.digest, a.ref IS NULL, {_STABLE_IF_NEEDED},
                NULL, NULL
            FROM {UNPAIRED_RECORDS} w
            LEFT JOIN {AGREED} a USING (ref)
            WHERE w.live
                AND w.key NOT IN (SELECT key FROM {DUPLICATE_KEYS_1C})
                AND w.key NOT IN (SELECT key FROM {DUPLICATE_KEYS_STORE})
            """
        )

    def _add_unpaired_clients(self) -> None:
        run = self._staging.run
        run(
            f"""
            CREATE TABLE {_TAKEN_KEYS} AS
            SELECT DISTINCT w.key
            FROM {WANTED} w
            SEMI JOIN (SELECT key FROM {UNPAIRED_CLIENTS} WHERE active) c USING (key)
            """
        )
        run(
            f"""
            CREATE TABLE {_OWNERS} AS
            WITH alone AS (SELECT row_id, ref FROM {UNPAIRED_CLIENTS} WHERE active)
            SELECT row_id, ref
            FROM (
                SELECT row_id, ref FROM alone
                UNION
                SELECT row_id, ref FROM {REMEMBERED} SEMI JOIN alone USING (row_id)
                UNION
                SELECT row_id, ref FROM {AGREED} SEMI JOIN alone USING (row_id)
            )
            WHERE ref IS NOT NULL
            """
        )
        # The client of a deleted counterparty stays its client, even if another has its key now.
        run(
            f"""
            CREATE TABLE {_ORPHANS} AS
            SELECT row_id
            FROM {_OWNERS}
            LEFT JOIN (
                SELECT w.ref, true AS is_there
                FROM {WANTED} w
                SEMI JOIN {_OWNERS} o ON o.ref = w.ref
            ) USING (ref)
            GROUP BY row_id
            HAVING bool_and(is_there IS NULL)
            """
        )
        run(
            f"""
            INSERT INTO {_CANDIDATES}
            SELECT
                CASE
                    WHEN c.key = '' THEN 'keyless_store'
                    WHEN c.key IN (FROM {_TAKEN_KEYS}) AND c.row_id NOT IN (FROM {_ORPHANS})
                        THEN 'duplicate_store'
                    ELSE 'extra'
                END,
                coalesce(c.ref, a.ref, o.refs[-1]), c.row_id, c.key,
                NULL, coalesce(a.client_hash = c.digest, a.client = c.stable), NULL,
                o.refs, [c.row_id]
            FROM {UNPAIRED_CLIENTS} c
            LEFT JOIN (
                SELECT row_id, list(ref ORDER BY ref) AS refs FROM {_OWNERS} GROUP BY row_id
            ) o USING (row_id)
            LEFT JOIN {AGREED} a USING (row_id)
            WHERE c.active
                AND c.key NOT IN (SELECT key FROM {DUPLICATE_KEYS_1C})
                AND c.key NOT IN (SELECT key FROM {DUPLICATE_KEYS_STORE})
            """
        )

    def _add_duplicates(self) -> None:
        rows, run = self._staging.rows, self._staging.run
        if rows(f"FROM {DUPLICATE_KEYS_1C} LIMIT 1"):
            run(
                f"""
                INSERT INTO {_CANDIDATES}
                SELECT
                    'duplicate_1c', NULL, NULL, key, NULL, NULL, NULL, refs,
                    (
                        SELECT list(row_id ORDER BY row_id)
                        FROM {self.pairing.sides.clients} c
                        WHERE c.key = d.key
                    )
                FROM {DUPLICATE_KEYS_1C} d
                """
            )
        run(
            f"""
            INSERT INTO {_CANDIDATES}
            SELECT 'duplicate_store', NULL, NULL, key, NULL, NULL, NULL, NULL, row_ids
            FROM {DUPLICATE_KEYS_STORE}
            WHERE key NOT IN (SELECT key FROM {DUPLICATE_KEYS_1C})
            """
        )
        if rows(f"FROM {DUPLICATE_REFS} LIMIT 1"):
            run(
                f"""
                INSERT INTO {_CANDIDATES}
                SELECT
                    'duplicate_store', ref, NULL,
                    (SELECT key FROM {WANTED} w WHERE w.ref = d.ref),
                    NULL, NULL, NULL, NULL, row_ids
                FROM {DUPLICATE_REFS} d
                """
            )

    def candidate_count(self, what: str) -> int:
        """How many candidates of one sort there are."""
        return self._staging.number_of(f"SELECT count(*) FROM {_CANDIDATES} WHERE what = ?", [what])

    def candidates(self, *, extras: bool, size: int = 1000) -> Iterator[list[Candidate]]:
        """The extra clients, or all others, in the order of their keys, in batches."""
        for rows in self._staging.stream(
            f"""
            SELECT what, ref, row_id, key, agreed_wanted, agreed_client, agreed_stable, refs,
                row_ids
            FROM {_CANDIDATES}
            WHERE (what = 'extra') = ?
            ORDER BY key, ref, row_id
            """,
            [extras],
            size=size,
        ):
            wanted = self._unchanged_in_1c([(row[1], row[4], row[6]) for row in rows])
            yield [
                Candidate(
                    str(ref or ""),
                    row or "",
                    key or "",
                    agreed_wanted,
                    agreed_client,
                    tuple(map(str, refs or ())),
                    tuple(row_ids or ()),
                    alone=what in _ALONE or (what == "duplicate_store" and bool(row)),
                    key_taken=what == "duplicate_store" and bool(row),
                )
                for (what, ref, row, key, _, agreed_client, _, refs, row_ids), agreed_wanted in zip(
                    rows, wanted, strict=True
                )
            ]

    # -- agreement -----------------------------------------------------------------------------

    def _unchanged_in_1c(self, rows: Sequence[tuple[Any, Any, Any]]) -> list[bool | None]:
        """For (Ref_Key, by its hash, stable digest then): whether 1C is as last agreed.

        Where the hash cannot tell (see :mod:`zvirka.staging.agreement`), the stable digest does.
        """
        unsure = [str(ref) for ref, _, stable in rows if stable is not None]
        mapping = self._staging.mapping
        now = {
            record.ref: stable_digest(mapping, record.values)
            for record in self._mirror.staged(unsure)
        }
        return [
            same if stable is None or str(ref) not in now else now[str(ref)] == stable
            for ref, same, stable in rows
        ]

    def settle(self, pairs: Sequence[tuple[Counterparty, Client]]) -> None:
        """Note pairs judged equal, or verified, for the next :meth:`agree`."""
        self.agreement.settle(self.clients, pairs)

    def agree(self, *, tidy: bool, complete: bool) -> None:
        """Record on what both sides agree now; disputed pairs keep their last agreement.

        ``tidy`` also drops agreements on what is gone from both sides, which looks at all of them.
        ``complete``: both sides were compared as a whole, not only what was named.
        """
        if tidy:
            self.agreement.forget_gone(
                self.pairing.sides.clients,
                self.pairing.each_part("ref", whole=True),
                self._live,
            )
        self.agreement.write(
            f"""
            SELECT ref, client_key AS key, row_id, wanted_hash, client_hash, image_hash, stable
            FROM {_COMPARED}
            WHERE what = 'equal'
            """,
            self._live,
            complete=complete,
        )


_ALONE = frozenset({"extra", "keyless_store"})

_STABLE_IF_NEEDED = "CASE WHEN a.wanted_hash IS NULL THEN a.wanted END"
"""The stable digest of 1C's values at the last agreement ``a``, where its hash is unknown."""
