"""What later runs need to know: suppressed corrections, and which row a Ref_Key is paired with.

Both tables change with every run. The chain therefore holds a digest of each table as a set,
updated with every change (:mod:`zvirka.journal.set_digest`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Table, delete, select, update

from zvirka.journal.bulk_writes import among, insert_rows
from zvirka.journal.column_types import UtcTime, iso, plain
from zvirka.journal.digests import raw_column
from zvirka.journal.set_digest import SetDigest
from zvirka.journal.tables import ChainRow, PairingRow, SuppressionRow, table_of

SUPPRESSION = table_of(SuppressionRow)
PAIRING = table_of(PairingRow)
_TABLES = {"standing": SUPPRESSION, "pairing": PAIRING}
CHAIN = table_of(ChainRow)
_CHUNK = 5000
_T = TypeVar("_T")

Pairing = tuple[str, str, str]
"""Ref_Key, key and the store's row, as last seen in agreement."""


class Reason(StrEnum):
    """Why a correction is not made; the values are those of the column ``state``."""

    GIVEN_UP = "not_converging"  # sent several times, and the store never held it
    UNDONE = "undone"  # put back by a person
    REJECTED = "rejected"  # refused by a person while both sides stay as they are
    NEVER = "never"  # refused by a person for good


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """One counterparty whose correction is reported and not made until a side changes.

    ``until`` is the last day of :attr:`Reason.NEVER`, in the time zone of the settings; ``None``:
    it has no end.

    ``wanted`` and ``found`` are digests of the canonical values then; what was rejected has in
    ``wanted`` the content digest of the difference. ``nights`` counts the runs that were given up
    with the same digests, ``run`` is the last run that said so, ``since`` when it was said first.
    """

    key: str
    ref: str = ""
    reason: Reason
    wanted: str = ""
    found: str = ""
    nights: int = 1
    run: int
    since: datetime
    until: date | None = None

    def is_over(self, today: date) -> bool:
        """Whether its last day has passed."""
        return self.until is not None and today > self.until

    @property
    def ident(self) -> str:
        """The identity in the table: the Ref_Key, or the key of a client without one."""
        return self.ref or self.key


def read_suppressions(connection: Connection) -> dict[str, Suppression]:
    """All suppressions by ident."""
    rows = connection.execute(select(SUPPRESSION)).mappings()
    return {
        row["ident"]: Suppression(
            key=row["key"],
            ref=row["ref"],
            reason=Reason(row["state"]),
            wanted=row["wanted"],
            found=row["found"],
            nights=row["nights"],
            run=row["run_id"],
            since=row["since"],
            until=date.fromisoformat(row["until"]) if row["until"] else None,
        )
        for row in rows
    }


def put_suppressions(connection: Connection, suppressions: Iterable[Suppression]) -> None:
    """Add suppressions; those of the same ident are replaced."""
    _put(
        connection,
        "standing",
        (
            {
                "ident": plain(suppression.ident),
                "key": plain(suppression.key),
                "ref": plain(suppression.ref),
                "state": suppression.reason.value,
                "wanted": suppression.wanted,
                "found": suppression.found,
                "nights": suppression.nights,
                "run_id": suppression.run,
                "since": suppression.since,
                "until": suppression.until.isoformat() if suppression.until else "",
            }
            for suppression in suppressions
        ),
    )


def drop_suppressions(connection: Connection, idents: Iterable[str]) -> None:
    """Delete suppressions; unknown idents are ignored."""
    _drop(connection, "standing", idents)


def read_pairings(connection: Connection, after: str, limit: int) -> list[Pairing]:
    """A page of pairings, ordered by Ref_Key, starting after ``after``."""
    rows = connection.execute(
        select(PAIRING.c.ref, PAIRING.c.key, PAIRING.c.row)
        .where(PAIRING.c.ref > after)
        .order_by(PAIRING.c.ref)
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def put_pairings(connection: Connection, pairings: Iterable[Pairing]) -> None:
    """Add pairings; those of the same Ref_Key are replaced."""
    records = (
        {"ref": plain(ref), "key": plain(key), "row": plain(row)} for ref, key, row in pairings
    )
    _put(connection, "pairing", records)


def drop_pairings(connection: Connection, refs: Iterable[str]) -> None:
    """Delete pairings; unknown Ref_Keys are ignored."""
    _drop(connection, "pairing", refs)


def set_digests(connection: Connection) -> dict[str, str]:
    """The digests of both tables, computed from their rows."""
    digests = {}
    for name, table in _TABLES.items():
        digest = SetDigest()
        query = select(*(raw_column(column) for column in table.columns))
        rows = connection.execute(query, execution_options={"yield_per": _CHUNK})
        if table is SUPPRESSION:
            digest.add_all(_cells(table, row) for row in rows)
        else:
            digest.add_all(tuple(row) for row in rows)
        digests[name] = digest.text
    return digests


def _put(connection: Connection, name: str, records: Iterable[dict[str, Any]]) -> None:
    table = _TABLES[name]
    (ident,) = table.primary_key.columns
    names = table.columns.keys()
    digest = _digest(connection, name)
    for chunk in _chunks(records):
        wanted = {record[ident.name]: record for record in chunk}
        held = {
            row[ident.name]: tuple(row.values())
            for row in connection.execute(
                select(table).where(among(connection, ident, wanted))
            ).mappings()
        }
        cells = {key: tuple(record[n] for n in names) for key, record in wanted.items()}
        changed = [key for key, row in cells.items() if held.get(key) != row]
        gone = [key for key in changed if key in held]
        if gone:
            connection.execute(delete(table).where(among(connection, ident, gone)))
        if changed:
            insert_rows(connection, table, [wanted[key] for key in changed])
        for key in changed:
            if key in held:
                digest.remove(*_cells(table, held[key]))
            digest.add(*_cells(table, cells[key]))
    _keep(connection, name, digest)


def _drop(connection: Connection, name: str, idents: Iterable[str]) -> None:
    table = _TABLES[name]
    (ident,) = table.primary_key.columns
    digest = _digest(connection, name)
    for chunk in _chunks(plain(one) for one in idents):
        chosen = among(connection, ident, chunk)
        for row in connection.execute(select(table).where(chosen)).all():
            digest.remove(*_cells(table, row))
        connection.execute(delete(table).where(chosen))
    _keep(connection, name, digest)


def _cells(table: Table, row: Iterable[Any]) -> tuple[object, ...]:
    """What the digest of a row covers. Rows that older versions sealed have no ``until``."""
    pairs = zip(table.columns, row, strict=True)
    return tuple(
        iso(cell) if isinstance(column.type, UtcTime) else cell
        for column, cell in pairs
        if cell or column.name != "until"
    )


def _digest(connection: Connection, name: str) -> SetDigest:
    # Locked: two writers must not update the same sum at once.
    return SetDigest(connection.execute(select(CHAIN.c[name]).with_for_update()).scalar_one())


def _keep(connection: Connection, name: str, digest: SetDigest) -> None:
    connection.execute(update(CHAIN).values({name: digest.text}))


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
