"""Finds the differences of a run that a reader filters for, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    case,
    exists,
    func,
    select,
    type_coerce,
)

from zvirka.domain import Cause, Disposition, Kind, OutcomeState
from zvirka.journal.definitions import differences_with_last_attempt, last_attempt
from zvirka.journal.tables import CORRECTION, DIFFERENCE
from zvirka.message import loaded

_BATCH = 2000


class Sort(StrEnum):
    """By what a list is ordered; equal ones by number."""

    NUMBER = "number"
    KEY = "key"
    NAME = "name"
    CAUSE = "cause"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class DifferenceFilter:
    """What is asked for; ``None`` and '' let everything through. ``page`` counts from 1.

    ``outcome`` is that of the last correction tried. ``falling`` turns the order round.
    """

    kind: Kind | None = None
    cause: Cause | None = None
    decision: Disposition | None = None
    outcome: OutcomeState | None = None
    text: str = ""
    sort: Sort = Sort.NUMBER
    falling: bool = False
    page: int = 1

    @property
    def order(self) -> str:
        """The order in one word: ``name``, or ``-name`` when it falls."""
        return f"-{self.sort.value}" if self.falling else self.sort.value

    @property
    def empty(self) -> bool:
        """Whether everything passes."""
        return not (self.kind or self.cause or self.decision or self.outcome or self.text)


@dataclass(frozen=True, slots=True)
class FilteredDifferences:
    """One page of what passed: numbers of differences, how many pass in all, how many pages."""

    numbers: tuple[int, ...]
    total: int
    page: int
    pages: int


def find_differences(
    connection: Connection,
    run: int,
    wanted: DifferenceFilter,
    size: int,
    told: Callable[[str], str] = str,
) -> FilteredDifferences:
    """The requested page of the differences that pass; the last page when it is beyond.

    ``told`` says a sentence as the reader sees it.
    """
    conditions = _conditions(run, wanted)
    if wanted.text:
        matches = tuple(_matching(connection, conditions, wanted, told))
        page, pages = _page_of(wanted.page, len(matches), size)
        return FilteredDifferences(
            matches[(page - 1) * size : page * size], len(matches), page, pages
        )
    number = DIFFERENCE.c.number
    total = connection.execute(select(func.count()).where(*conditions)).scalar_one()
    page, pages = _page_of(wanted.page, total, size)
    query = _in_order(select(number), wanted).where(*conditions)
    found = connection.execute(query.limit(size).offset((page - 1) * size)).scalars()
    return FilteredDifferences(tuple(found), total, page, pages)


def identity_of(connection: Connection, run: int, number: int) -> tuple[str, str] | None:
    """Key and Ref_Key of a difference; ``None`` when there is no such difference."""
    d = DIFFERENCE.c
    query = select(d.key, d.ref).where(d.run_id == run, d.number == number)
    row = connection.execute(query).first()
    return (row.key, row.ref) if row else None


def _page_of(asked: int, total: int, size: int) -> tuple[int, int]:
    pages = max(-(-total // size), 1)
    return min(asked, pages), pages


def _conditions(run: int, wanted: DifferenceFilter) -> list[ColumnElement[bool]]:
    d, c = DIFFERENCE.c, CORRECTION.c
    conditions: list[ColumnElement[bool]] = [d.run_id == run]
    words = ((d.kind, wanted.kind), (d.cause, wanted.cause), (d.disposition, wanted.decision))
    conditions += [column == word.value for column, word in words if word is not None]
    if wanted.outcome is not None:
        conditions.append(
            exists()
            .where(
                c.run_id == d.run_id,
                c.number == d.number,
                c.state == wanted.outcome.value,
                last_attempt(),
            )
            .correlate(DIFFERENCE)
        )
    return conditions


def _in_order(query: Select[Any], wanted: DifferenceFilter) -> Select[Any]:
    """The query over the differences, with the last correction tried, in the order asked for."""
    d = DIFFERENCE.c
    by: list[ColumnElement[Any]] = []
    match wanted.sort:
        case Sort.KEY:
            by = [d.key]
        case Sort.NAME:
            by = [d.name]
        case Sort.CAUSE:
            by = [_place(d.cause, Cause)]
        case Sort.OUTCOME:
            by = [_place(CORRECTION.c.state, OutcomeState), _place(d.disposition, Disposition)]
    by.append(d.number)
    if wanted.sort is Sort.OUTCOME:
        query = query.select_from(differences_with_last_attempt())
    return query.order_by(*(one.desc() if wanted.falling else one.asc() for one in by))


def _place(column: ColumnElement[Any], words: type[StrEnum]) -> ColumnElement[Any]:
    """Return the position of a value in its enum; unknown values come last."""
    places = {word.value: number for number, word in enumerate(words)}
    return case(places, value=column, else_=len(places))


def _matching(
    connection: Connection,
    conditions: list[ColumnElement[bool]],
    asked: DifferenceFilter,
    told: Callable[[str], str],
) -> Iterator[int]:
    """Compares in Python: SQLite ignores the case of Latin letters only."""
    d, wanted = DIFFERENCE.c, asked.text.casefold()
    query = _in_order(
        select(
            d.number,
            type_coerce(d.fields, Text),
            d.key,
            d.ref,
            d.name,
            d.row,
            d.note,
            d.evidence,
        ),
        asked,
    ).where(*conditions)
    for number, fields, *texts in connection.execute(
        query, execution_options={"yield_per": _BATCH}
    ):
        if any(wanted in told(loaded(text)).casefold() for text in texts) or _in_fields(
            fields, wanted
        ):
            yield number


def _in_fields(fields: str, wanted: str) -> bool:
    """Whether a value of the fields contains the text."""
    # The raw text rules most rows out, unless JSON wrote it with escapes.
    if "\\" not in fields and wanted not in fields.casefold():
        return False
    return any(wanted in text.casefold() for field in json.loads(fields) for text in _values(field))


def _values(field: Mapping[str, Any]) -> Iterator[str]:
    for side in ("wanted", "found", "read_back"):
        value = field.get(side)
        if value is not None:
            yield str(value)
