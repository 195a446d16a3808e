"""The DuckDB session of one run. Both sides are staged on disk, so memory stays flat.

Three files are attached:

* the *mirror* (``staging/mirror.duckdb``): what 1C held at the last pull. A cache, owned by
  :mod:`zvirka.staging.source_mirror`;
* the *scratch* (``staging/scratch.duckdb``): this run's scan of the store and the pairing. It is
  removed after the run;
* the *agreement* (``agreement.duckdb``, outside ``staging/``): the state on which both sides last
  agreed. Not a cache; owned by :mod:`zvirka.staging.agreement`.

All of them hold personal data or digests of it and have mode 0600. Each table has one owner: the
module that names it in a constant and writes to it. Other modules read it through that constant.

Only digests are joined. A digest is the sum, over the fields, of a 56-bit hash of (trimmed value,
field number), so that parts staged separately (attributes, contact lines) can be added up. Equal
digests mean equal rows; rows with different digests are compared field by field. Collisions are
expected once in 1e11 runs over a million rows. DuckDB does not promise that ``hash()`` stays the
same in another version. :attr:`Staging.hashing` identifies the hash function in use, and whatever
stores a digest stores this value too.

Why DuckDB and not SQLite, measured for 1,000,000 counterparties with 3,000,000 lines on two
cores: load, resolve and compare take 9–10 s at a peak of 172 MB, against 29 s at 83 MB. Columns
are passed as NumPy object arrays and not as Arrow, because importing pyarrow alone takes 80 MB.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
from loguru import logger

from zvirka.errors import StagingError
from zvirka.identity import duckdb_trimmed
from zvirka.mapping import Comparison, Mapping
from zvirka.message import Message, coded
from zvirka.private_files import make_private_directory

_MEMORY = "64MB"
_ROW_GROUP = 20480
_DIGEST_FORMAT = 5
"""Increased when the way a digest is made of values changes."""
_HASH_SAMPLE = """
    SELECT bit_xor(xor(hash(text, number::UTINYINT), hash(text, text || 'Ї')))
    FROM (SELECT repeat(chr(1000 + number::INTEGER), number::INTEGER) AS text, number
          FROM range(64) numbers(number))
"""
"""A number that another hash function would give differently: short and long texts."""
_DAMAGE = ("corrupt database file", "could not read enough bytes", "not a valid duckdb")

PARTITION = 200_000
"""Number of rows whose joins and groups fit into the memory limit."""

Page = dict[str, "np.ndarray[Any, Any]"]
"""Columns of one page by name; DuckDB scans them without a copy."""


def parts(column: str, number: int) -> Iterator[str]:
    """SQL conditions that split a table into disjoint parts by the hash of a column."""
    for part in range(number):
        yield f"hash({column}) % {number} = {part}"


def page_of(**columns: Sequence[Any]) -> Page:
    """Turn lists of strings, booleans and ``None`` into columns that DuckDB can scan."""
    page: Page = {}
    for name, values in columns.items():
        array = np.empty(len(values), dtype=object)
        array[:] = values
        page[name] = array
    return page


class DamagedFileError(StagingError):
    """A staging file was truncated or overwritten; DuckDB's checksums do not match."""


@contextlib.contextmanager
def staging_errors(place: Path) -> Iterator[None]:
    """Turn DuckDB's exceptions into :class:`StagingError` with a remedy."""
    try:
        yield
    except duckdb.ConversionException as error:
        raise StagingError(
            coded("ZV1401", "1C returned a reference that is not a GUID"),
            place=str(place),
            remedy=Message("find the object in the log of 1C's web server; nothing was written"),
        ) from error
    except (duckdb.Error, OSError) as error:
        raise _explained(error, str(place)) from error


def _explained(error: duckdb.Error | OSError, place: str) -> StagingError:
    text = str(error).lower()
    if any(sign in text for sign in _DAMAGE):
        return DamagedFileError(
            coded("ZV5104", "a file of the staging database is damaged"),
            place=place,
            remedy=Message(
                "run again: the file is set aside and 1C is read in full; nothing is lost"
            ),
        )
    # DuckDB reports a failed spill as lack of memory, with the real reason in a later line.
    if any(word in text for word in ("no space left", "max_temp_directory", "disk")):
        return StagingError(
            coded("ZV4301", "the staging database cannot be written: no space left on the disk"),
            place=place,
            remedy=Message(
                "free disk space in state_dir and run again; nothing was written to the ERP"
            ),
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return StagingError(
            coded(
                "ZV4302",
                "the staging database needs more memory than its limit of {memory}",
                memory=_MEMORY,
            ),
            place=place,
            remedy=Message(
                "report it with the number of counterparties; nothing was written to the ERP"
            ),
        )
    return StagingError(
        coded(
            "ZV4303",
            "the staging database cannot be used ({kind})",
            kind=type(error).__name__,
        ),
        place=place,
        remedy=Message("check the owner and the permissions of state_dir, then run again"),
    )


def set_aside(path: Path, reason: str = "damaged") -> Path:
    """Rename an unusable file so that it can be examined; only the newest of a reason is kept.

    Returns the new path: the old name, the reason, and the time of its last change.
    """
    for older in path.parent.glob(f"{path.name}.{reason}-*"):
        older.unlink()
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    kept = path.with_name(f"{path.name}.{reason}-{changed:%Y%m%dT%H%M%SZ}")
    path.replace(kept)
    _wal(path).unlink(missing_ok=True)
    return kept


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


class Staging:
    """One in-memory DuckDB session for one run, to which the files are attached.

    ``hashing`` identifies the digests this session computes: digests stored under another value
    must not be compared with them.

    Raises:
        StagingError: from every method, when the disk is full or a file cannot be used.
    """

    def __init__(self, directory: Path, mapping: Mapping, *, threads: int = 2) -> None:
        self.directory = directory
        self.mapping = mapping
        self.number = {field.name: number for number, field in enumerate(mapping.fields)}
        self._exact = [
            number
            for number, field in enumerate(mapping.fields)
            if mapping.comparison(field) is Comparison.EXACT
        ]
        with staging_errors(directory):
            make_private_directory(directory)
            self._db = duckdb.connect(
                config={
                    "memory_limit": _MEMORY,
                    "threads": threads,
                    "preserve_insertion_order": False,
                    "temp_directory": str(directory / "spill"),
                }
            )
            self.remove("scratch")
            self.attach("scratch")
        self.hashing = f"{_DIGEST_FORMAT}|{self.number_of(_HASH_SAMPLE)}"

    def path(self, name: str) -> Path:
        """The file of a staging database."""
        return self.directory / f"{name}.duckdb"

    def attach(self, name: str, path: Path | None = None) -> None:
        """Open or create a file as the schema ``name``, readable by its owner only."""
        path = path or self.path(name)
        quoted = str(path).replace("'", "''")
        with staging_errors(path):
            self._db.execute(f"ATTACH '{quoted}' AS {name} (ROW_GROUP_SIZE {_ROW_GROUP})")
            path.chmod(0o600)

    def detach(self, name: str) -> None:
        """Close a file."""
        self.run(f"DETACH {name}")

    def remove(self, name: str) -> None:
        """Delete the file of a database that is not attached."""
        path = self.path(name)
        for each in (path, _wal(path)):
            each.unlink(missing_ok=True)

    def check_readable(self, source: str) -> None:
        """Read all columns of a table or subquery, so that DuckDB verifies their checksums.

        Raises:
            DamagedFileError: a checksum does not match.
        """
        self.run(f"SELECT bit_xor(hash(COLUMNS(*))) FROM {source}").fetchall()

    def close(self) -> None:
        """Close all files and remove the scratch."""
        self._db.close()
        with contextlib.suppress(OSError):
            self.remove("scratch")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, *__: object
    ) -> None:
        """Close; after a damage found in the middle of a run, set the mirror aside for the next.

        It can only be the mirror: the agreement was checked when opened, the scratch is new.
        """
        self.close()
        if isinstance(error, DamagedFileError) and self.path("mirror").exists():
            kept = set_aside(self.path("mirror"))
            logger.warning("the mirror was damaged and set aside", kept=str(kept))

    def run(self, sql: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        """Execute one statement."""
        with staging_errors(self.directory):
            return self._db.execute(sql, list(values))

    def number_of(self, sql: str, values: Sequence[Any] = ()) -> int:
        """The single number a query returns; 0 for NULL or no row."""
        row = self.run(sql, values).fetchone()
        return int(row[0] or 0) if row else 0

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, for answers that are known to be small."""
        with staging_errors(self.directory):
            return self._db.execute(sql, list(values)).fetchall()

    def parts_of(self, *tables: str) -> int:
        """How many parts joins of these tables need, so that each part fits into memory."""
        rows = max(self.number_of(f"SELECT count(*) FROM {table}") for table in tables)
        return max(1, rows // PARTITION)

    def distinct(self, column: str, table: str) -> int:
        """Count the distinct values of a column, NULL excluded."""
        counted = f"SELECT count(DISTINCT {column}) FROM {table} WHERE"
        return sum(
            self.number_of(f"{counted} {here}") for here in parts(column, self.parts_of(table))
        )

    def stream(self, sql: str, values: Sequence[Any] = (), size: int = 1000) -> Iterator[list[Any]]:
        """Rows of a query in batches, on a separate cursor so that other statements may run."""
        with staging_errors(self.directory):
            cursor = self._db.cursor().execute(sql, list(values))
        while True:
            with staging_errors(self.directory):
                rows = cursor.fetchmany(size)
            if not rows:
                return
            yield rows

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run statements in one transaction.

        Staging many pages in one transaction takes two thirds of the time of single inserts.
        """
        self.run("BEGIN")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with contextlib.suppress(StagingError):
                self.run("ROLLBACK")
            raise

    def insert(
        self,
        page: Page,
        table: str,
        *,
        uuid: Sequence[str] = (),
        constants: Sequence[int] = (),
        select: str = "",
        source: str = "page",
    ) -> None:
        """Append a page to a table, columns in order.

        ``select`` replaces the column list, ``source`` is a subquery over ``page``.
        """
        wanted = [f"{name}::UUID" if name in uuid else name for name in page]
        columns = select or ", ".join([*map(str, constants), *wanted])
        with staging_errors(self.directory):
            self._db.execute(f"INSERT INTO {table} SELECT {columns} FROM {source}")

    def trimmed(self, value: str, number: int | str) -> str:
        """SQL for a field's value as it is compared: trimmed, unless it is compared exactly."""
        text = duckdb_trimmed(value)
        if isinstance(number, int):
            return value if number in self._exact else text
        if self._exact:
            exact = ", ".join(map(str, self._exact))
            return f"CASE WHEN {number} IN ({exact}) THEN {value} ELSE {text} END"
        return text

    def part(self, value: str, number: int | str) -> str:
        """SQL for one field's part of a digest; 0 for NULL, for an empty value and for no value.

        ``number`` is the field's, or SQL for it. Both sides go through this expression.
        """
        text = self.trimmed(value, number)
        return (
            f"(CASE WHEN {value} IS NULL OR {text} = '' THEN 0"
            f" ELSE hash({text}, ({number})::UTINYINT) >> 8 END)::UBIGINT"
        )

    def is_exact(self, number: int) -> bool:
        """Whether a field is compared with the blanks around it."""
        return number in self._exact

    def trimmed_part(self, value: str, number: int) -> str:
        """:meth:`part` for a value that is already trimmed and never NULL: four times as fast."""
        return f"(CASE WHEN {value} = '' THEN 0 ELSE hash({value}, {number}::UTINYINT) >> 8 END)"
