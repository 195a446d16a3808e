"""The store's side of one run: digests of its rows, staged page by page.

A *full* scan stages keys and digests. A *brief* scan stages one hash a row, enough to tell whether
the row has changed since the last agreement. Values stay in the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import msgspec

from zvirka.domain import Client
from zvirka.erp.protocol import IMAGE_SEPARATOR, ScanBatch, ScanBlock, Scanned
from zvirka.identity import duckdb_key, duckdb_trimmed, duckdb_trimmed_list
from zvirka.staging.database import Page, Staging, page_of
from zvirka.staging.values import LONGEST, STABLE_DIGEST, shortened_sql, staged_text

CLIENTS = "scratch.client"
"""The rows of a full scan."""
REREAD = "scratch.reread_client"
"""Single rows read again after the scan; same columns as :data:`CLIENTS`."""
BRIEF = "scratch.brief_client"
"""The rows of a brief scan: primary key and image hash."""
CURRENT = f"""(
    FROM {REREAD}
    UNION ALL
    FROM {CLIENTS} WHERE row_id NOT IN (SELECT row_id FROM {REREAD})
)"""
"""The rows as last read."""

CLIENT_COLUMNS = "row_id, key, ref, active, digest, image, stable"
"""``digest`` and ``image`` are DuckDB hashes, of the values and of the whole row; ``stable`` is
:func:`zvirka.staging.values.stable_digest` of the values."""

_LARGEST = 6_000_000
"""Bytes or characters of a page that DuckDB can unpack within its memory limit."""
_PIECE = 1_000_000
"""Characters staged at once when a page was larger than that."""
_SEPARATOR = f"chr({ord(IMAGE_SEPARATOR)})"
_SHORT_PART = f"""
CASE
    WHEN length(part) <= {LONGEST} THEN part
    ELSE {shortened_sql(f"({duckdb_trimmed('part')})")}
END
"""
_HEAD = 2
"""Parts of an image before its values: active, Ref_Key."""


class StoreScan:
    """Stages the rows of the store."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._key = duckdb_key("key", is_ref=staging.mapping.key_is_ref)
        self._image = f"hash({self._key}, image)"
        self.forget()

    def forget(self) -> None:
        """Drop everything staged so far."""
        for table in (CLIENTS, REREAD):
            self._staging.run(
                f"""
                CREATE OR REPLACE TABLE {table}(
                    row_id VARCHAR, key VARCHAR, ref UUID, active BOOLEAN,
                    digest UBIGINT, image UBIGINT, stable UBIGINT
                )
                """
            )
        self._staging.run(f"CREATE OR REPLACE TABLE {BRIEF}(row_id VARCHAR, image UBIGINT)")

    def transaction(self) -> AbstractContextManager[None]:
        """Stage all pages added within, or none of them."""
        return self._staging.transaction()

    def add_images(self, rows: Scanned) -> None:
        """Stage a page of a brief scan."""
        for piece in _pieces(rows):
            page, source = _columns(piece)
            self._staging.insert(page, BRIEF, select=f"row_id, {self._image}", source=source)

    def add_clients(self, rows: Scanned) -> None:
        """Stage a page of a full scan."""
        self._add(rows, CLIENTS)

    def reread(self, clients: Sequence[Client]) -> None:
        """Stage rows that were just read singly; they replace the scanned versions."""
        if not clients:
            return
        self._staging.run(
            f"DELETE FROM {REREAD} WHERE row_id IN (SELECT unnest(?))",
            [[client.row for client in clients]],
        )
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
        self._add(ScanBatch(rows, keys, images), REREAD)

    def _add(self, rows: Scanned, table: str) -> None:
        staging = self._staging
        values = [
            f"{'raw' if staging.is_exact(number) else 'parts'}[{number + _HEAD + 1}]"
            for number in range(len(staging.mapping.fields))
        ]
        digest = " + ".join(staging.trimmed_part(value, n) for n, value in enumerate(values))
        text = f"concat_ws({_SEPARATOR}, {', '.join(values)})"
        columns = f"""
            row_id, {self._key}, try_cast(parts[2] AS UUID), parts[1] = '1',
            ({digest})::UBIGINT, {self._image}, {STABLE_DIGEST.format(text=text)}
        """
        for piece in _pieces(rows):
            page, source = _columns(piece)
            separated = f"""
                (
                    SELECT *, {duckdb_trimmed_list("raw", "image", IMAGE_SEPARATOR)} AS parts
                    FROM (SELECT *, string_split(image, {_SEPARATOR}) AS raw FROM {source})
                )
            """
            staging.insert(page, table, select=columns, source=separated)

    def count(self) -> int:
        """Rows of the store, whichever way they were scanned."""
        return sum(
            self._staging.number_of(f"SELECT count(*) FROM {table}") for table in (CLIENTS, BRIEF)
        )


def _columns(rows: Scanned) -> tuple[Page, str]:
    """A page of the scan, and what to select its columns row_id, key and image from."""
    if isinstance(rows, ScanBatch):
        page, read = page_of(row_id=rows.rows, key=rows.keys, image=rows.images), "page"
    else:
        page = page_of(row_id=[rows.rows], key=[rows.keys], image=[rows.images])
        texts = ", ".join(
            f"unnest(from_json(decode({name}), '[\"VARCHAR\"]')) AS {name}" for name in page
        )
        read = f"(SELECT {texts} FROM page)"
    parts = f"list_transform(string_split(image, {_SEPARATOR}), lambda part: {_SHORT_PART})"
    return (
        page,
        f"""
        (
            SELECT
                row_id,
                {shortened_sql("key")} AS key,
                CASE
                    WHEN strlen(image) <= {LONGEST} THEN image
                    ELSE array_to_string({parts}, {_SEPARATOR})
                END AS image
            FROM {read}
        )
    """,
    )


def _pieces(rows: Scanned) -> Iterator[Scanned]:
    """The page as it is or, if it is too large, in parts that fit into memory."""
    if isinstance(rows, ScanBlock):
        if len(rows.rows) + len(rows.keys) + len(rows.images) <= _LARGEST:
            yield rows
            return
        columns = (rows.rows, rows.keys, rows.images)
        rows = ScanBatch(*(msgspec.json.decode(column, type=list[str]) for column in columns))
    if sum(map(len, rows.images)) + sum(map(len, rows.keys)) <= _LARGEST:
        yield rows
        return
    keys = [_short(key) for key in rows.keys]
    images = [
        IMAGE_SEPARATOR.join(map(_short, image.split(IMAGE_SEPARATOR))) for image in rows.images
    ]
    begin = taken = 0
    for end, image in enumerate(images, start=1):
        taken += len(image)
        if taken > _PIECE or end == len(images):
            yield ScanBatch(rows.rows[begin:end], keys[begin:end], images[begin:end])
            begin, taken = end, 0


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else staged_text(text)
