"""Staging: where both sides meet, on disk, in DuckDB, so that memory stays flat at a million rows.

Two databases, both caches that may be deleted at any time at the price of one full pull:

* the *mirror* (``mirror.duckdb`` in the state directory, personal data, mode 0600) keeps what 1C
  said last; :mod:`zvirka.staging.source_mirror` knows its tables;
* the *scratch* (``scratch.duckdb``) keeps this run's scan of the store and the pairing of both
  sides and is removed after the run; :mod:`zvirka.staging.candidates` knows its tables.

Only digests are joined. A digest is the sum, over the fields, of a 56-bit hash of (trimmed value,
field number), so it can be added up from attributes and lines that arrive apart. Equal digests
are equal rows; unequal ones are compared field by field with the mapping's own comparison.
Collisions: about 1e-11 for a million rows a night. The hash is DuckDB's, stable for one version
only, so the version is part of the mirror's stamp.

Why DuckDB and not SQLite, measured for 1,000,000 counterparties with 3,000,000 lines on two
cores: load, resolve and compare 9–10 s at 172 MB peak, against 29 s at 83 MB. Columns enter as
NumPy object arrays and not as Arrow: importing pyarrow alone costs 80 MB.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from zvirka.errors import StagingError
from zvirka.identity import duckdb_trimmed
from zvirka.mapping import Comparison, Mapping

_MEMORY = "64MB"
_ROW_GROUP = 20480

PARTITION = 200_000
"""Rows whose joins and groups fit into the memory of the staging."""

Page = dict[str, "np.ndarray[Any, Any]"]
"""Columns of one page by name, as DuckDB scans them without a copy."""


def parts(column: str, number: int) -> Iterator[str]:
    """Conditions that together hold for every row once."""
    for part in range(number):
        yield f"hash({column}) % {number} = {part}"


def page_of(**columns: Sequence[Any]) -> Page:
    """Lists as columns: strings, booleans and ``None`` as object arrays."""
    page: Page = {}
    for name, values in columns.items():
        array = np.empty(len(values), dtype=object)
        array[:] = values
        page[name] = array
    return page


@contextlib.contextmanager
def staging_errors(place: Path) -> Iterator[None]:
    """Turn DuckDB's exceptions into :class:`StagingError` with the remedy."""
    try:
        yield
    except duckdb.ConversionException as error:
        raise StagingError(
            "1C gave a reference that is no GUID",
            place=str(place),
            remedy="see which object the log of 1C's web server names; nothing was written",
        ) from error
    except (duckdb.Error, OSError) as error:
        cause, remedy = _trouble(error)
        raise StagingError(cause, place=str(place), remedy=remedy) from error


def _trouble(error: duckdb.Error | OSError) -> tuple[str, str]:
    """What is the matter, and what to do about it."""
    text = str(error).lower()
    # What cannot be spilled is told as lack of memory as well, with the reason a line below.
    if any(word in text for word in ("no space left", "max_temp_directory", "disk")):
        return (
            "the staging database cannot be written: no space left on the disk",
            "free disk space in state_dir and run again; nothing was written to the ERP",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"the staging needs more memory than the {_MEMORY} it may take",
            "report it with the number of counterparties; nothing was written to the ERP",
        )
    return (
        f"the staging database cannot be used ({type(error).__name__})",
        "delete mirror.duckdb in state_dir (it is a cache; the next pull is full)",
    )


class Staging:
    """One in-memory DuckDB session with the staging files attached, for one run.

    Raises:
        StagingError: from every method, when the disk is full or a file cannot be used.
    """

    def __init__(self, directory: Path, mapping: Mapping, *, threads: int = 2) -> None:
        self.directory = directory
        self.mapping = mapping
        self.number = {field.name: number for number, field in enumerate(mapping.fields)}
        self.stamp = f"5|{duckdb.__version__}|{mapping.fingerprint()}"
        self._exact = [
            number
            for number, field in enumerate(mapping.fields)
            if mapping.comparison(field) is Comparison.EXACT
        ]
        with staging_errors(directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
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

    def path(self, name: str) -> Path:
        """The file of a staging database."""
        return self.directory / f"{name}.duckdb"

    def attach(self, name: str) -> None:
        """Open (or begin) the file of that name under that name, readable by its owner only."""
        path = self.path(name)
        quoted = str(path).replace("'", "''")
        with staging_errors(self.directory):
            self._db.execute(f"ATTACH '{quoted}' AS {name} (ROW_GROUP_SIZE {_ROW_GROUP})")
            path.chmod(0o600)

    def detach(self, name: str) -> None:
        """Close a file."""
        self.run(f"DETACH {name}")

    def remove(self, name: str) -> None:
        """Delete the file of a database that is not attached."""
        for path in (self.path(name), self.directory / f"{name}.duckdb.wal"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close everything and remove the scratch."""
        self._db.close()
        with contextlib.suppress(OSError):
            self.remove("scratch")

    def run(self, sql: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        """Execute one statement."""
        with staging_errors(self.directory):
            return self._db.execute(sql, list(values))

    def number_of(self, sql: str, values: Sequence[Any] = ()) -> int:
        """The single number a query gives; 0 for NULL or no row."""
        row = self.run(sql, values).fetchone()
        return int(row[0] or 0) if row else 0

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, for answers that are known to be small."""
        with staging_errors(self.directory):
            return self._db.execute(sql, list(values)).fetchall()

    def parts_of(self, *tables: str) -> int:
        """Into how many parts the joins of the tables go, so that each fits into memory."""
        rows = max(self.number_of(f"SELECT count(*) FROM {table}") for table in tables)
        return max(1, rows // PARTITION)

    def distinct(self, column: str, table: str) -> int:
        """How many different values a column holds; NULL is none."""
        counted = f"SELECT count(DISTINCT {column}) FROM {table} WHERE"
        return sum(
            self.number_of(f"{counted} {here}") for here in parts(column, self.parts_of(table))
        )

    def stream(self, sql: str, values: Sequence[Any] = (), size: int = 1000) -> Iterator[list[Any]]:
        """Rows of a query in batches, on a cursor of its own so that writes may go on."""
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
        """All or nothing for the statements within.

        Pages staged in one transaction take two thirds of the time of pages staged singly.
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

    def part(self, value: str, number: int | str) -> str:
        """SQL for one field's part of a digest; an empty value has none, so NULL ≡ '' ≡ no line.

        ``number`` is the field's, or SQL for it. Both sides go through this expression.
        """
        text = duckdb_trimmed(value)
        if isinstance(number, int):
            text = value if number in self._exact else text
        elif self._exact:
            exact = ", ".join(map(str, self._exact))
            text = f"CASE WHEN {number} IN ({exact}) THEN {value} ELSE {text} END"
        return (
            f"(CASE WHEN {value} IS NULL OR {text} = '' THEN 0"
            f" ELSE hash({text}, ({number})::UTINYINT) >> 8 END)::UBIGINT"
        )

    def is_exact(self, number: int) -> bool:
        """Whether a field is compared with the blanks around it."""
        return number in self._exact

    def trimmed_part(self, value: str, number: int) -> str:
        """:meth:`part` for a value that is trimmed already and never NULL: four times as fast."""
        return f"(CASE WHEN {value} = '' THEN 0 ELSE hash({value}, {number}::UTINYINT) >> 8 END)"
