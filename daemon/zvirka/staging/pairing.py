"""Which counterparty is which client: SQL over the staging, part by part.

Pairs are found in this order, each client and each counterparty at most once: by Ref_Key where
the store keeps one; by the remembered pairing Ref_Key ↔ row of a store that keeps none (so that a
changed Код stays the same client); by key. Whatever is empty or doubled in the key is left to be
reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from zvirka.staging.database import Staging, page_of, parts
from zvirka.staging.unchanged import BRIEF, WHOLE, Sides

_CHOSEN = (
    "CASE WHEN count(*) FILTER (active) = 1 THEN min(row_id) FILTER (active)"
    " WHEN count(*) FILTER (active) = 0 AND count(*) = 1 THEN min(row_id) END"
)
"""The client a group of rows stands for: the single active one, or the single inactive one."""


_CLIENT = "row_id, key, ref, active, digest, image"
_PAIRED = (
    "row_id VARCHAR, key VARCHAR, client_ref UUID, active BOOLEAN, digest UBIGINT, image UBIGINT"
)
"""What a pair keeps of its client, so that the client need not be looked up again."""


class Pairing:
    """The pairs of one run, and who is left alone on either side."""

    def __init__(self, staging: Staging, *, marks_count: bool) -> None:
        self._staging = staging
        self._marks_count = marks_count
        self.sides = WHOLE
        self._parts = self._whole_parts = 1
        staging.run(
            "CREATE TABLE scratch.pairing(ref UUID, key VARCHAR, row_id VARCHAR);"
            f"CREATE TABLE scratch.pair(ref UUID, {_PAIRED});"
            f"CREATE TABLE scratch.late(ref UUID, {_PAIRED});"
            "CREATE TABLE scratch.lone_wanted"
            "(ref UUID, key VARCHAR, mark BOOLEAN, digest UBIGINT, live BOOLEAN);"
            "CREATE TABLE scratch.lone_client AS FROM scratch.client LIMIT 0;"
            "CREATE TABLE scratch.doubled_ref(ref UUID, row_ids VARCHAR[]);"
            "CREATE TABLE scratch.doubled_1c(key VARCHAR, refs UUID[]);"
            "CREATE TABLE scratch.doubled_store(key VARCHAR, row_ids VARCHAR[]);"
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

    def find(self, sides: Sides = WHOLE) -> None:
        """Find the pairs of two sides; see the module's docstring for the order.

        Every join goes part by part, by the hash of what it joins on, so that no hash table holds
        more than some hundred thousand rows.
        """
        self.sides = sides
        self._parts = self._staging.parts_of(*self.sides)
        self._whole_parts = self._staging.parts_of(*WHOLE, BRIEF)
        if self.nobody():
            return
        self._pair_by_ref()
        self._pair_by_memory()
        self._pair_by_key()

    def nobody(self) -> bool:
        """Whether there is nothing on either side."""
        return not any(self._staging.rows(f"FROM {table} LIMIT 1") for table in self.sides)

    def each_part(self, column: str, *, whole: bool = False) -> Iterator[str]:
        """Conditions that together hold for every row of :attr:`sides`, or ``whole``, once."""
        return parts(column, self._whole_parts if whole else self._parts)

    def _pair_by_ref(self) -> None:
        run = self._staging.run
        clients, parties = self.sides
        live = "NOT mark" if self._marks_count else "true"
        for here in self.each_part("ref"):
            run(
                "CREATE OR REPLACE TABLE scratch.many AS SELECT ref, list(row_id ORDER BY row_id)"
                f" row_ids, {_CHOSEN} chosen FROM {clients} WHERE {here}"
                f" AND ref IN ({_doubled('ref', clients, here)})"
                f" AND ref IN (SELECT ref FROM {parties} WHERE {here}) GROUP BY ref"
            )
            run(
                "INSERT INTO scratch.doubled_ref SELECT ref, row_ids FROM scratch.many"
                " WHERE chosen IS NULL"
            )
            run(
                f"INSERT INTO scratch.pair SELECT ref, c.* FROM (SELECT {_CLIENT} FROM"
                f" {clients} WHERE {here}) c"
                f" SEMI JOIN (SELECT ref FROM {parties} WHERE {here}) w USING (ref)"
                " WHERE ref NOT IN (SELECT ref FROM scratch.many)"
                " OR row_id IN (SELECT chosen FROM scratch.many)"
            )
            run(
                f"INSERT INTO scratch.lone_wanted SELECT *, {live} FROM {parties} WHERE {here}"
                f" AND ref NOT IN (SELECT ref FROM scratch.pair WHERE {here})"
                " AND ref NOT IN (SELECT ref FROM scratch.doubled_ref)"
            )
        for here in self.each_part("row_id"):
            run(
                f"INSERT INTO scratch.lone_client SELECT {_CLIENT} FROM {clients} WHERE {here}"
                f" AND row_id NOT IN (SELECT row_id FROM scratch.pair WHERE {here})"
                " AND row_id NOT IN (SELECT unnest(row_ids) FROM scratch.doubled_ref)"
            )

    def _pair_by_memory(self) -> None:
        """Pair what earlier runs paired, where the store itself does not keep the Ref_Key."""
        run = self._staging.run
        if not self._staging.number_of("SELECT count(*) FROM scratch.pairing"):
            return
        run("CREATE TABLE scratch.recalled AS FROM scratch.pair LIMIT 0")
        for here in self.each_part("row_id"):
            run(
                "INSERT INTO scratch.recalled SELECT p.ref, c.* FROM"
                f" (SELECT ref, row_id FROM scratch.pairing WHERE {here}) p"
                f" JOIN (FROM scratch.lone_client WHERE {here} AND ref IS NULL) c USING (row_id)"
            )
        for here in self.each_part("ref"):
            run(
                f"INSERT INTO scratch.late SELECT r.* FROM (FROM scratch.recalled WHERE {here}) r"
                f" SEMI JOIN (FROM scratch.lone_wanted WHERE {here}) w USING (ref)"
            )
        run("CREATE TABLE scratch.twice(row_id VARCHAR)")
        for here in self.each_part("row_id"):
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
            for here in self.each_part(column):
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
        for here in self.each_part("key"):
            here = f"{here} AND key <> ''"
            run(
                "INSERT INTO scratch.doubled_1c SELECT key, list(ref ORDER BY ref)"
                f" FROM {self.sides.parties} WHERE {here} AND {live}"
                f" AND key IN ({_doubled('key', self.sides.parties, f'{here} AND {live}')})"
                f" AND key IN (SELECT key FROM scratch.lone_wanted WHERE {here} AND live)"
                " GROUP BY key"
            )
            run(
                "INSERT INTO scratch.doubled_store SELECT key, row_ids FROM (SELECT key,"
                f" list(row_id ORDER BY row_id) row_ids, {_CHOSEN} chosen"
                f" FROM scratch.lone_client WHERE {here}"
                f" AND key IN ({_doubled('key', 'scratch.lone_client', here)})"
                f" AND key IN (SELECT key FROM scratch.lone_wanted WHERE {here}) GROUP BY key)"
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

    def key_overlap(self) -> tuple[int, int]:
        """Active clients with a key, and those of them whose key some counterparty has."""
        number = self._staging.number_of
        keyed = "FROM scratch.client WHERE active AND key <> ''"
        known = sum(
            number(
                f"""
                SELECT count(*)
                FROM ({keyed} AND {here}) client
                SEMI JOIN (SELECT key FROM wanted WHERE {here}) party USING (key)
                """
            )
            for here in self.each_part("key", whole=True)
        )
        return number(f"SELECT count(*) {keyed}"), known

    def example_keys(self, table: str, size: int) -> list[str]:
        """The first keys of a side, in their order."""
        rows = self._staging.rows(
            f"SELECT key FROM {table} WHERE key <> '' ORDER BY key LIMIT {size}"
        )
        return [key for (key,) in rows]

    def wanted_keys(self) -> Iterator[str]:
        """The pairing keys of 1C that are not empty."""
        for rows in self._staging.stream("SELECT key FROM wanted WHERE key <> ''"):
            yield from (key for (key,) in rows)

    def gone_from_both(self) -> Iterator[list[str]]:
        """Remembered Ref_Keys 1C no longer has and whose client is not active either."""
        for here in self.each_part("ref"):
            rows = self._staging.rows(
                f"SELECT p.ref FROM (FROM scratch.pairing WHERE {here}) p"
                " ANTI JOIN scratch.client c ON c.row_id = p.row_id AND c.active"
                f" WHERE p.ref NOT IN (SELECT ref FROM wanted WHERE {here})"
            )
            if rows:
                yield [str(ref) for (ref,) in rows]

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
            "SELECT row_id FROM scratch.pair WHERE row_id IN (SELECT unnest(?)) UNION ALL"
            f" SELECT row_id FROM {BRIEF} WHERE row_id IN (SELECT unnest(?))"
            f" AND row_id NOT IN (SELECT row_id FROM {self.sides.clients})",
            [list(rows), list(rows)],
        )
        return {row for (row,) in found}


def _doubled(column: str, table: str, where: str) -> str:
    """What a column holds more than once: found before anything is gathered, as it is rare.

    Gathering lists and minima for two hundred thousand single rows takes most of the memory.
    """
    return f"SELECT {column} FROM {table} WHERE {where} GROUP BY {column} HAVING count(*) > 1"
