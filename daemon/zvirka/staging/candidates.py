"""Which pairs deserve a look, and on what both sides agree: SQL over the staging.

Who is paired with whom is :mod:`zvirka.staging.pairing`'s; here pairs are compared by their
digests, with the last agreement as the third side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import msgspec

from zvirka.domain import Client
from zvirka.erp.protocol import IMAGE_SEPARATOR, ScanBatch, Scanned
from zvirka.identity import duckdb_key, duckdb_trimmed_list
from zvirka.staging import unchanged
from zvirka.staging.database import Page, Staging, page_of
from zvirka.staging.pairing import Pairing

_NOW = (
    "(FROM scratch.new_client UNION ALL FROM scratch.client"
    " WHERE row_id NOT IN (SELECT row_id FROM scratch.new_client))"
)
"""The store's rows as last read: single ones have been read again since the scan."""


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


class Candidates:
    """The pairing of one run. ``marks_count`` says whether a deletion mark means anything."""

    def __init__(self, staging: Staging, *, marks_count: bool) -> None:
        self._staging = staging
        self._marks_count = marks_count
        self._key = duckdb_key("key", is_ref=staging.mapping.key == "ref")
        self._image = f"hash({self._key}, image)"
        staging.run(
            "CREATE TABLE scratch.client(row_id VARCHAR, key VARCHAR, ref UUID, active BOOLEAN,"
            " digest UBIGINT, image UBIGINT);"
            "CREATE TABLE scratch.new_client AS FROM scratch.client;"
            f"CREATE TABLE {unchanged.BRIEF}(row_id VARCHAR, image UBIGINT);"
            "CREATE TABLE scratch.moved(what VARCHAR, ref UUID, row_id VARCHAR, key VARCHAR,"
            " client_key VARCHAR, wanted UBIGINT, client UBIGINT, image UBIGINT,"
            " agreed_wanted BOOLEAN, agreed_client BOOLEAN);"
            "CREATE TABLE scratch.candidate(what VARCHAR, ref UUID, row_id VARCHAR, key VARCHAR,"
            " agreed_wanted BOOLEAN, agreed_client BOOLEAN, refs UUID[], row_ids VARCHAR[]);"
            "CREATE TABLE scratch.settled(ref UUID, row_id VARCHAR);"
            "CREATE TABLE scratch.obsolete(ref UUID);"
        )
        self.pairing = Pairing(staging, marks_count=marks_count)

    # -- the store's side ----------------------------------------------------------------------

    def add_images(self, rows: Scanned) -> None:
        """Stage a page of a brief scan: one hash a row, which tells whether it is as it was."""
        page, source = _columns(rows)
        self._staging.insert(page, unchanged.BRIEF, select=f"row_id, {self._image}", source=source)

    def add_clients(self, rows: Scanned, table: str = "scratch.client") -> None:
        """Stage a page of the store's scan: keys and hashes only, values stay in the store."""
        page, source = _columns(rows)
        staging = self._staging
        digest = " + ".join(
            staging.trimmed_part(
                f"{'texts' if staging.is_exact(number) else 'parts'}[{number + 3}]", number
            )
            for number in range(len(staging.mapping.fields))
        )
        split = f"string_split(image, chr({ord(IMAGE_SEPARATOR)}))"
        trimmed = duckdb_trimmed_list("texts", "image", IMAGE_SEPARATOR)
        staging.insert(
            page,
            table,
            select=f"""
                row_id, {self._key}, try_cast(parts[2] AS UUID), parts[1] = '1',
                ({digest})::UBIGINT, {self._image}
            """,
            source=f"""
                (SELECT *, {trimmed} AS parts
                 FROM (SELECT *, {split} AS texts FROM {source}))
            """,
        )

    def scanning(self) -> AbstractContextManager[None]:
        """The pages added within are staged together, or none of them."""
        return self._staging.transaction()

    def forget_clients(self) -> None:
        """Begin another scan."""
        for table in ("scratch.client", "scratch.new_client", unchanged.BRIEF):
            self._staging.run(f"CREATE OR REPLACE TABLE {table} AS FROM {table} LIMIT 0")

    def find_loose(self) -> bool:
        """See :func:`zvirka.staging.unchanged.find_loose`."""
        return unchanged.find_loose(self._staging, marks_count=self._marks_count)

    def loose_rows(self) -> Iterator[list[str]]:
        """See :func:`zvirka.staging.unchanged.loose_rows`."""
        return unchanged.loose_rows(self._staging)

    def gather(self) -> bool:
        """See :func:`zvirka.staging.unchanged.gather`."""
        return unchanged.gather(self._staging)

    def pair(self) -> None:
        """Find who is whose client, among all of both sides."""
        self.pairing.find(unchanged.WHOLE)

    def pair_loose(self) -> None:
        """Find who is whose client, among what is loose."""
        unchanged.set_aside(self._staging)
        self.pairing.find(unchanged.LOOSE)

    def renew_clients(self, clients: Sequence[Client]) -> None:
        """Stage what the store holds now of single rows; it counts instead of the scan."""
        self._staging.run(
            "DELETE FROM scratch.new_client WHERE row_id IN (SELECT unnest(?))",
            [[client.row for client in clients]],
        )
        if clients:
            names = self._staging.mapping.names
            images = [
                IMAGE_SEPARATOR.join(
                    [
                        "1" if client.active else "0",
                        client.ref or "",
                        *(client.values.get(name) or "" for name in names),
                    ]
                )
                for client in clients
            ]
            rows, keys = [client.row for client in clients], [client.key for client in clients]
            self.add_clients(ScanBatch(rows, keys, images), "scratch.new_client")

    def ever_agreed(self) -> bool:
        """Whether there was a last agreement on anything at all."""
        return bool(self._staging.rows("SELECT 1 FROM mirror.agreed LIMIT 1"))

    def counts(self) -> tuple[int, int]:
        """Rows of the store, and the active ones among them; after the pairing.

        What was set aside is active, or nobody would have agreed on it.
        """
        number = self._staging.number_of
        rows = sum(
            number(f"SELECT count(*) FROM {scan}") for scan in ("scratch.client", unchanged.BRIEF)
        )
        idle = number(f"SELECT count(*) FROM {self.pairing.sides.clients} WHERE NOT active")
        return rows, rows - idle

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
        if self.pairing.nobody():
            return 0
        live = "NOT w.mark" if self._marks_count else "true"
        same = "w.digest = p.digest AND w.key = p.key AND coalesce(p.client_ref = w.ref, true)"
        for here in self.pairing.each_part("ref"):
            self._staging.run(
                "INSERT INTO scratch.moved SELECT"
                f" CASE WHEN NOT ({live}) THEN 'marked' WHEN NOT p.active THEN 'inactive'"
                f" WHEN {same} THEN 'agrees' ELSE 'different' END,"
                " w.ref, p.row_id, w.key, p.key, w.digest, p.digest, p.image,"
                " a.wanted = w.digest, a.client = p.digest"
                f" FROM (FROM scratch.pair WHERE {here}) p"
                f" JOIN (FROM {self.pairing.sides.parties} WHERE {here}) w USING (ref)"
                f" LEFT JOIN (FROM mirror.agreed WHERE {here}) a"
                " ON a.ref = p.ref AND a.row_id = p.row_id"
                f" WHERE CASE WHEN NOT ({live}) THEN p.active WHEN NOT p.active THEN true"
                " ELSE NOT coalesce(a.wanted = w.digest AND a.client = p.digest AND a.key = p.key"
                " AND a.image = p.image"
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
                " (SELECT list(row_id ORDER BY row_id)"
                f" FROM {self.pairing.sides.clients} c WHERE c.key = d.key)"
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

    def settle(self, pairs: Sequence[tuple[str, Client]]) -> None:
        """Note pairs found equal by the mapping's comparison, digests apart.

        The client is taken as it was read and judged: agreed is on that, and on no older scan.
        """
        if pairs:
            self.renew_clients([client for _, client in pairs])
            page = page_of(
                ref=[ref for ref, _ in pairs], row_id=[client.row for _, client in pairs]
            )
            self._staging.insert(page, "scratch.settled", uuid=("ref",))

    def agree(self, *, tidy: bool) -> None:
        """Write down on what both sides agree now; what is in dispute keeps its last agreement.

        ``tidy`` also forgets agreements on what is gone from both sides: a look at all of them.
        """
        staging = self._staging
        live = "NOT w.mark" if self._marks_count else "true"
        staging.run(
            "CREATE OR REPLACE TABLE scratch.news AS"
            " SELECT ref, client_key AS key, row_id, wanted, client, image FROM scratch.moved m"
            " WHERE what = 'agrees' AND ref NOT IN (SELECT ref FROM scratch.settled)"
            " UNION ALL SELECT w.ref, c.key, c.row_id, w.digest, c.digest, c.image"
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
        for here in self.pairing.each_part("ref", whole=True):
            run(
                "CREATE OR REPLACE TABLE scratch.suspect AS SELECT ref, row_id FROM mirror.agreed"
                f" WHERE {here} AND ref NOT IN (SELECT ref FROM wanted WHERE {here})"
            )
            run(
                "INSERT INTO scratch.obsolete SELECT s.ref FROM scratch.suspect s"
                f" ANTI JOIN {self.pairing.sides.clients} c ON c.row_id = s.row_id AND c.active"
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


def _columns(rows: Scanned) -> tuple[Page, str]:
    """A page of the scan, and what to select its columns row_id, key and image from."""
    if isinstance(rows, ScanBatch):
        return page_of(row_id=rows.rows, key=rows.keys, image=rows.images), "page"
    page = page_of(row_id=[rows.rows], key=[rows.keys], image=[rows.images])
    texts = ", ".join(
        f"unnest(from_json(decode({name}), '[\"VARCHAR\"]')) AS {name}" for name in page
    )
    return page, f"(SELECT {texts} FROM page)"
