"""What a run asks of 1C: the seam between :mod:`zvirka.reconcile` and :mod:`zvirka.onec`.

Bulk data crosses it in columns, since a column of strings goes into the staging engine without a
loop a row. The implementation is :class:`zvirka.onec.catalogue_source.CatalogueSource`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

import msgspec

from zvirka.domain import Counterparty
from zvirka.findings import Finding as Finding


class ObjectBatch(msgspec.Struct, frozen=True):
    """A page of catalogue objects, column by column, all lists of one length.

    ``values`` holds the mapped fields that are attributes of the object itself. ``links`` holds
    the reference attributes that other fields go through (``Партнер_Key``). Groups are left out.
    """

    refs: list[str]
    versions: list[str]
    marks: list[bool]
    values: dict[str, list[str | None]]
    links: dict[str, list[str]]


class LineBatch(msgspec.Struct, frozen=True):
    """Related values of one field: contact lines, register records, attributes of partners.

    ``via`` is the link whose reference ``refs`` holds, empty for the counterparty's own Ref_Key.
    Where a reference comes with several lines of the field the lowest of ``orders`` counts.
    """

    field: str
    via: str
    refs: list[str]
    orders: list[int]
    values: list[str | None]


class VersionBatch(msgspec.Struct, frozen=True):
    """A page of the light pull: what there is, and in which version."""

    refs: list[str]
    versions: list[str]
    marks: list[bool]


class Undelivered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change that waits in the outbox of 1C's extension because its push has not succeeded.

    ``action`` is create, update or delete, ``created`` (aware UTC) since when it waits, ``tried``
    when it was last sent, ``None`` if never. ``attempts`` counts the failed ones, ``status``
    is the HTTP status of the last one (0 without an answer), ``error`` its reason, without
    personal data. ``code`` is Код, empty where the catalogue has none. ``stopped``: it is not sent
    any more until a person repeats or drops it in 1C.
    """

    ref: str
    code: str
    action: str
    created: datetime
    tried: datetime | None
    attempts: int
    status: int
    error: str
    stopped: bool = False


class SourceTraffic(msgspec.Struct):
    """What was asked of 1C so far: requests, bytes received in answer bodies, and retries."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0


class Changes(msgspec.Struct, frozen=True):
    """Ref_Keys in the order of the feed: created or changed, and physically deleted.

    ``message`` is what to confirm once all of it is durably applied. The lists hold only the
    entity asked for; ``elsewhere`` are the Ref_Keys of other objects in the same package, by
    entity, which a confirmation makes 1C forget as well.
    """

    message: int
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    elsewhere: Mapping[str, tuple[str, ...]] = {}

    @property
    def others(self) -> int:
        """How many objects of other entities the package holds."""
        return sum(map(len, self.elsewhere.values()))


class Source(Protocol):
    """One session with 1C. A context manager: leaving it finishes the session, error or not."""

    traffic: SourceTraffic

    @property
    def restricted(self) -> bool:
        """Whether rows may be missing without a word (allowedOnly): absence proves nothing."""
        ...

    def shape(self) -> dict[str, str]:
        """Type by name of what the publication has of the mapped entities, as last read.

        Empty before anything was read.
        """
        ...

    def __enter__(self) -> Source: ...
    def __exit__(self, *exc: object) -> None: ...

    def preflight(self) -> int:
        """Prove that every mapped name exists in the schema and return the number in scope.

        The number is of counterparties, groups left out.

        Raises:
            SourceError: 1C cannot be read, or a mapped name does not exist.
        """
        ...

    def count(self) -> int:
        """The number of counterparties in scope now."""
        ...

    def objects(self) -> Iterator[ObjectBatch]:
        """All counterparties in scope, in pages; a Ref_Key may come twice (overlap, moved rows)."""
        ...

    def lines(self) -> Iterator[LineBatch]:
        """All related values of all fields, in pages; empty if no field has a related source."""
        ...

    def versions(self) -> Iterator[VersionBatch]:
        """Ref_Key, DataVersion and DeletionMark of all counterparties in scope, in pages."""
        ...

    def light_lines(self) -> Iterator[LineBatch]:
        """Related values that no DataVersion of a counterparty covers (partners, registers)."""
        ...

    def taking_effect(self, since: date) -> Iterator[list[str]]:
        """Ref_Keys of counterparties with a contact line in force from after ``since`` up to today.

        DataVersion does not change on that day.
        """
        ...

    def fetch(self, refs: Sequence[str]) -> Iterator[tuple[ObjectBatch, list[LineBatch]]]:
        """Whole objects by Ref_Key, in as few requests as URL length allows.

        What 1C does not return for a key is absent (or out of scope) in this very moment.
        """
        ...

    def exists(self, ref: str) -> bool:
        """Ask for this one key. False only when 1C itself says «object not found» (code 9)."""
        ...

    def find(self, field: str, values: Sequence[str]) -> list[Counterparty]:
        """Counterparties whose attribute field equals one of the values (targeted resync)."""
        ...

    def undelivered(self) -> Iterator[Undelivered]:
        """What waits in the outbox of the extension, the newest first, up to a fixed number.

        Nothing where the extension is not loaded or its register not published.

        Raises:
            SourceError: the register is published, and yet cannot be read.
        """
        ...
