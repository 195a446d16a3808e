"""The mirror: what 1C said last, counterparty by counterparty, kept between runs.

Tables: ``object`` (Ref_Key, DataVersion, deletion mark, attributes, links), ``line`` and
``light_line`` (values that live outside the object), ``wanted`` (the pairing key and the digest of
what the store should hold), ``agreed`` (the pair of digests on which both sides last agreed – the
third side of every cause – and the hash of the row's image then) and ``stamp``. A mirror of
another mapping or another DuckDB is thrown away.

What a full pull brought is never deleted from: a thousand deletes scattered over a million rows
pin every block of the table in memory, far past the limit. What changed since stands beside it
in ``new_object``, ``new_line`` and ``new_wanted``; ``gone_…`` name the Ref_Keys whose rows of the
full pull no longer count. Readers see the views ``object``, ``line`` and ``wanted``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from zvirka.domain import ZERO_REF, Counterparty
from zvirka.errors import StagingError
from zvirka.mapping import Attribute, RegisterLine
from zvirka.onec.protocol import LineBatch, ObjectBatch, VersionBatch
from zvirka.staging.database import Staging, page_of
from zvirka.staging.source_digests import SourceDigests

_FULL = "next"
_LINE = "(field UTINYINT, via UTINYINT, ref UUID, ord INTEGER, value VARCHAR)"
_WANTED = "(ref UUID, key VARCHAR, mark BOOLEAN, digest UBIGINT)"
_GONE = ("object", "wanted", "line", "light")


class Moved(NamedTuple):
    """How a light pull differs from the mirror.

    ``stale`` are the Ref_Keys the mirror does not have, or has in another version or mark;
    ``gone`` those the light pull did not see. ``went_back`` says that some DataVersion is older
    than the mirror's: a backup was restored.
    """

    stale: list[str]
    gone: list[str]
    went_back: bool


class SourceMirror:
    """The 1C side of one run's staging.

    ``known`` says whether the last full pull can be built upon (a light pull is possible).
    """

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        mapping = staging.mapping
        self._light = [
            number
            for number, field in enumerate(mapping.fields)
            if getattr(field.source, "via", "") or isinstance(field.source, RegisterLine)
        ]
        self._attributes = [
            (number, field)
            for number, field in enumerate(mapping.fields)
            if isinstance(field.source, Attribute) and not field.source.via
        ]
        self.links = sorted({getattr(field.source, "via", "") for field in mapping.fields} - {""})
        self._wanted = SourceDigests(
            staging, [number for number, _ in self._attributes], self.links
        )
        self.known = self._open()
        self._show()
        staging.run("CREATE TEMP TABLE seen(ref UUID, version VARCHAR, mark BOOLEAN)")

    def _open(self) -> bool:
        """Attach the mirror if it is whole and of this stamp, else begin an empty one."""
        staging = self._staging
        staging.remove(_FULL)
        if staging.path("mirror").exists():
            try:
                staging.attach("mirror")
                if staging.rows("SELECT stamp FROM mirror.stamp") == [(staging.stamp,)]:
                    return True
            except StagingError:
                pass
            with contextlib.suppress(StagingError):
                staging.detach("mirror")
            staging.remove("mirror")
        staging.attach("mirror")
        self._create("mirror")
        return False

    def _create(self, schema: str) -> None:
        run = self._staging.run
        values = "".join(f", f{number} VARCHAR" for number, _ in self._attributes)
        links = "".join(f", l{number} UUID" for number in range(len(self.links)))
        for new in ("", "new_"):
            run(
                f"CREATE TABLE {schema}.{new}object"
                f"(ref UUID, version VARCHAR, mark BOOLEAN{values}{links})"
            )
            run(f"CREATE TABLE {schema}.{new}line{_LINE}")
            run(f"CREATE TABLE {schema}.{new}wanted{_WANTED}")
        run(f"CREATE TABLE {schema}.light_line{_LINE}")
        for table in _GONE:
            run(f"CREATE TABLE {schema}.gone_{table}(ref UUID)")
        run(
            f"CREATE TABLE {schema}.agreed"
            "(ref UUID, key VARCHAR, row_id VARCHAR, wanted UBIGINT, client UBIGINT, image UBIGINT)"
        )
        run(f"CREATE TABLE {schema}.stamp(stamp VARCHAR, pulled_at VARCHAR)")

    def _show(self) -> None:
        """The views that readers see, over what was pulled in full and what changed since."""
        run = self._staging.run
        for table in ("object", "wanted"):
            run(
                f"CREATE OR REPLACE VIEW {table} AS FROM mirror.{table}"
                f" WHERE ref NOT IN (FROM mirror.gone_{table}) UNION ALL FROM mirror.new_{table}"
            )
        run(
            "CREATE OR REPLACE VIEW line AS FROM mirror.line"
            " WHERE ref NOT IN (FROM mirror.gone_line) UNION ALL FROM mirror.new_line"
            " UNION ALL FROM mirror.light_line WHERE ref NOT IN (FROM mirror.gone_light)"
        )

    # -- a full pull ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def full_pull(self, pulled_at: str) -> Iterator[None]:
        """Build the mirror anew beside the old one; it takes its place only when complete."""
        staging = self._staging
        staging.remove(_FULL)
        staging.attach(_FULL)
        try:
            with staging.transaction():
                self._create(_FULL)
                yield
                self._distinct()
                self._wanted.resolve(f"{_FULL}.wanted", f"{_FULL}.object", self._pulled_lines)
                staging.run(f"INSERT INTO {_FULL}.agreed SELECT * FROM mirror.agreed")
                staging.run(f"INSERT INTO {_FULL}.stamp VALUES (?, ?)", [staging.stamp, pulled_at])
        except BaseException:
            with contextlib.suppress(StagingError):
                staging.detach(_FULL)
            staging.remove(_FULL)
            raise
        staging.detach(_FULL)
        staging.detach("mirror")
        staging.remove("mirror")
        staging.path(_FULL).replace(staging.path("mirror"))
        staging.attach("mirror")
        self.known = True

    @property
    def _pulled_lines(self) -> str:
        return f"(FROM {_FULL}.line UNION ALL FROM {_FULL}.light_line)"

    def add_objects(self, batch: ObjectBatch, table: str = f"{_FULL}.object") -> None:
        """Stage a page of whole objects."""
        if not batch.refs:
            return
        page = page_of(
            ref=batch.refs,
            version=batch.versions,
            mark=batch.marks,
            **{f"f{number}": batch.values[field.name] for number, field in self._attributes},
            **{
                f"l{number}": [ref or ZERO_REF for ref in batch.links[link]]
                for number, link in enumerate(self.links)
            },
        )
        links = [name for name in page if name[0] == "l"]
        self._staging.insert(page, table, uuid=("ref", *links))

    def add_lines(self, batch: LineBatch, table: str = "") -> None:
        """Stage a page of outside values of one field, in a full pull unless a table is named."""
        if not batch.refs:
            return
        field = self._staging.number[batch.field]
        table = table or f"{_FULL}.{'light_line' if field in self._light else 'line'}"
        via = self.links.index(batch.via) + 1 if batch.via else 0
        page = page_of(ref=batch.refs, ord=batch.orders, value=batch.values)
        self._staging.insert(page, table, uuid=("ref",), constants=(field, via))

    def _distinct(self) -> None:
        """Drop what came twice: rows move between pages, keyset pages overlap."""
        staging = self._staging
        rows = staging.number_of(f"SELECT count(*) FROM {_FULL}.object")
        if rows > self.pulled_count():
            staging.run(
                f"DELETE FROM {_FULL}.object WHERE rowid NOT IN"
                f" (SELECT max(rowid) FROM {_FULL}.object GROUP BY ref)"
            )

    # -- a light pull --------------------------------------------------------------------------

    def see_versions(self, batch: VersionBatch) -> None:
        """Stage a page of the light pull."""
        if batch.refs:
            page = page_of(ref=batch.refs, version=batch.versions, mark=batch.marks)
            self._staging.insert(page, "temp.seen", uuid=("ref",))

    def forget_seen(self) -> None:
        """Begin a second look."""
        self._staging.run("DELETE FROM temp.seen")

    def seen_count(self) -> int:
        """Distinct counterparties of the light pull."""
        return self._staging.distinct("ref", "temp.seen")

    def moved(self) -> Moved:
        """What the light pull saw otherwise than the mirror has it."""
        self._staging.run(
            "CREATE OR REPLACE TEMP TABLE moved AS SELECT s.ref, o.ref AS known,"
            " s.version, o.version AS before FROM temp.seen s FULL JOIN object o ON o.ref = s.ref"
            " WHERE NOT coalesce(o.version = s.version AND o.mark = s.mark, false)"
        )
        return Moved(
            stale=self._refs("SELECT DISTINCT ref FROM temp.moved WHERE ref IS NOT NULL"),
            gone=self._refs("SELECT known FROM temp.moved WHERE ref IS NULL"),
            went_back=bool(
                self._staging.number_of(
                    "SELECT count(*) FROM temp.moved WHERE version <> before"
                    " AND try(from_base64(version)) < try(from_base64(before))"
                )
            ),
        )

    def _refs(self, sql: str) -> list[str]:
        return [str(ref) for (ref,) in self._staging.rows(sql)]

    def unseen_versions(self) -> list[str]:
        """Refs of the light pull that the full pull under way has lost."""
        return self._refs(
            f"SELECT DISTINCT s.ref FROM temp.seen s LEFT JOIN {_FULL}.object o USING (ref)"
            " WHERE o.ref IS NULL"
        )

    def pulled_count(self) -> int:
        """Distinct counterparties of the full pull under way."""
        return self._staging.distinct("ref", f"{_FULL}.object")

    def drop_unseen(self) -> None:
        """Remove from the full pull under way what the second look no longer saw."""
        self._staging.run(
            f"DELETE FROM {_FULL}.object WHERE ref NOT IN (SELECT ref FROM temp.seen)"
        )

    def forget(self, refs: Sequence[str]) -> None:
        """Remove what 1C no longer has; what was agreed of it stays, as evidence of a delete."""
        if not refs:
            return
        for table in _GONE:
            self._leave_out(table, refs)

    def _leave_out(self, table: str, refs: Sequence[str]) -> None:
        run = self._staging.run
        new = "new_line" if table == "light" else f"new_{table}"
        run(f"DELETE FROM mirror.{new} WHERE ref IN (SELECT unnest(?)::UUID)", [list(refs)])
        run(
            f"INSERT INTO mirror.gone_{table} SELECT DISTINCT ref"
            f" FROM (SELECT unnest(?)::UUID ref) WHERE ref NOT IN (FROM mirror.gone_{table})",
            [list(refs)],
        )

    def replace(self, objects: ObjectBatch, lines: Iterable[LineBatch]) -> None:
        """Put freshly fetched objects in the place of what the mirror held of them."""
        if not objects.refs:
            return
        staging = self._staging
        with staging.transaction():
            self.forget(objects.refs)
            self.add_objects(objects, "mirror.new_object")
            fresh = list(lines)
            holders = {ref for batch in fresh if batch.via for ref in batch.refs}
            self._leave_out("light", sorted(holders))
            for batch in fresh:
                self.add_lines(batch, "mirror.new_line")
            staging.run("CREATE OR REPLACE TEMP TABLE renewed(ref UUID)")
            staging.run("INSERT INTO renewed SELECT unnest(?)::UUID", [objects.refs])
            self._wanted.resolve(
                "mirror.new_wanted",
                "(FROM mirror.new_object WHERE ref IN (FROM renewed))",
                "line",
                few=True,
            )

    def renew_light_lines(self, batches: Iterable[LineBatch], tick: Callable[[], None]) -> None:
        """Replace the lines no DataVersion covers (partners, registers) and resolve anew."""
        if not self._light:
            return
        run = self._staging.run
        light = ", ".join(map(str, self._light))
        with self._staging.transaction():
            run(f"CREATE OR REPLACE TABLE mirror.light_line{_LINE}")
            for batch in batches:
                self.add_lines(batch, "mirror.light_line")
                tick()
            # They are newer than what a fetch brought for single holders, and whole.
            run(f"DELETE FROM mirror.new_line WHERE field IN ({light})")
            run("DELETE FROM mirror.gone_light")
            run(f"CREATE OR REPLACE TABLE mirror.whole{_WANTED}")
            self._wanted.resolve("mirror.whole", "object", "line")
            run("DROP TABLE mirror.wanted")
            run("ALTER TABLE mirror.whole RENAME TO wanted")
            run("DELETE FROM mirror.new_wanted")
            run("DELETE FROM mirror.gone_wanted")

    # -- reading -------------------------------------------------------------------------------

    def pulled_at(self) -> str:
        """When the mirror was last pulled in full (ISO 8601), '' when never."""
        rows = self._staging.rows("SELECT pulled_at FROM mirror.stamp")
        return str(rows[0][0]) if rows else ""

    def count(self) -> int:
        """Distinct counterparties in the mirror."""
        return self._staging.number_of("SELECT count(*) FROM wanted")

    def has_keys(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that some counterparty of the mirror has."""
        if not keys:
            return set()
        rows = self._staging.rows(
            "SELECT DISTINCT key FROM wanted WHERE key IN (SELECT unnest(?))", [list(keys)]
        )
        return {key for (key,) in rows}

    def refs_with(self, keys: Sequence[str]) -> set[str]:
        """The Ref_Keys of the counterparties that have one of the keys."""
        found = self._staging.rows(
            "SELECT ref FROM wanted WHERE key IN (SELECT unnest(?))", [list(keys)]
        )
        return {str(ref) for (ref,) in found}

    def counterparties(self, refs: Sequence[str]) -> dict[str, Counterparty]:
        """Whole counterparties by Ref_Key, those the mirror has."""
        if not refs:
            return {}
        attributes = "".join(f", o.f{number}" for number, _ in self._attributes)
        links = "".join(f", o.l{number}" for number in range(len(self.links)))
        rows = self._staging.rows(
            f"SELECT o.ref, o.version, o.mark, w.key{attributes}{links} FROM object o"
            " JOIN wanted w USING (ref) WHERE o.ref IN (SELECT unnest(?)::UUID)",
            [list(refs)],
        )
        first_link = 4 + len(self._attributes)
        holders = {str(ref) for row in rows for ref in (row[0], *row[first_link:]) if ref}
        outside = self._outside(sorted(holders))
        found: dict[str, Counterparty] = {}
        for ref, version, mark, key, *rest in rows:
            holder_of = {0: str(ref)}
            for number in range(len(self.links)):
                holder_of[number + 1] = str(rest[len(self._attributes) + number])
            values: dict[str, str | None] = {}
            for number, field in enumerate(self._staging.mapping.fields):
                link = getattr(field.source, "via", "")
                via = self.links.index(link) + 1 if link else 0
                values[field.name] = outside.get((holder_of[via], number))
            for (_, field), value in zip(self._attributes, rest, strict=False):
                values[field.name] = value
            found[str(ref)] = Counterparty(
                ref=str(ref), key=key, version=version, deletion_mark=mark, values=values
            )
        return found

    def _outside(self, holders: Sequence[str]) -> dict[tuple[str, int], str | None]:
        if len(self._attributes) == len(self._staging.mapping.fields):
            return {}
        rows = self._staging.rows(
            "SELECT ref, field, arg_min(value, ord) FROM line"
            " WHERE ref IN (SELECT unnest(?)::UUID) GROUP BY ref, field",
            [list(holders)],
        )
        return {(str(ref), field): value for ref, field, value in rows}
