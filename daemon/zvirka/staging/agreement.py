"""The agreement: the state on which both sides last agreed, the third side of every cause.

It cannot be recomputed, so it lives in a file of its own beside the journal, not in ``staging/``.
Each pair of Ref_Key and row has two sorts of digests:

* ``wanted`` and ``client``: :func:`zvirka.staging.values.stable_digest` of 1C's values and of the
  store's. They are valid for as long as the mapping stays the same;
* ``wanted_hash``, ``client_hash`` and ``image_hash``: DuckDB hashes, which cost a tenth as much
  and are compared for every row of every run. They are NULL after a change of the hash function
  and come back as pairs agree again. Until then the stable digests decide.

The file is checked when it is opened: its format, the mapping it was written for, and the
checksums of all its blocks. A file that fails is set aside; the run goes on without it and every
cause is unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import msgspec
from loguru import logger

from zvirka.domain import Client, Counterparty
from zvirka.mapping import Comparison, Mapping
from zvirka.staging.database import DamagedFileError, Staging, page_of, set_aside
from zvirka.staging.source_mirror import WANTED
from zvirka.staging.store_scan import CURRENT, StoreScan
from zvirka.staging.values import stable_digest

AGREED = "agreement.agreed"
_META = "agreement.meta"
_NEXT = "agreement.next"
_SETTLED = "scratch.settled"
_NEWS = "scratch.newly_agreed"
_GONE = "scratch.gone_from_both"
_SUSPECT = "scratch.gone_from_1c"

_FORMAT = 1
_FEW = 1000
"""Up to this many changes are made in place; past it, rewriting the table takes less memory."""


class Agreement:
    """The last agreement, opened for one run.

    ``known`` is false when there is no usable agreement: before the first complete run, or when
    the file was lost, damaged, or written for another mapping.
    """

    def __init__(self, staging: Staging, path: Path) -> None:
        self._staging = staging
        self._path = path
        self._mapping = _fingerprint(staging.mapping)
        self.known = self._open()
        staging.run(f"CREATE TABLE {_SETTLED}(ref UUID, row_id VARCHAR, stable UBIGINT)")
        staging.run(f"CREATE TABLE {_GONE}(ref UUID)")

    # -- opening -------------------------------------------------------------------------------

    def _open(self) -> bool:
        if self._path.exists():
            reason, suffix = self._refusal()
            if not reason:
                return self._current()
            kept = set_aside(self._path, suffix)
            logger.warning("the agreement cannot be used", reason=reason, kept=str(kept))
        self._staging.attach("agreement", self._path)
        return self._begin()

    def _refusal(self) -> tuple[str, str]:
        """Attach the file; say why it cannot be used, and detach it then."""
        staging = self._staging
        try:
            staging.attach("agreement", self._path)
        except DamagedFileError:
            return "the file is damaged", "damaged"
        try:
            if not _has_tables(staging, "agreement", "meta", "agreed"):
                reason = "the file is not complete", "damaged"
            elif staging.number_of(f"SELECT format FROM {_META}") != _FORMAT:
                reason = "another version of zvirka wrote it", "other-format"
            elif staging.rows(f"SELECT mapping FROM {_META}") != [(self._mapping,)]:
                reason = "it was written for another mapping", "other-mapping"
            else:
                staging.check_readable(AGREED)
                return "", ""
        except DamagedFileError:
            reason = "the file is damaged", "damaged"
        staging.detach("agreement")
        return reason

    def _current(self) -> bool:
        """Drop the hashes if this DuckDB computes others."""
        staging = self._staging
        ((hashing, complete),) = staging.rows(f"SELECT hashing, complete FROM {_META}")
        if hashing != staging.hashing:
            logger.info("DuckDB's hash function has changed; the stable digests are compared")
            with staging.transaction():
                staging.run(
                    f"""
                    CREATE TABLE {_NEXT} AS
                    SELECT * REPLACE (
                        NULL::UBIGINT AS wanted_hash,
                        NULL::UBIGINT AS client_hash,
                        NULL::UBIGINT AS image_hash
                    )
                    FROM {AGREED}
                    """
                )
                self._swap()
                staging.run(f"UPDATE {_META} SET hashing = ?", [staging.hashing])
        return bool(complete)

    def _begin(self) -> bool:
        """Create the tables; take the agreement over from a mirror of version 0.1.0."""
        staging = self._staging
        previous, complete = self._previous()
        with staging.transaction():
            staging.run(
                f"""
                CREATE TABLE {AGREED}(
                    ref UUID, key VARCHAR, row_id VARCHAR,
                    wanted UBIGINT, client UBIGINT,
                    wanted_hash UBIGINT, client_hash UBIGINT, image_hash UBIGINT
                )
                """
            )
            staging.run(f"INSERT INTO {AGREED} {previous}")
            staging.run(
                f"""
                CREATE TABLE {_META} AS
                SELECT {_FORMAT} AS format, ? AS mapping, ? AS hashing, ?::BOOLEAN AS complete
                """,
                [self._mapping, staging.hashing, complete],
            )
        if complete:
            staging.detach("previous")
            logger.info("the agreement was taken over from the staging of version 0.1.0")
        return complete

    def _previous(self) -> tuple[str, bool]:
        """Attach a mirror of version 0.1.0, which kept the agreement: its rows, if usable."""
        staging = self._staging
        nothing = f"FROM {AGREED} LIMIT 0", False
        if not staging.path("mirror").exists():
            return nothing
        try:
            staging.attach("previous", staging.path("mirror"))
        except DamagedFileError:
            return nothing
        stamp = f"4|{duckdb.__version__}|{staging.mapping.fingerprint()}"
        try:
            if _has_tables(staging, "previous", "stamp", "agreed") and staging.rows(
                "SELECT stamp FROM previous.stamp"
            ) == [(stamp,)]:
                staging.check_readable("previous.agreed")
                rows = """
                    SELECT ref, key, row_id, NULL, NULL, wanted, client, image FROM previous.agreed
                """
                return rows, True
        except DamagedFileError:
            logger.warning("the agreement of version 0.1.0 is damaged")
        staging.detach("previous")
        return nothing

    # -- reading -------------------------------------------------------------------------------

    def is_empty(self) -> bool:
        """Whether both sides have not agreed on anything, as far as this file knows."""
        return not (self.known and self._staging.rows(f"FROM {AGREED} LIMIT 1"))

    def can_screen(self) -> bool:
        """Whether unchanged rows can be recognised by their hashes."""
        return not self.is_empty() and bool(
            self._staging.rows(
                f"FROM {AGREED} WHERE image_hash IS NOT NULL AND wanted IS NOT NULL LIMIT 1"
            )
        )

    # -- writing -------------------------------------------------------------------------------

    def settle(self, scan: StoreScan, pairs: Sequence[tuple[Counterparty, Client]]) -> None:
        """Note pairs that the mapping's comparison found equal although their digests differ.

        The client is staged as it was just read, so that this version is agreed on and no older
        one.
        """
        if not pairs:
            return
        scan.reread([client for _, client in pairs])
        mapping = self._staging.mapping
        page = page_of(
            ref=[record.ref for record, _ in pairs],
            row_id=[client.row for _, client in pairs],
            stable=[str(stable_digest(mapping, record.values)) for record, _ in pairs],
        )
        self._staging.insert(page, _SETTLED, select="ref::UUID, row_id, stable::UBIGINT")

    def forget_gone(self, clients: str, each_part: Iterable[str], live: str) -> None:
        """Note agreements to drop: on what is marked, and on what is gone from both sides."""
        run = self._staging.run
        for here in each_part:
            run(
                f"""
                CREATE OR REPLACE TABLE {_SUSPECT} AS
                SELECT ref, row_id
                FROM {AGREED}
                WHERE {here} AND ref NOT IN (SELECT ref FROM {WANTED} WHERE {here})
                """
            )
            run(
                f"""
                INSERT INTO {_GONE}
                SELECT s.ref
                FROM {_SUSPECT} s
                ANTI JOIN {clients} c ON c.row_id = s.row_id AND c.active
                UNION ALL
                SELECT w.ref FROM {WANTED} w WHERE {here} AND NOT ({live})
                """
            )

    def write(self, equal: str, live: str, *, complete: bool) -> None:
        """Record the pairs that agree now; disputed pairs keep their last agreement.

        Args:
            equal: a query of pairs with equal digests: Ref_Key, key, row, hash of 1C's values,
                hash of the client's values, image hash, stable digest.
            live: an SQL condition on ``w``: the counterparty wants a client.
            complete: both sides were compared as a whole.
        """
        staging = self._staging
        staging.run(
            f"""
            CREATE OR REPLACE TABLE {_NEWS} AS
            SELECT ref, key, row_id, stable AS wanted, stable AS client, wanted_hash, client_hash,
                image_hash
            FROM ({equal})
            WHERE ref NOT IN (SELECT ref FROM {_SETTLED})
            UNION ALL
            SELECT w.ref, c.key, c.row_id, s.stable, c.stable, w.digest, c.digest, c.image
            FROM (
                SELECT ref, row_id, arg_max(stable, rowid) AS stable
                FROM {_SETTLED}
                GROUP BY ref, row_id
            ) s
            JOIN {WANTED} w USING (ref)
            JOIN {CURRENT} c ON c.row_id = s.row_id
            WHERE c.active AND {live}
            """
        )
        with staging.transaction():
            self._apply()
            if complete and not self.known:
                staging.run(f"UPDATE {_META} SET complete = true")
        self.known = self.known or complete

    def _apply(self) -> None:
        staging = self._staging
        changes = sum(staging.number_of(f"SELECT count(*) FROM {each}") for each in (_NEWS, _GONE))
        if not changes:
            return
        outdated = f"""
            ref IN (SELECT ref FROM {_NEWS})
            OR row_id IN (SELECT row_id FROM {_NEWS})
            OR ref IN (FROM {_GONE})
        """
        if changes <= _FEW:
            staging.run(f"DELETE FROM {AGREED} WHERE {outdated}")
            staging.run(f"INSERT INTO {AGREED} FROM {_NEWS}")
            return
        staging.run(f"CREATE TABLE {_NEXT} AS FROM {AGREED} WHERE NOT ({outdated})")
        staging.run(f"INSERT INTO {_NEXT} FROM {_NEWS}")
        self._swap()

    def _swap(self) -> None:
        self._staging.run(f"DROP TABLE {AGREED}")
        self._staging.run(f"ALTER TABLE {_NEXT} RENAME TO {AGREED.partition('.')[2]}")


def _has_tables(staging: Staging, schema: str, *names: str) -> bool:
    found = staging.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [schema])
    return {name for (name,) in found} >= set(names)


def _fingerprint(mapping: Mapping) -> str:
    """A digest of what the stable digests depend on: the fields, their order, trimming, the key."""
    parts = [
        mapping.catalog,
        mapping.key_name,
        [
            (field.name, field.source, mapping.comparison(field) is Comparison.EXACT)
            for field in mapping.fields
        ],
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
