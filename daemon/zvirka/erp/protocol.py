"""What a run asks of the ERP: the seam between :mod:`zvirka.reconcile` and :mod:`zvirka.erp`.

Reading and writing are two protocols on purpose: a plan constructs no writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from zvirka.domain import Client, Correction, Outcome, Values
from zvirka.errors import StoreError
from zvirka.message import Message, coded

IMAGE_SEPARATOR = "\x1f"
"""U+001F between the fields of a row's image; 1C values that contain it are compared singly."""


class ScanBatch(msgspec.Struct, frozen=True):
    """A page of owned rows, column by column, all of one length.

    ``rows`` are primary keys, ``keys`` pairing keys as they stand, '' for NULL. ``images`` holds
    the rest of each row as one text joined by U+001F: ``1`` for an active row or ``0``; its
    Ref_Key in lower case, '' for none; then the mapped fields in mapping order, NULL as ''.
    Nothing is trimmed here: the staging trims both sides alike. One text a row, because every
    object that Python makes of each of a million rows costs a tenth of a second.
    """

    rows: Sequence[str]
    keys: Sequence[str]
    images: Sequence[str]

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.rows)


class ScanBlock(msgspec.Struct, frozen=True):
    """A :class:`ScanBatch` as the database wrote it: three JSON arrays of texts, in UTF-8.

    The staging reads them as they are, so that Python makes no object of any row. ``size`` is
    the number of rows.
    """

    size: int
    rows: bytes
    keys: bytes
    images: bytes

    def is_text(self) -> bool:
        """Whether it is UTF-8 indeed; SQLite lets any bytes into a column of text."""
        try:
            for column in (self.rows, self.keys, self.images):
                column.decode()
        except UnicodeDecodeError:
            return False
        return True


def no_text(place: str) -> StoreError:
    """The error about a store whose texts are not UTF-8."""
    return StoreError(
        coded("ZV2301", "the store holds text that is not UTF-8"),
        place=place,
        remedy=Message(
            "some program wrote windows-1251 or other bytes: rewrite those rows as UTF-8"
        ),
    )


Scanned = ScanBatch | ScanBlock
"""A page of owned rows, in the one form or the other."""


class ClientElsewhere(msgspec.Struct, frozen=True):
    """A living client that another flow keeps in the same table: the flow, its primary key."""

    flow: str
    row: str


class Store(Protocol):
    """The reading side of the ERP's data: owned rows only, all others are invisible."""

    @property
    def name(self) -> str:
        """Where the store is, without secrets, for messages and reports."""
        ...

    @property
    def soft_delete(self) -> bool:
        """Whether a delete leaves an inactive row that a restore can bring back."""
        ...

    @property
    def emptied(self) -> tuple[str, ...]:
        """The fields that a delete empties in the row it leaves; as a rule none."""
        ...

    @property
    def has_ref(self) -> bool:
        """Whether the store keeps the Ref_Key; without, the journal remembers the pairing."""
        ...

    @property
    def key_column(self) -> str:
        """The column of the pairing key, with its table, for messages."""
        ...

    def shape(self) -> dict[str, str]:
        """Type by ``table.column`` of the store's tables as they are now."""
        ...

    def unfit_key(self, keys: Iterable[str]) -> str:
        """The first key the key column cannot hold as it is; '' when it can hold them all.

        A text column takes any key, and ``keys`` are not read.
        """
        ...

    def newest(self, size: int) -> list[Client]:
        """Up to ``size`` owned rows, those with the greatest primary keys."""
        ...

    def scan(self) -> Iterator[Scanned]:
        """Every owned row, active or not, as a stream.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def read_rows(self, rows: Sequence[str]) -> list[Client]:
        """Owned rows by primary key, those that are there, in any order."""
        ...

    def read_keys(self, keys: Sequence[str]) -> list[Client]:
        """Owned rows by pairing key, inactive and doubled ones included, in any order."""
        ...

    def elsewhere(self, records: Sequence[Values]) -> list[ClientElsewhere | None]:
        """For the values of each record: the client that another flow keeps for it already."""
        ...

    def shared(self) -> dict[str, int]:
        """By flow of the same table: how many of our living clients it has as well."""
        ...

    def conflicts(self, correction: Correction) -> list[str]:
        """Primary keys of rows, owned or not, that a unique constraint would collide with."""
        ...

    def fitting(self, values: Values) -> dict[str, str | None]:
        """The values as the store could hold them: cut where the mapping says truncate.

        A value that was cut once must not be a difference again every night.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


Allowed = Callable[[], None]
"""Raises where nothing may be written any more."""


def always_allowed() -> None:
    """For callers whose right to write cannot be lost."""


class Writer(Protocol):
    """The writing side. It never decides: it does exactly what the corrections say, or says no."""

    @property
    def doubled(self) -> Sequence[str]:
        """Keys under which a create of this writer left two rows; it creates no client since."""
        ...

    def apply(
        self,
        corrections: Sequence[Correction],
        *,
        partly: bool = False,
        allowed: Allowed = always_allowed,
    ) -> Iterator[Outcome]:
        """Apply each correction independently and report the answer of the store or the ERP.

        ``applied`` here means *accepted*; the verify phase reads the row back.
        A row that is no longer as in ``Correction.before`` is ``superseded``. One bad row fails
        alone. ``partly`` leaves out the values that cannot be stored and writes the others.
        ``allowed`` is called just before each commit, or before each message is posted, and raises
        where nothing may be written any more. The order of outcomes is free; each correction has
        exactly one.

        Raises:
            StoreError: the store is gone; corrections without an outcome stay intended.
            Exception: what ``allowed`` raised; what was not committed left no trace.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
