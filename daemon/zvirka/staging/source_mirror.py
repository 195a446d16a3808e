"""The mirror: what 1C held at the last pull, kept between runs.

It stores objects (Ref_Key, DataVersion, deletion mark, attributes, links), lines (values stored
outside the object; *light* lines are those that no DataVersion of the counterparty covers), and,
for each counterparty, its pairing key and the digest of what the store should hold. A mirror of
another mapping or of another hash function is deleted, a damaged one is set aside; either way the
next pull is full.

Rows of a full pull are not deleted one by one: a thousand deletes scattered over a million rows
pin every block of the table in memory. Rows that changed since are stored in tables of their own,
and the ``gone_…`` tables name the Ref_Keys whose rows of the full pull no longer count. Readers use
the views :data:`WANTED`, ``_OBJECT`` and ``_LINE``.

Values longer than :data:`zvirka.staging.values.LONGEST` are stored in a short form. It is enough
to see whether both sides are equal; the whole value is known only of counterparties that this run
has refreshed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime

from loguru import logger

from zvirka.domain import Counterparty
from zvirka.errors import StagingError
from zvirka.onec.protocol import LineBatch, ObjectBatch, Source
from zvirka.staging.database import DamagedFileError, Staging, set_aside
from zvirka.staging.mirror_layout import MirrorLayout
from zvirka.staging.mirror_stamp import MirrorStamp
from zvirka.staging.object_batches import gathered
from zvirka.staging.seen_versions import SEEN, Moved, SeenVersions
from zvirka.staging.source_digests import SourceDigests
from zvirka.staging.values import is_shortened

WANTED = "memory.wanted"
"""View: Ref_Key, pairing key, deletion mark and digest of each counterparty."""
_OBJECT = "memory.object"
_LINE = "memory.line"
_REFRESHED = "refreshed_object"

_MIRROR = "mirror"
_NEXT = "next"
_LINES = "field UTINYINT, via UTINYINT, ref UUID, ord INTEGER, value VARCHAR"
_DIGESTS = "ref UUID, key VARCHAR, mark BOOLEAN, digest UBIGINT"
_KEPT_APART = ("object", "wanted", "line", "light")
"""The rows of a full pull that can be replaced, each with its table ``gone_…``."""


class SourceMirror:
    """The 1C side of one run.

    ``known`` says whether there is a full pull that a light pull can build upon, ``stamp`` when 1C
    was pulled. ``seen`` holds what the light pull under way has seen.
    """

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self.stamp = MirrorStamp(staging, _MIRROR)
        self._layout = MirrorLayout(staging.mapping)
        self._digests = SourceDigests(staging, self._layout.attributes, self._layout.links)
        self._whole_values: dict[str, str] = {}
        self.known = self._open()
        self.seen = SeenVersions(staging)

    # -- opening -------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Attach the mirror if it is sound and has this stamp; otherwise begin an empty one."""
        staging = self._staging
        staging.remove(_NEXT)
        if staging.path(_MIRROR).exists():
            try:
                staging.attach(_MIRROR)
                if self.stamp.fits():
                    self._create_views()
                    # A damaged object is found by the light pull, in time for a full one.
                    staging.check_readable(WANTED)
                    return True
                staging.detach(_MIRROR)
                staging.remove(_MIRROR)
            except DamagedFileError:
                self.set_aside()
                return False
        self._begin()
        return False

    def _begin(self) -> None:
        self._staging.attach(_MIRROR)
        self._create_tables(_MIRROR)
        self._create_views()
        self.known = False

    def set_aside(self) -> None:
        """Put a damaged mirror aside and begin an empty one; the next pull has to be full."""
        with contextlib.suppress(StagingError):
            self._staging.detach(_MIRROR)
        kept = set_aside(self._staging.path(_MIRROR))
        logger.warning("the mirror was damaged and set aside, 1C is pulled in full", kept=str(kept))
        self._begin()

    def _create_tables(self, schema: str) -> None:
        run = self._staging.run
        values = "".join(f", {column} VARCHAR" for column in self._layout.value_columns)
        links = "".join(f", {column} UUID" for column in self._layout.link_columns)
        for prefix in ("", "new_"):
            run(
                f"""
                CREATE TABLE {schema}.{prefix}object(
                    ref UUID, version VARCHAR, mark BOOLEAN{values}{links}
                )
                """
            )
            run(f"CREATE TABLE {schema}.{prefix}line({_LINES})")
            run(f"CREATE TABLE {schema}.{prefix}wanted({_DIGESTS})")
        run(f"CREATE TABLE {schema}.light_line({_LINES})")
        for table in _KEPT_APART:
            run(f"CREATE TABLE {schema}.gone_{table}(ref UUID)")
        self.stamp.create(schema)

    def _create_views(self) -> None:
        run = self._staging.run
        for view, table in ((_OBJECT, "object"), (WANTED, "wanted")):
            run(
                f"""
                CREATE OR REPLACE VIEW {view} AS
                FROM {_MIRROR}.{table} WHERE ref NOT IN (FROM {_MIRROR}.gone_{table})
                UNION ALL
                FROM {_MIRROR}.new_{table}
                """
            )
        run(
            f"""
            CREATE OR REPLACE VIEW {_LINE} AS
            FROM {_MIRROR}.line WHERE ref NOT IN (FROM {_MIRROR}.gone_line)
            UNION ALL
            FROM {_MIRROR}.new_line
            UNION ALL
            FROM {_MIRROR}.light_line WHERE ref NOT IN (FROM {_MIRROR}.gone_light)
            """
        )

    # -- a full pull ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def full_pull(self, pulled_at: datetime, looked_on: date) -> Iterator[None]:
        """Build a new mirror beside the old one; it replaces the old one only when complete.

        ``looked_on`` is the day of the base on which the pull begins.
        """
        staging = self._staging
        staging.remove(_NEXT)
        staging.attach(_NEXT)
        try:
            with staging.transaction():
                self._create_tables(_NEXT)
                yield
                self._drop_repeated()
                self._resolve(
                    f"{_NEXT}.wanted",
                    f"{_NEXT}.object",
                    f"(FROM {_NEXT}.line UNION ALL FROM {_NEXT}.light_line)",
                )
                self.stamp.put(_NEXT, pulled_at, looked_on)
        except BaseException:
            with contextlib.suppress(StagingError):
                staging.detach(_NEXT)
            staging.remove(_NEXT)
            raise
        staging.detach(_NEXT)
        staging.detach(_MIRROR)
        staging.remove(_MIRROR)
        staging.path(_NEXT).replace(staging.path(_MIRROR))
        staging.attach(_MIRROR)
        self.known = True

    def add_objects(self, batch: ObjectBatch) -> None:
        """Stage a page of a full pull: whole objects."""
        self._add_objects(batch, f"{_NEXT}.object")

    def add_lines(self, batch: LineBatch) -> None:
        """Stage a page of a full pull: values of one field that are stored outside the object."""
        table = "light_line" if self._layout.is_light(batch.field) else "line"
        self._add_lines(batch, f"{_NEXT}.{table}")

    def _add_objects(
        self, batch: ObjectBatch, table: str, kept: dict[str, str] | None = None
    ) -> None:
        if batch.refs:
            page = self._layout.object_page(batch, kept)
            self._staging.insert(page, table, uuid=("ref", *self._layout.link_columns))

    def _add_lines(self, batch: LineBatch, table: str, kept: dict[str, str] | None = None) -> None:
        if batch.refs:
            page, constants = self._layout.line_page(batch, kept)
            self._staging.insert(page, table, uuid=("ref",), constants=constants)

    def _resolve(self, into: str, objects: str, lines: str, *, few: bool = False) -> None:
        for query in self._digests.queries(objects, lines, few=few):
            self._staging.run(f"INSERT INTO {into} {query}")

    def _drop_repeated(self) -> None:
        """Keep one row of each object: rows move between pages, and keyset pages overlap."""
        rows = self._staging.number_of(f"SELECT count(*) FROM {_NEXT}.object")
        if rows > self.pulled_count():
            self._staging.run(
                f"""
                DELETE FROM {_NEXT}.object
                WHERE rowid NOT IN (SELECT max(rowid) FROM {_NEXT}.object GROUP BY ref)
                """
            )

    def pulled_count(self) -> int:
        """Distinct counterparties of the full pull under way."""
        return self._staging.distinct("ref", f"{_NEXT}.object")

    def unseen_versions(self) -> list[str]:
        """Ref_Keys of the light pull that the full pull under way has missed."""
        rows = self._staging.rows(
            f"""
            SELECT DISTINCT s.ref
            FROM {SEEN} s
            LEFT JOIN {_NEXT}.object o USING (ref)
            WHERE o.ref IS NULL
            """
        )
        return [str(ref) for (ref,) in rows]

    def drop_unseen(self) -> None:
        """Remove from the full pull under way what the second look no longer saw."""
        self._staging.run(f"DELETE FROM {_NEXT}.object WHERE ref NOT IN (SELECT ref FROM {SEEN})")

    # -- a light pull --------------------------------------------------------------------------

    def moved(self) -> Moved:
        """How the versions seen by the light pull differ from the mirror."""
        return self.seen.compare(_OBJECT)

    # -- single counterparties -----------------------------------------------------------------

    def refresh(self, source: Source, refs: Sequence[str], tick: Callable[[int], None]) -> set[str]:
        """Fetch counterparties whole from 1C; return the Ref_Keys that 1C returned.

        Raises:
            SourceError: 1C cannot be read.
        """
        self._whole_values.clear()
        fetched: set[str] = set()
        for objects, lines in gathered(source.fetch(refs)):
            self._replace(objects, lines)
            fetched.update(objects.refs)
            tick(len(objects.refs))
        return fetched

    def _replace(self, objects: ObjectBatch, lines: Sequence[LineBatch]) -> None:
        """Replace what the mirror holds of some objects."""
        staging = self._staging
        with staging.transaction():
            self.forget(objects.refs)
            self._add_objects(objects, f"{_MIRROR}.new_object", self._whole_values)
            holders = {ref for batch in lines if batch.via for ref in batch.refs}
            self._leave_out("light", sorted(holders))
            for batch in lines:
                self._add_lines(batch, f"{_MIRROR}.new_line", self._whole_values)
            staging.run(
                f"CREATE OR REPLACE TEMP TABLE {_REFRESHED} AS SELECT unnest(?)::UUID AS ref",
                [objects.refs],
            )
            self._resolve(
                f"{_MIRROR}.new_wanted",
                f"(FROM {_MIRROR}.new_object WHERE ref IN (FROM {_REFRESHED}))",
                _LINE,
                few=True,
            )

    def forget(self, refs: Sequence[str]) -> None:
        """Remove what 1C no longer has. The agreement stays, as evidence of the deletion."""
        if refs:
            for table in _KEPT_APART:
                self._leave_out(table, refs)

    def _leave_out(self, table: str, refs: Sequence[str]) -> None:
        run = self._staging.run
        new = "new_line" if table == "light" else f"new_{table}"
        run(f"DELETE FROM {_MIRROR}.{new} WHERE ref IN (SELECT unnest(?)::UUID)", [list(refs)])
        run(
            f"""
            INSERT INTO {_MIRROR}.gone_{table}
            SELECT DISTINCT ref
            FROM (SELECT unnest(?)::UUID AS ref)
            WHERE ref NOT IN (FROM {_MIRROR}.gone_{table})
            """,
            [list(refs)],
        )

    def renew_light_lines(self, batches: Iterable[LineBatch], tick: Callable[[], None]) -> None:
        """Replace the lines no DataVersion covers (partners, registers) and resolve all again."""
        if not self._layout.light:
            return
        run = self._staging.run
        light = ", ".join(map(str, self._layout.light))
        with self._staging.transaction():
            run(f"CREATE OR REPLACE TABLE {_MIRROR}.light_line({_LINES})")
            for batch in batches:
                self._add_lines(batch, f"{_MIRROR}.light_line")
                tick()
            # They are complete and newer than the lines fetched for single holders.
            run(f"DELETE FROM {_MIRROR}.new_line WHERE field IN ({light})")
            run(f"DELETE FROM {_MIRROR}.gone_light")
            run(f"CREATE OR REPLACE TABLE {_MIRROR}.whole({_DIGESTS})")
            self._resolve(f"{_MIRROR}.whole", _OBJECT, _LINE)
            run(f"DROP TABLE {_MIRROR}.wanted")
            run(f"ALTER TABLE {_MIRROR}.whole RENAME TO wanted")
            run(f"DELETE FROM {_MIRROR}.new_wanted")
            run(f"DELETE FROM {_MIRROR}.gone_wanted")

    # -- reading -------------------------------------------------------------------------------

    def count(self) -> int:
        """Distinct counterparties in the mirror."""
        return self._staging.number_of(f"SELECT count(*) FROM {WANTED}")

    def has_keys(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that some counterparty of the mirror has."""
        if not keys:
            return set()
        rows = self._staging.rows(
            f"SELECT DISTINCT key FROM {WANTED} WHERE key IN (SELECT unnest(?))", [list(keys)]
        )
        return {key for (key,) in rows}

    def refs_with(self, keys: Sequence[str]) -> set[str]:
        """The Ref_Keys of the counterparties that have one of the keys."""
        found = self._staging.rows(
            f"SELECT ref FROM {WANTED} WHERE key IN (SELECT unnest(?))", [list(keys)]
        )
        return {str(ref) for (ref,) in found}

    def counterparties(self, refs: Sequence[str]) -> dict[str, Counterparty]:
        """Whole counterparties by Ref_Key, those the mirror has.

        One with a value that the mirror has only in the short form is left out.
        """
        found = {}
        for record in self.staged(refs):
            for name, value in record.values.items():
                if is_shortened(value):
                    record.values[name] = self._whole_values.get(value or "", value)
            if not any(map(is_shortened, record.values.values())):
                found[record.ref] = record
        return found

    def shortened(self, refs: Sequence[str]) -> list[str]:
        """Those of the Ref_Keys with a value that the mirror has only in the short form."""
        return [
            record.ref
            for record in self.staged(refs)
            if any(map(is_shortened, record.values.values()))
        ]

    def staged(self, refs: Sequence[str]) -> Iterator[Counterparty]:
        """Counterparties as the mirror has them, long values in the short form."""
        if not refs:
            return
        columns = [*self._layout.value_columns, *self._layout.link_columns]
        rows = self._staging.rows(
            f"""
            SELECT o.ref, o.version, o.mark, w.key{"".join(f", o.{name}" for name in columns)}
            FROM {_OBJECT} o
            JOIN {WANTED} w USING (ref)
            WHERE o.ref IN (SELECT unnest(?)::UUID)
            """,
            [list(refs)],
        )
        lines = self._staging.rows(
            f"""
            SELECT ref, field, arg_min(value, ord)
            FROM {_LINE}
            WHERE ref IN (SELECT unnest(?)::UUID)
            GROUP BY ref, field
            """,
            [self._layout.holders(rows)],
        )
        yield from self._layout.records(
            rows, {(str(ref), field): value for ref, field, value in lines}
        )
