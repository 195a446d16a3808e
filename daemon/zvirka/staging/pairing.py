"""Finds which client belongs to which counterparty, in SQL, part by part.

Pairs are found in this order, each client and each counterparty at most once:

1. by Ref_Key, where the store keeps one;
2. by the remembered pairing of Ref_Key and row, where the store keeps none, so that a client stays
   the same when its Код changes;
3. by key.

An empty key and a key that occurs more than once are never guessed; they are left for the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zvirka.staging.agreement import AGREED
from zvirka.staging.database import Staging, parts
from zvirka.staging.remembered_pairs import REMEMBERED
from zvirka.staging.source_mirror import WANTED
from zvirka.staging.store_scan import BRIEF, CLIENT_COLUMNS, CLIENTS

PAIRS = "scratch.pair"
"""Ref_Key, and what is needed of the client, so that it need not be looked up again."""
UNPAIRED_RECORDS = "scratch.unpaired_record"
UNPAIRED_CLIENTS = "scratch.unpaired_client"
DUPLICATE_REFS = "scratch.duplicate_ref"
DUPLICATE_KEYS_1C = "scratch.duplicate_key_1c"
DUPLICATE_KEYS_STORE = "scratch.duplicate_key_store"
_FOUND = "scratch.pair_found"
_SHARED_REFS = "scratch.shared_ref"
_RECALLED = "scratch.recalled"
_RECALLED_IN_VAIN = "scratch.recalled_in_vain"
_WITHOUT_ROW = "scratch.record_without_row"
_REST = "scratch.rest"

_CHOSEN = """
    CASE
        WHEN count(*) FILTER (active) = 1 THEN min(row_id) FILTER (active)
        WHEN count(*) FILTER (active) = 0 AND count(*) = 1 THEN min(row_id)
    END
"""
"""The client a group of rows stands for: the only active one or, without any, the only one."""


class Sides(NamedTuple):
    """The tables to be paired: clients of the store, counterparties of 1C."""

    clients: str
    records: str


WHOLE = Sides(CLIENTS, WANTED)


class Pairing:
    """The pairs of one run and what is left unpaired on either side."""

    def __init__(self, staging: Staging, *, marks_count: bool) -> None:
        self._staging = staging
        self._live = "NOT mark" if marks_count else "true"
        self.sides = WHOLE
        self._parts = self._whole_parts = 1
        run = staging.run
        for table in (PAIRS, _FOUND):
            run(
                f"""
                CREATE TABLE {table}(
                    ref UUID, row_id VARCHAR, key VARCHAR, client_ref UUID, active BOOLEAN,
                    digest UBIGINT, image UBIGINT, stable UBIGINT
                )
                """
            )
        run(
            f"""
            CREATE TABLE {UNPAIRED_RECORDS}(
                ref UUID, key VARCHAR, mark BOOLEAN, digest UBIGINT, live BOOLEAN
            )
            """
        )
        run(f"CREATE TABLE {UNPAIRED_CLIENTS} AS FROM {CLIENTS} LIMIT 0")
        run(f"CREATE TABLE {DUPLICATE_REFS}(ref UUID, row_ids VARCHAR[])")
        run(f"CREATE TABLE {DUPLICATE_KEYS_1C}(key VARCHAR, refs UUID[])")
        run(f"CREATE TABLE {DUPLICATE_KEYS_STORE}(key VARCHAR, row_ids VARCHAR[])")

    def find(self, sides: Sides = WHOLE) -> None:
        """Find the pairs of two sides; the module's docstring has the order.

        Every join is split into parts by the hash of its column, so that no hash table holds more
        than some hundred thousand rows.
        """
        self.sides = sides
        self._parts = self._staging.parts_of(*self.sides)
        self._whole_parts = self._staging.parts_of(*WHOLE, BRIEF)
        if self.is_empty():
            return
        self._pair_by_ref()
        self._pair_by_memory()
        self._pair_by_key()

    def is_empty(self) -> bool:
        """Whether neither side has a row."""
        return not any(self._staging.rows(f"FROM {table} LIMIT 1") for table in self.sides)

    def each_part(self, column: str, *, whole: bool = False) -> Iterator[str]:
        """SQL conditions that split :attr:`sides` (or the whole of both) into parts."""
        return parts(column, self._whole_parts if whole else self._parts)

    def _pair_by_ref(self) -> None:
        run = self._staging.run
        clients, records = self.sides
        for here in self.each_part("ref"):
            run(
                f"""
                CREATE OR REPLACE TABLE {_SHARED_REFS} AS
                SELECT ref, list(row_id ORDER BY row_id) AS row_ids, {_CHOSEN} AS chosen
                FROM {clients}
                WHERE {here}
                    AND ref IN ({_repeated("ref", clients, here)})
                    AND ref IN (SELECT ref FROM {records} WHERE {here})
                GROUP BY ref
                """
            )
            run(
                f"""
                INSERT INTO {DUPLICATE_REFS}
                SELECT ref, row_ids FROM {_SHARED_REFS} WHERE chosen IS NULL
                """
            )
            run(
                f"""
                INSERT INTO {PAIRS}
                SELECT ref, c.*
                FROM (SELECT {CLIENT_COLUMNS} FROM {clients} WHERE {here}) c
                SEMI JOIN (SELECT ref FROM {records} WHERE {here}) w USING (ref)
                WHERE ref NOT IN (SELECT ref FROM {_SHARED_REFS})
                    OR row_id IN (SELECT chosen FROM {_SHARED_REFS})
                """
            )
            run(
                f"""
                INSERT INTO {UNPAIRED_RECORDS}
                SELECT *, {self._live}
                FROM {records}
                WHERE {here}
                    AND ref NOT IN (SELECT ref FROM {PAIRS} WHERE {here})
                    AND ref NOT IN (SELECT ref FROM {DUPLICATE_REFS})
                """
            )
        for here in self.each_part("row_id"):
            run(
                f"""
                INSERT INTO {UNPAIRED_CLIENTS}
                SELECT {CLIENT_COLUMNS}
                FROM {clients}
                WHERE {here}
                    AND row_id NOT IN (SELECT row_id FROM {PAIRS} WHERE {here})
                    AND row_id NOT IN (SELECT unnest(row_ids) FROM {DUPLICATE_REFS})
                """
            )

    def _pair_by_memory(self) -> None:
        """Pair what earlier runs paired, where the store does not keep the Ref_Key."""
        run = self._staging.run
        if not self._staging.number_of(f"SELECT count(*) FROM {REMEMBERED}"):
            return
        run(f"CREATE TABLE {_RECALLED} AS FROM {PAIRS} LIMIT 0")
        for here in self.each_part("row_id"):
            run(
                f"""
                INSERT INTO {_RECALLED}
                SELECT p.ref, c.*
                FROM (SELECT ref, row_id FROM {REMEMBERED} WHERE {here}) p
                JOIN (FROM {UNPAIRED_CLIENTS} WHERE {here} AND ref IS NULL) c USING (row_id)
                """
            )
        for here in self.each_part("ref"):
            run(
                f"""
                INSERT INTO {_FOUND}
                SELECT r.*
                FROM (FROM {_RECALLED} WHERE {here}) r
                SEMI JOIN (FROM {UNPAIRED_RECORDS} WHERE {here}) w USING (ref)
                """
            )
        run(f"CREATE TABLE {_RECALLED_IN_VAIN}(row_id VARCHAR)")
        for here in self.each_part("row_id"):
            run(f"INSERT INTO {_RECALLED_IN_VAIN} {_repeated('row_id', _FOUND, here)}")
        self._note_rows_of_others()
        if self._staging.rows(f"FROM {_RECALLED_IN_VAIN} LIMIT 1"):
            run(
                f"""
                CREATE OR REPLACE TABLE {_FOUND} AS
                FROM {_FOUND} WHERE row_id NOT IN (FROM {_RECALLED_IN_VAIN})
                """
            )
        self._take_found()

    def _note_rows_of_others(self) -> None:
        """Collect the recalled rows that belong to other clients now.

        The database used a primary key again, as after a restored backup: the row has the key of
        a counterparty without a row and holds what that one should have, or had when both sides
        last agreed. A row that still is as its own counterparty left it stays that one's: there
        the code has moved in 1C.
        """
        run = self._staging.run
        run(f"CREATE TABLE {_WITHOUT_ROW} AS FROM {UNPAIRED_RECORDS} LIMIT 0")
        for here in self.each_part("ref"):
            run(
                f"""
                INSERT INTO {_WITHOUT_ROW}
                FROM {UNPAIRED_RECORDS}
                WHERE {here} AND live AND ref NOT IN (SELECT ref FROM {_FOUND} WHERE {here})
                """
            )
        for here in self.each_part("key"):
            run(
                f"""
                INSERT INTO {_RECALLED_IN_VAIN}
                WITH other AS (
                    SELECT f.row_id, f.ref, f.stable, w.ref AS heir, w.digest = f.digest AS equal
                    FROM (FROM {_FOUND} WHERE {here}) f
                    JOIN (FROM {_WITHOUT_ROW} WHERE {here}) w USING (key)
                    ANTI JOIN (FROM {UNPAIRED_RECORDS} WHERE {here}) own
                        ON own.ref = f.ref AND own.key = f.key
                ),
                agreed AS (
                    SELECT ref, client
                    FROM {AGREED}
                    WHERE ref IN (SELECT ref FROM other UNION ALL SELECT heir FROM other)
                )
                SELECT row_id
                FROM other
                WHERE (equal OR (heir, stable) IN (FROM agreed))
                    AND (ref, stable) NOT IN (FROM agreed)
                """
            )

    def _take_found(self) -> None:
        """Move what was just paired from the unpaired to the pairs."""
        run = self._staging.run
        for table, column in ((UNPAIRED_RECORDS, "ref"), (UNPAIRED_CLIENTS, "row_id")):
            run(f"CREATE TABLE {_REST} AS FROM {table} LIMIT 0")
            for here in self.each_part(column):
                run(
                    f"""
                    INSERT INTO {_REST}
                    FROM {table}
                    WHERE {here} AND {column} NOT IN (SELECT {column} FROM {_FOUND} WHERE {here})
                    """
                )
            run(f"DROP TABLE {table}")
            run(f"ALTER TABLE {_REST} RENAME TO {table.partition('.')[2]}")
        run(f"INSERT INTO {PAIRS} FROM {_FOUND}")
        run(f"CREATE OR REPLACE TABLE {_FOUND} AS FROM {PAIRS} LIMIT 0")

    def _pair_by_key(self) -> None:
        """Pair by key what neither Ref_Key nor memory has paired; find the duplicate keys."""
        run = self._staging.run
        records = self.sides.records
        for part in self.each_part("key"):
            here = f"{part} AND key <> ''"
            living = f"{here} AND {self._live}"
            run(
                f"""
                INSERT INTO {DUPLICATE_KEYS_1C}
                SELECT key, list(ref ORDER BY ref)
                FROM {records}
                WHERE {living}
                    AND key IN ({_repeated("key", records, living)})
                    AND key IN (SELECT key FROM {UNPAIRED_RECORDS} WHERE {here} AND live)
                GROUP BY key
                """
            )
            run(
                f"""
                INSERT INTO {DUPLICATE_KEYS_STORE}
                SELECT key, row_ids
                FROM (
                    SELECT key, list(row_id ORDER BY row_id) AS row_ids, {_CHOSEN} AS chosen
                    FROM {UNPAIRED_CLIENTS}
                    WHERE {here}
                        AND key IN ({_repeated("key", UNPAIRED_CLIENTS, here)})
                        AND key IN (SELECT key FROM {UNPAIRED_RECORDS} WHERE {here})
                    GROUP BY key
                )
                WHERE chosen IS NULL
                """
            )
            run(
                f"""
                INSERT INTO {_FOUND}
                SELECT w.paired_ref, c.*
                FROM (
                    SELECT
                        key,
                        CASE
                            WHEN count(*) FILTER (live) = 1 THEN min(ref) FILTER (live)
                            WHEN count(*) FILTER (live) = 0 THEN min(ref)
                        END AS paired_ref
                    FROM {UNPAIRED_RECORDS}
                    WHERE {here}
                    GROUP BY key
                ) w
                JOIN (
                    SELECT key, {_CHOSEN} AS chosen
                    FROM {UNPAIRED_CLIENTS}
                    WHERE {here}
                    GROUP BY key
                ) k USING (key)
                JOIN (
                    SELECT {CLIENT_COLUMNS} FROM {UNPAIRED_CLIENTS} WHERE {here}
                ) c ON c.row_id = k.chosen
                WHERE w.paired_ref IS NOT NULL
                    AND w.key NOT IN (SELECT key FROM {DUPLICATE_KEYS_1C})
                """
            )
        self._take_found()

    def key_overlap(self) -> tuple[int, int]:
        """Active clients with a key, and those of them whose key some counterparty has."""
        number = self._staging.number_of
        keyed = f"FROM {CLIENTS} WHERE active AND key <> ''"
        known = sum(
            number(
                f"""
                SELECT count(*)
                FROM ({keyed} AND {here}) client
                SEMI JOIN (SELECT key FROM {WANTED} WHERE {here}) record USING (key)
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
        for rows in self._staging.stream(f"SELECT key FROM {WANTED} WHERE key <> ''"):
            yield from (key for (key,) in rows)

    def has_client(self, ref: str) -> bool:
        """Whether a counterparty is paired with a client in this run."""
        return bool(self._staging.rows(f"FROM {PAIRS} WHERE ref = ?::UUID LIMIT 1", [ref]))

    def paired_rows(self, rows: Sequence[str]) -> set[str]:
        """Those of the rows that are paired in this run."""
        found = self._staging.rows(
            f"""
            SELECT row_id FROM {PAIRS} WHERE row_id IN (SELECT unnest(?))
            UNION ALL
            SELECT row_id FROM {BRIEF}
            WHERE row_id IN (SELECT unnest(?))
                AND row_id NOT IN (SELECT row_id FROM {self.sides.clients})
            """,
            [list(rows), list(rows)],
        )
        return {row for (row,) in found}


def _repeated(column: str, table: str, where: str) -> str:
    """A query of the values that occur more than once in a column.

    It runs before lists and minima are gathered: gathering them for two hundred thousand groups
    of a single row takes most of the memory.
    """
    return f"SELECT {column} FROM {table} WHERE {where} GROUP BY {column} HAVING count(*) > 1"
