"""Which counterparty is which client, and which pairs deserve a look: SQL over the staging.

Pairs are found in this order, each client and each counterparty at most once: by Ref_Key where
the store keeps one; by the remembered pairing Ref_Key ↔ row of a store that keeps none (so that a
changed Код stays the same client); by key. Whatever is empty or doubled in the key is reported as
such, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from zvirka.counterparty import Client
from zvirka.erp.store import IMAGE_SEPARATOR, ScanBatch
from zvirka.reconcile.staging import Staging, page_of

_CHOSEN = (
    "CASE WHEN count(*) FILTER (active) = 1 THEN min(row_id) FILTER (active)"
    " WHEN count(*) FILTER (active) = 0 AND count(*) = 1 THEN min(row_id) END"
)
"""The client a group of rows stands for: the single active one, or the single inactive one."""


class Candidate(msgspec.Struct, frozen=True):
    """One pair, or one half of one, that may be a difference.

    ``what``: ``different``, ``inactive``, ``marked`` (paired); ``missing``, ``extra`` (halves);
    ``keyless_1c``, ``keyless_store``; ``duplicate_1c``, ``duplicate_store`` (``refs`` and
    ``rows`` name all that share the key). ``agreed_wanted`` and ``agreed_client`` tell whether
    that side is as it was when both last agreed, ``None`` when they never did.
    """

    what: str
    ref: str
    row: str
    key: str
    agreed_wanted: bool | None
    agreed_client: bool | None
    refs: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


class Matching:
    """The pairing of one run. ``marks_count`` says whether a deletion mark means anything."""

    def __init__(self, staging: Staging, *, marks_count: bool) -> None:
        self._staging = staging
        self._marks_count = marks_count
        staging.run(
            "CREATE TABLE scratch.client"
            "(row_id VARCHAR, key VARCHAR, ref UUID, active BOOLEAN, digest UBIGINT);"
            "CREATE TABLE scratch.pairing(ref UUID, key VARCHAR, row_id VARCHAR);"
            "CREATE TABLE scratch.pair(ref UUID, row_id VARCHAR);"
            "CREATE TABLE scratch.settled(ref UUID, row_id VARCHAR);"
        )

    # -- the store's side ----------------------------------------------------------------------

    def add_clients(self, batch: ScanBatch) -> None:
        """Stage a page of the store's scan: keys and digests only, values stay in the store."""
        if not batch.rows:
            return
        refs: Sequence[str | None] = batch.refs or [None] * len(batch.rows)
        page = page_of(
            row_id=batch.rows, key=batch.keys, ref=refs, active=batch.active, image=batch.images
        )
        staging = self._staging
        digest = " + ".join(
            staging.trimmed_part(f"parts[{number + 1}]", number)
            for number in range(len(staging.mapping.fields))
        )
        staging.insert(
            page,
            "scratch.client",
            select=f"row_id, key, try_cast(ref AS UUID), active, ({digest})::UBIGINT",
            source=f"(SELECT *, string_split(image, chr({ord(IMAGE_SEPARATOR)})) parts FROM page)",
        )

    def renew_clients(self, clients: Sequence[Client]) -> None:
        """Replace staged rows with what the store holds now; rows that are gone vanish."""
        self._forget_rows([client.row for client in clients])
        if clients:
            names = self._staging.mapping.names
            self.add_clients(
                ScanBatch(
                    rows=[client.row for client in clients],
                    keys=[client.key for client in clients],
                    refs=[client.ref for client in clients],
                    active=[client.active for client in clients],
                    images=[
                        IMAGE_SEPARATOR.join(
                            (client.values.get(name) or "").strip(" ") for name in names
                        )
                        for client in clients
                    ],
                )
            )

    def _forget_rows(self, rows: Sequence[str]) -> None:
        self._staging.run(
            "DELETE FROM scratch.client WHERE row_id IN (SELECT unnest(?))", [list(rows)]
        )

    def remember(self, pairings: Iterable[list[tuple[str, str, str]]]) -> None:
        """Stage the remembered pairing (Ref_Key, key, row) of a store without a Ref_Key."""
        for batch in pairings:
            page = page_of(
                ref=[ref for ref, _, _ in batch],
                key=[key for _, key, _ in batch],
                row_id=[row for _, _, row in batch],
            )
            self._staging.insert(page, "scratch.pairing", uuid=("ref",))

    def ever_agreed(self) -> bool:
        """Whether there was a last agreement on anything at all."""
        return bool(self._staging.rows("SELECT 1 FROM mirror.agreed LIMIT 1"))

    def counts(self) -> tuple[int, int]:
        """Rows of the store, and the active ones among them."""
        rows = self._staging.rows("SELECT count(*), count(*) FILTER (active) FROM scratch.client")
        return int(rows[0][0]), int(rows[0][1])

    # -- pairing -------------------------------------------------------------------------------

    def pair(self) -> None:
        """Find the pairs; see the module's docstring for the order."""
        run = self._staging.run
        run(
            "CREATE TABLE scratch.doubled_ref AS SELECT ref, list(row_id ORDER BY row_id) row_ids"
            " FROM scratch.client JOIN mirror.wanted USING (ref) WHERE ref IS NOT NULL"
            f" GROUP BY ref HAVING {_CHOSEN} IS NULL"
        )
        run(
            "INSERT INTO scratch.pair SELECT ref, chosen FROM (SELECT c.ref, "
            f"{_CHOSEN} chosen FROM scratch.client c SEMI JOIN mirror.wanted w USING (ref)"
            " WHERE c.ref IS NOT NULL GROUP BY c.ref) WHERE chosen IS NOT NULL"
        )
        run(
            "INSERT INTO scratch.pair SELECT min(p.ref), c.row_id FROM scratch.pairing p"
            " JOIN mirror.wanted w ON w.ref = p.ref"
            " JOIN scratch.client c ON c.row_id = p.row_id AND c.ref IS NULL"
            f" WHERE {self._free('p', 'c')} GROUP BY c.row_id HAVING count(*) = 1"
        )
        self._pair_by_key()

    def _free(self, wanted: str, client: str) -> str:
        return (
            f"{wanted}.ref NOT IN (SELECT ref FROM scratch.pair)"
            f" AND {wanted}.ref NOT IN (SELECT ref FROM scratch.doubled_ref)"
            f" AND {client}.row_id NOT IN (SELECT row_id FROM scratch.pair)"
        )

    def _pair_by_key(self) -> None:
        """Pair by key what neither Ref_Key nor memory has paired; find what is doubled."""
        run = self._staging.run
        live = "NOT mark" if self._marks_count else "true"
        run(
            "CREATE TABLE scratch.lone_wanted AS SELECT w.*, "
            f"{live} live FROM mirror.wanted w ANTI JOIN scratch.pair USING (ref)"
            " WHERE w.ref NOT IN (SELECT ref FROM scratch.doubled_ref)"
        )
        run(
            "CREATE TABLE scratch.lone_client AS SELECT c.* FROM scratch.client c"
            " ANTI JOIN scratch.pair p ON p.row_id = c.row_id WHERE c.row_id NOT IN"
            " (SELECT unnest(row_ids) FROM scratch.doubled_ref)"
        )
        run(
            "CREATE TABLE scratch.doubled_1c AS"
            " SELECT key, list(ref ORDER BY ref) refs FROM mirror.wanted"
            f" WHERE {live} AND key IN (SELECT key FROM scratch.lone_wanted WHERE live)"
            " AND key <> '' GROUP BY key HAVING count(*) > 1"
        )
        run(
            "CREATE TABLE scratch.doubled_store AS SELECT key, row_ids FROM (SELECT key,"
            f" list(row_id ORDER BY row_id) row_ids, {_CHOSEN} chosen"
            " FROM scratch.lone_client WHERE key <> ''"
            f" AND key IN (SELECT key FROM scratch.lone_wanted) GROUP BY key) WHERE chosen IS NULL"
        )
        run(
            "INSERT INTO scratch.pair SELECT w.ref, c.chosen FROM (SELECT key,"
            " CASE WHEN count(*) FILTER (live) = 1 THEN min(ref) FILTER (live)"
            " WHEN count(*) FILTER (live) = 0 THEN min(ref) END ref"
            " FROM scratch.lone_wanted WHERE key <> '' GROUP BY key) w"
            f" JOIN (SELECT key, {_CHOSEN} chosen FROM scratch.lone_client WHERE key <> ''"
            " GROUP BY key) c USING (key) WHERE w.ref IS NOT NULL AND c.chosen IS NOT NULL"
            " AND key NOT IN (SELECT key FROM scratch.doubled_1c)"
        )

    def remembered_rows(self, refs: Sequence[str]) -> dict[str, str]:
        """The row of the store each Ref_Key was last paired with, those that are known."""
        rows = self._staging.rows(
            "SELECT ref, row_id FROM scratch.pairing WHERE ref IN (SELECT unnest(?)::UUID)"
            " UNION ALL SELECT ref, row_id FROM mirror.agreed"
            " WHERE ref IN (SELECT unnest(?)::UUID)",
            [list(refs), list(refs)],
        )
        return {str(ref): row for ref, row in rows}

    def remembered_refs(self, rows: Sequence[str]) -> dict[str, str]:
        """The Ref_Key each row of the store was last paired with, those that are known."""
        found = self._staging.rows(
            "SELECT row_id, ref FROM mirror.agreed WHERE row_id IN (SELECT unnest(?))"
            " UNION ALL SELECT row_id, ref FROM scratch.pairing"
            " WHERE row_id IN (SELECT unnest(?))",
            [list(rows), list(rows)],
        )
        return {row: str(ref) for row, ref in found}

    def paired_rows(self, rows: Sequence[str]) -> set[str]:
        """Those of the rows that are somebody's client in this run."""
        found = self._staging.rows(
            "SELECT row_id FROM scratch.pair WHERE row_id IN (SELECT unnest(?))", [list(rows)]
        )
        return {row for (row,) in found}

    def agreement(self, pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[bool, bool]]:
        """By Ref_Key: whether 1C, and the store, is as it was when both last agreed on the pair.

        The store's rows have to be staged; pairs nobody ever agreed on are left out.
        """
        rows = self._staging.rows(
            "SELECT a.ref, a.wanted = w.digest, a.client = c.digest"
            " FROM (SELECT unnest(?)::UUID ref, unnest(?) row_id) p"
            " JOIN mirror.agreed a USING (ref, row_id) JOIN mirror.wanted w USING (ref)"
            " JOIN scratch.client c USING (row_id)",
            [[ref for ref, _ in pairs], [row for _, row in pairs]],
        )
        return {str(ref): (wanted, client) for ref, wanted, client in rows}

    # -- candidates ----------------------------------------------------------------------------

    def find(self) -> int:
        """Collect what deserves a look and return how many there are.

        Pairs are joined once: those as they were when both sides last agreed are left out, those
        that agree anew are kept apart for :meth:`agree`, the rest are candidates.
        """
        staging = self._staging
        live = "NOT w.mark" if self._marks_count else "true"
        same = "w.digest = c.digest AND w.key = c.key AND coalesce(c.ref = w.ref, true)"
        staging.run(
            "CREATE TABLE scratch.moved AS SELECT"
            f" CASE WHEN NOT ({live}) THEN 'marked' WHEN NOT c.active THEN 'inactive'"
            f" WHEN {same} THEN 'agrees' ELSE 'different' END what,"
            " w.ref, c.row_id, w.key, c.key client_key, w.digest wanted, c.digest client,"
            " a.wanted = w.digest agreed_wanted, a.client = c.digest agreed_client"
            " FROM scratch.pair p JOIN mirror.wanted w USING (ref)"
            " JOIN scratch.client c ON c.row_id = p.row_id"
            " LEFT JOIN mirror.agreed a ON a.ref = p.ref AND a.row_id = p.row_id"
            f" WHERE CASE WHEN NOT ({live}) THEN c.active WHEN NOT c.active THEN true"
            " ELSE NOT coalesce(a.wanted = w.digest AND a.client = c.digest AND a.key = c.key"
            " AND coalesce(c.ref = w.ref, true), false) END"
        )
        paired = (
            "SELECT what, ref, row_id, key, agreed_wanted, agreed_client,"
            " NULL::UUID[] refs, NULL::VARCHAR[] row_ids"
            " FROM scratch.moved WHERE what <> 'agrees'"
        )
        lone = (
            "SELECT CASE WHEN w.key = '' THEN 'keyless_1c' ELSE 'missing' END, w.ref, NULL, w.key,"
            " a.wanted = w.digest, a.client IS NULL, NULL, NULL"
            " FROM scratch.lone_wanted w LEFT JOIN mirror.agreed a USING (ref)"
            " WHERE w.live AND w.ref NOT IN (SELECT ref FROM scratch.pair)"
            " AND w.key NOT IN (SELECT key FROM scratch.doubled_1c)"
            " AND w.key NOT IN (SELECT key FROM scratch.doubled_store)"
        )
        extra = (
            "SELECT CASE WHEN c.key = '' THEN 'keyless_store'"
            " WHEN c.key IN (SELECT key FROM mirror.wanted) THEN 'duplicate_store'"
            " ELSE 'extra' END what, coalesce(c.ref, p.ref, a.ref), c.row_id, c.key, NULL,"
            " a.client = c.digest, NULL, [c.row_id]"
            " FROM scratch.lone_client c LEFT JOIN scratch.pairing p ON p.row_id = c.row_id"
            " LEFT JOIN mirror.agreed a ON a.row_id = c.row_id"
            " WHERE c.active AND c.row_id NOT IN (SELECT row_id FROM scratch.pair)"
            " AND c.key NOT IN (SELECT key FROM scratch.doubled_1c)"
            " AND c.key NOT IN (SELECT key FROM scratch.doubled_store)"
        )
        doubled = (
            "SELECT 'duplicate_1c', NULL, NULL, key, NULL, NULL, refs,"
            " (SELECT list(row_id) FROM scratch.client c WHERE c.key = d.key)"
            " FROM scratch.doubled_1c d UNION ALL"
            " SELECT 'duplicate_store', NULL, NULL, key, NULL, NULL, NULL, row_ids"
            " FROM scratch.doubled_store WHERE key NOT IN (SELECT key FROM scratch.doubled_1c)"
            " UNION ALL SELECT 'duplicate_store', ref, NULL,"
            " (SELECT key FROM mirror.wanted w WHERE w.ref = d.ref), NULL, NULL, NULL, row_ids"
            " FROM scratch.doubled_ref d"
        )
        staging.run(
            "CREATE TABLE scratch.candidate AS SELECT row_number() OVER (ORDER BY key, ref, row_id)"
            f" n, * FROM ({paired} UNION ALL {lone} UNION ALL {extra} UNION ALL {doubled})"
        )
        return staging.number_of("SELECT count(*) FROM scratch.candidate")

    def candidate_count(self, what: str) -> int:
        """How many candidates of one sort there are."""
        return self._staging.number_of(
            "SELECT count(*) FROM scratch.candidate WHERE what = ?", [what]
        )

    def candidates(self, *, extras: bool, size: int = 1000) -> Iterator[list[Candidate]]:
        """The halves of the store, or all the others, in the order of their keys, in batches."""
        for rows in self._staging.stream(
            "SELECT what, ref, row_id, key, agreed_wanted, agreed_client, refs, row_ids"
            " FROM scratch.candidate WHERE (what = 'extra') = ? ORDER BY n",
            [extras],
            size=size,
        ):
            yield [
                Candidate(
                    what,
                    str(ref or ""),
                    row or "",
                    key or "",
                    agreed_wanted,
                    agreed_client,
                    tuple(map(str, refs or ())),
                    tuple(row_ids or ()),
                )
                for what, ref, row, key, agreed_wanted, agreed_client, refs, row_ids in rows
            ]

    # -- agreement -----------------------------------------------------------------------------

    def settle(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Note pairs (Ref_Key, row) found equal by the mapping's comparison, digests apart."""
        if pairs:
            page = page_of(ref=[ref for ref, _ in pairs], row_id=[row for _, row in pairs])
            self._staging.insert(page, "scratch.settled", uuid=("ref",))

    def agree(self, *, tidy: bool) -> None:
        """Write down on what both sides agree now; what is in dispute keeps its last agreement.

        ``tidy`` also forgets agreements on what is gone from both sides: a look at all of them.
        """
        staging = self._staging
        live = "NOT w.mark" if self._marks_count else "true"
        staging.run(
            "CREATE OR REPLACE TABLE scratch.news AS"
            " SELECT ref, client_key AS key, row_id, wanted, client FROM scratch.moved m"
            " WHERE what = 'agrees' AND ref NOT IN (SELECT ref FROM scratch.settled)"
            " UNION ALL SELECT w.ref, c.key, c.row_id, w.digest, c.digest"
            " FROM (SELECT DISTINCT ref, row_id FROM scratch.settled) s"
            " JOIN mirror.wanted w USING (ref) JOIN scratch.client c ON c.row_id = s.row_id"
            f" WHERE c.active AND {live}"
        )
        with staging.transaction():
            staging.run(
                "DELETE FROM mirror.agreed WHERE ref IN (SELECT ref FROM scratch.news)"
                " OR row_id IN (SELECT row_id FROM scratch.news)"
            )
            if tidy:
                staging.run(
                    f"DELETE FROM mirror.agreed WHERE ref IN (SELECT w.ref FROM mirror.wanted w"
                    f" WHERE NOT ({live})) OR (ref NOT IN (SELECT ref FROM mirror.wanted)"
                    " AND row_id NOT IN (SELECT row_id FROM scratch.client WHERE active))"
                )
            staging.run("INSERT INTO mirror.agreed SELECT * FROM scratch.news")

    def agreed_pairings(self, size: int = 5000) -> Iterator[list[tuple[str, str, str]]]:
        """Pairs (Ref_Key, key, row) that agree now and that the memory does not know so."""
        for rows in self._staging.stream(
            "SELECT a.ref, a.key, a.row_id FROM mirror.agreed a LEFT JOIN scratch.pairing p"
            " ON p.ref = a.ref AND p.row_id = a.row_id AND p.key = a.key WHERE p.ref IS NULL",
            size=size,
        ):
            yield [(str(ref), key, row) for ref, key, row in rows]
