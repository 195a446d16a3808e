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


_CLIENT = "row_id, key, ref, active, digest"
_PAIRED = "row_id VARCHAR, key VARCHAR, client_ref UUID, active BOOLEAN, digest UBIGINT"
"""What a pair keeps of its client, so that the client need not be looked up again."""

_NOW = (
    "(FROM scratch.new_client UNION ALL FROM scratch.client"
    " WHERE row_id NOT IN (SELECT row_id FROM scratch.new_client))"
)
"""The store's rows as last read: single ones have been read again since the scan."""

_PARTITION = 200_000


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
            "CREATE TABLE scratch.new_client AS FROM scratch.client;"
            "CREATE TABLE scratch.pairing(ref UUID, key VARCHAR, row_id VARCHAR);"
            f"CREATE TABLE scratch.pair(ref UUID, {_PAIRED});"
            f"CREATE TABLE scratch.late(ref UUID, {_PAIRED});"
            "CREATE TABLE scratch.lone_wanted"
            "(ref UUID, key VARCHAR, mark BOOLEAN, digest UBIGINT, live BOOLEAN);"
            "CREATE TABLE scratch.lone_client"
            "(row_id VARCHAR, key VARCHAR, ref UUID, active BOOLEAN, digest UBIGINT);"
            "CREATE TABLE scratch.doubled_ref(ref UUID, row_ids VARCHAR[]);"
            "CREATE TABLE scratch.doubled_1c(key VARCHAR, refs UUID[]);"
            "CREATE TABLE scratch.doubled_store(key VARCHAR, row_ids VARCHAR[]);"
            "CREATE TABLE scratch.moved(what VARCHAR, ref UUID, row_id VARCHAR, key VARCHAR,"
            " client_key VARCHAR, wanted UBIGINT, client UBIGINT,"
            " agreed_wanted BOOLEAN, agreed_client BOOLEAN);"
            "CREATE TABLE scratch.candidate(what VARCHAR, ref UUID, row_id VARCHAR, key VARCHAR,"
            " agreed_wanted BOOLEAN, agreed_client BOOLEAN, refs UUID[], row_ids VARCHAR[]);"
            "CREATE TABLE scratch.settled(ref UUID, row_id VARCHAR);"
            "CREATE TABLE scratch.obsolete(ref UUID);"
        )
        self._parts = 1

    # -- the store's side ----------------------------------------------------------------------

    def add_clients(self, batch: ScanBatch, table: str = "scratch.client") -> None:
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
            table,
            select=f"row_id, key, try_cast(ref AS UUID), active, ({digest})::UBIGINT",
            source=f"(SELECT *, string_split(image, chr({ord(IMAGE_SEPARATOR)})) parts FROM page)",
        )

    def renew_clients(self, clients: Sequence[Client]) -> None:
        """Stage what the store holds now of single rows; it counts instead of the scan."""
        self._staging.run(
            "DELETE FROM scratch.new_client WHERE row_id IN (SELECT unnest(?))",
            [[client.row for client in clients]],
        )
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
                ),
                "scratch.new_client",
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
        """Find the pairs; see the module's docstring for the order.

        Every join goes part by part, by the hash of what it joins on, so that no hash table holds
        more than some hundred thousand rows.
        """
        count = "SELECT count(*) FROM"
        staging = self._staging
        both = max(
            staging.number_of(f"{count} wanted"),
            staging.number_of(f"{count} scratch.client"),
        )
        self._parts = max(1, both // _PARTITION)
        self._pair_by_ref()
        self._pair_by_memory()
        self._pair_by_key()

    def _each_part(self, column: str) -> Iterator[str]:
        """Conditions that together hold for every row once."""
        for part in range(self._parts):
            yield f"hash({column}) % {self._parts} = {part}"

    def _pair_by_ref(self) -> None:
        run = self._staging.run
        live = "NOT mark" if self._marks_count else "true"
        for here in self._each_part("ref"):
            run(
                "CREATE OR REPLACE TABLE scratch.many AS SELECT ref, list(row_id ORDER BY row_id)"
                f" row_ids, {_CHOSEN} chosen FROM scratch.client WHERE {here} AND ref IN"
                f" (SELECT ref FROM wanted WHERE {here}) GROUP BY ref HAVING count(*) > 1"
            )
            run(
                "INSERT INTO scratch.doubled_ref SELECT ref, row_ids FROM scratch.many"
                " WHERE chosen IS NULL"
            )
            run(
                f"INSERT INTO scratch.pair SELECT ref, c.* FROM (SELECT {_CLIENT} FROM"
                f" scratch.client WHERE {here}) c"
                f" SEMI JOIN (SELECT ref FROM wanted WHERE {here}) w USING (ref)"
                " WHERE ref NOT IN (SELECT ref FROM scratch.many)"
                " OR row_id IN (SELECT chosen FROM scratch.many)"
            )
            run(
                f"INSERT INTO scratch.lone_wanted SELECT *, {live} FROM wanted WHERE {here}"
                f" AND ref NOT IN (SELECT ref FROM scratch.pair WHERE {here})"
                " AND ref NOT IN (SELECT ref FROM scratch.doubled_ref)"
            )
        for here in self._each_part("row_id"):
            run(
                f"INSERT INTO scratch.lone_client SELECT {_CLIENT} FROM scratch.client WHERE {here}"
                f" AND row_id NOT IN (SELECT row_id FROM scratch.pair WHERE {here})"
                " AND row_id NOT IN (SELECT unnest(row_ids) FROM scratch.doubled_ref)"
            )

    def _pair_by_memory(self) -> None:
        """Pair what earlier runs paired, where the store itself does not keep the Ref_Key."""
        run = self._staging.run
        if not self._staging.number_of("SELECT count(*) FROM scratch.pairing"):
            return
        run("CREATE TABLE scratch.recalled AS FROM scratch.pair LIMIT 0")
        for here in self._each_part("row_id"):
            run(
                "INSERT INTO scratch.recalled SELECT p.ref, c.* FROM"
                f" (SELECT ref, row_id FROM scratch.pairing WHERE {here}) p"
                f" JOIN (FROM scratch.lone_client WHERE {here} AND ref IS NULL) c USING (row_id)"
            )
        for here in self._each_part("ref"):
            run(
                f"INSERT INTO scratch.late SELECT r.* FROM (FROM scratch.recalled WHERE {here}) r"
                f" SEMI JOIN (FROM scratch.lone_wanted WHERE {here}) w USING (ref)"
            )
        run("CREATE TABLE scratch.twice(row_id VARCHAR)")
        for here in self._each_part("row_id"):
            run(
                f"INSERT INTO scratch.twice SELECT row_id FROM scratch.late WHERE {here}"
                " GROUP BY row_id HAVING count(*) > 1"
            )
        if self._staging.rows("FROM scratch.twice LIMIT 1"):
            run(
                "CREATE OR REPLACE TABLE scratch.late AS FROM scratch.late"
                " WHERE row_id NOT IN (FROM scratch.twice)"
            )
        self._take_late()

    def _take_late(self) -> None:
        """What was paired after the Ref_Keys is no longer alone."""
        run = self._staging.run
        for table, column in (("lone_wanted", "ref"), ("lone_client", "row_id")):
            run(f"CREATE TABLE scratch.left_over AS FROM scratch.{table} LIMIT 0")
            for here in self._each_part(column):
                run(
                    f"INSERT INTO scratch.left_over FROM scratch.{table} WHERE {here}"
                    f" AND {column} NOT IN (SELECT {column} FROM scratch.late WHERE {here})"
                )
            run(f"DROP TABLE scratch.{table}")
            run(f"ALTER TABLE scratch.left_over RENAME TO {table}")
        run("INSERT INTO scratch.pair FROM scratch.late")
        run("CREATE OR REPLACE TABLE scratch.late AS FROM scratch.pair LIMIT 0")

    def _pair_by_key(self) -> None:
        """Pair by key what neither Ref_Key nor memory has paired; find what is doubled."""
        run = self._staging.run
        live = "NOT mark" if self._marks_count else "true"
        for here in self._each_part("key"):
            here = f"{here} AND key <> ''"
            run(
                "INSERT INTO scratch.doubled_1c SELECT key, list(ref ORDER BY ref)"
                f" FROM wanted WHERE {here} AND {live} AND key IN"
                f" (SELECT key FROM scratch.lone_wanted WHERE {here} AND live)"
                " GROUP BY key HAVING count(*) > 1"
            )
            run(
                "INSERT INTO scratch.doubled_store SELECT key, row_ids FROM (SELECT key,"
                f" list(row_id ORDER BY row_id) row_ids, {_CHOSEN} chosen"
                f" FROM scratch.lone_client WHERE {here} AND key IN"
                f" (SELECT key FROM scratch.lone_wanted WHERE {here}) GROUP BY key)"
                " WHERE chosen IS NULL"
            )
            run(
                "INSERT INTO scratch.late SELECT w.paired_ref, c.* FROM (SELECT key,"
                " CASE WHEN count(*) FILTER (live) = 1 THEN min(ref) FILTER (live)"
                " WHEN count(*) FILTER (live) = 0 THEN min(ref) END paired_ref"
                f" FROM scratch.lone_wanted WHERE {here} GROUP BY key) w"
                f" JOIN (SELECT key, {_CHOSEN} chosen FROM scratch.lone_client WHERE {here}"
                " GROUP BY key) k USING (key)"
                f" JOIN (FROM scratch.lone_client WHERE {here}) c ON c.row_id = k.chosen"
                " WHERE w.paired_ref IS NOT NULL"
                " AND w.key NOT IN (SELECT key FROM scratch.doubled_1c)"
            )
        self._take_late()

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
            " JOIN mirror.agreed a USING (ref, row_id) JOIN wanted w USING (ref)"
            f" JOIN {_NOW} c USING (row_id)",
            [[ref for ref, _ in pairs], [row for _, row in pairs]],
        )
        return {str(ref): (wanted, client) for ref, wanted, client in rows}

    # -- candidates ----------------------------------------------------------------------------

    def find(self) -> int:
        """Collect what deserves a look and return how many there are.

        Pairs are joined once: those as they were when both sides last agreed are left out, those
        that agree anew are kept apart for :meth:`agree`, the rest are candidates.
        """
        live = "NOT w.mark" if self._marks_count else "true"
        same = "w.digest = p.digest AND w.key = p.key AND coalesce(p.client_ref = w.ref, true)"
        for here in self._each_part("ref"):
            self._staging.run(
                "INSERT INTO scratch.moved SELECT"
                f" CASE WHEN NOT ({live}) THEN 'marked' WHEN NOT p.active THEN 'inactive'"
                f" WHEN {same} THEN 'agrees' ELSE 'different' END,"
                " w.ref, p.row_id, w.key, p.key, w.digest, p.digest,"
                " a.wanted = w.digest, a.client = p.digest"
                f" FROM (FROM scratch.pair WHERE {here}) p"
                f" JOIN (FROM wanted WHERE {here}) w USING (ref)"
                f" LEFT JOIN (FROM mirror.agreed WHERE {here}) a"
                " ON a.ref = p.ref AND a.row_id = p.row_id"
                f" WHERE CASE WHEN NOT ({live}) THEN p.active WHEN NOT p.active THEN true"
                " ELSE NOT coalesce(a.wanted = w.digest AND a.client = p.digest AND a.key = p.key"
                " AND coalesce(p.client_ref = w.ref, true), false) END"
            )
        # Looked at only where there is anything: each is a join with everything.
        rows = self._staging.rows
        if rows("FROM scratch.lone_wanted WHERE live LIMIT 1"):
            self._staging.run(f"INSERT INTO scratch.candidate {self._halves_of_1c()}")
        if rows("FROM scratch.lone_client WHERE active LIMIT 1"):
            self._staging.run(f"INSERT INTO scratch.candidate {self._halves_of_the_store()}")
        for doubled in self._doubled():
            self._staging.run(f"INSERT INTO scratch.candidate {doubled}")
        self._staging.run(
            "INSERT INTO scratch.candidate SELECT what, ref, row_id, key, agreed_wanted,"
            " agreed_client, NULL, NULL FROM scratch.moved WHERE what <> 'agrees'"
        )
        return self._staging.number_of("SELECT count(*) FROM scratch.candidate")

    @staticmethod
    def _halves_of_1c() -> str:
        return (
            "SELECT CASE WHEN w.key = '' THEN 'keyless_1c' ELSE 'missing' END, w.ref, NULL, w.key,"
            " a.wanted = w.digest, a.client IS NULL, NULL, NULL"
            " FROM scratch.lone_wanted w LEFT JOIN mirror.agreed a USING (ref)"
            " WHERE w.live AND w.key NOT IN (SELECT key FROM scratch.doubled_1c)"
            " AND w.key NOT IN (SELECT key FROM scratch.doubled_store)"
        )

    def _halves_of_the_store(self) -> str:
        self._staging.run(
            "CREATE TABLE scratch.taken AS SELECT DISTINCT w.key FROM wanted w"
            " SEMI JOIN (SELECT key FROM scratch.lone_client WHERE active) c USING (key)"
        )
        # A client known to be of a counterparty that is gone is its client under any key.
        self._staging.run(
            "CREATE TABLE scratch.owner AS SELECT c.row_id, coalesce(c.ref, p.ref, a.ref) ref"
            " FROM scratch.lone_client c LEFT JOIN scratch.pairing p ON p.row_id = c.row_id"
            " LEFT JOIN mirror.agreed a ON a.row_id = c.row_id WHERE c.active;"
            "CREATE TABLE scratch.orphan AS SELECT row_id FROM scratch.owner LEFT JOIN"
            " (SELECT w.ref, true AS there FROM wanted w SEMI JOIN scratch.owner o"
            " ON o.ref = w.ref) USING (ref)"
            " GROUP BY row_id HAVING bool_and(ref IS NOT NULL AND there IS NULL)"
        )
        return (
            "SELECT CASE WHEN c.key = '' THEN 'keyless_store'"
            " WHEN c.key IN (FROM scratch.taken) AND c.row_id NOT IN (FROM scratch.orphan)"
            " THEN 'duplicate_store'"
            " ELSE 'extra' END, coalesce(c.ref, p.ref, a.ref), c.row_id, c.key, NULL,"
            " a.client = c.digest, NULL, [c.row_id]"
            " FROM scratch.lone_client c LEFT JOIN scratch.pairing p ON p.row_id = c.row_id"
            " LEFT JOIN mirror.agreed a ON a.row_id = c.row_id"
            " WHERE c.active AND c.key NOT IN (SELECT key FROM scratch.doubled_1c)"
            " AND c.key NOT IN (SELECT key FROM scratch.doubled_store)"
        )

    def _doubled(self) -> Iterator[str]:
        rows = self._staging.rows
        if rows("FROM scratch.doubled_1c LIMIT 1"):
            yield (
                "SELECT 'duplicate_1c', NULL, NULL, key, NULL, NULL, refs,"
                " (SELECT list(row_id) FROM scratch.client c WHERE c.key = d.key)"
                " FROM scratch.doubled_1c d"
            )
        if rows("FROM scratch.doubled_store LIMIT 1"):
            yield (
                "SELECT 'duplicate_store', NULL, NULL, key, NULL, NULL, NULL, row_ids"
                " FROM scratch.doubled_store WHERE key NOT IN (SELECT key FROM scratch.doubled_1c)"
            )
        if rows("FROM scratch.doubled_ref LIMIT 1"):
            yield (
                "SELECT 'duplicate_store', ref, NULL,"
                " (SELECT key FROM wanted w WHERE w.ref = d.ref), NULL, NULL, NULL, row_ids"
                " FROM scratch.doubled_ref d"
            )

    def candidate_count(self, what: str) -> int:
        """How many candidates of one sort there are."""
        return self._staging.number_of(
            "SELECT count(*) FROM scratch.candidate WHERE what = ?", [what]
        )

    def candidates(self, *, extras: bool, size: int = 1000) -> Iterator[list[Candidate]]:
        """The halves of the store, or all the others, in the order of their keys, in batches."""
        for rows in self._staging.stream(
            "SELECT what, ref, row_id, key, agreed_wanted, agreed_client, refs, row_ids"
            " FROM scratch.candidate WHERE (what = 'extra') = ? ORDER BY key, ref, row_id",
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
            f" JOIN wanted w USING (ref) JOIN {_NOW} c ON c.row_id = s.row_id"
            f" WHERE c.active AND {live}"
        )
        if tidy:
            self._find_obsolete(live)
        elif not staging.rows("FROM scratch.news LIMIT 1"):
            return
        # A new table: deletes scattered over a million rows would pin all of them in memory.
        with staging.transaction():
            staging.run("CREATE TABLE mirror.agreed_now AS FROM mirror.agreed LIMIT 0")
            staging.run(
                "INSERT INTO mirror.agreed_now FROM mirror.agreed"
                " WHERE ref NOT IN (SELECT ref FROM scratch.news)"
                " AND row_id NOT IN (SELECT row_id FROM scratch.news)"
                " AND ref NOT IN (FROM scratch.obsolete)"
            )
            staging.run("INSERT INTO mirror.agreed_now FROM scratch.news")
            staging.run("DROP TABLE mirror.agreed")
            staging.run("ALTER TABLE mirror.agreed_now RENAME TO agreed")

    def _find_obsolete(self, live: str) -> None:
        """Agreements on what is marked, and on what is gone from both sides."""
        run = self._staging.run
        for here in self._each_part("ref"):
            run(
                "CREATE OR REPLACE TABLE scratch.suspect AS SELECT ref, row_id FROM mirror.agreed"
                f" WHERE {here} AND ref NOT IN (SELECT ref FROM wanted WHERE {here})"
            )
            run(
                "INSERT INTO scratch.obsolete SELECT s.ref FROM scratch.suspect s"
                " ANTI JOIN scratch.client c ON c.row_id = s.row_id AND c.active"
                f" UNION ALL SELECT w.ref FROM wanted w WHERE {here} AND NOT ({live})"
            )

    def agreed_pairings(self, size: int = 5000) -> Iterator[list[tuple[str, str, str]]]:
        """Pairs (Ref_Key, key, row) that agree now and that the memory does not know so."""
        for rows in self._staging.stream(
            "SELECT a.ref, a.key, a.row_id FROM mirror.agreed a LEFT JOIN scratch.pairing p"
            " ON p.ref = a.ref AND p.row_id = a.row_id AND p.key = a.key WHERE p.ref IS NULL",
            size=size,
        ):
            yield [(str(ref), key, row) for ref, key, row in rows]
