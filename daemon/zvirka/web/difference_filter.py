"""The differences of a run a reader asks for: by kind, cause, decision, outcome and text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Text, exists, func, select, type_coerce

from zvirka.domain import Cause, Disposition, Kind, OutcomeState
from zvirka.journal.journal import Journal
from zvirka.journal.sealing import CORRECTION, DIFFERENCE, RUN

LONGEST_TEXT = 200
"""Characters of a search."""
_BATCH = 2000

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class DifferenceFilter:
    """What is asked for; ``None`` and '' let everything through. ``page`` counts from 1."""

    kind: Kind | None = None
    cause: Cause | None = None
    decision: Disposition | None = None
    outcome: OutcomeState | None = None
    text: str = ""
    page: int = 1

    @property
    def empty(self) -> bool:
        """Whether everything passes."""
        return not (self.kind or self.cause or self.decision or self.outcome or self.text)

    def query(self, page: int = 1) -> str:
        """The query string of an address; without the text, which may be personal."""
        words = {
            "kind": self.kind,
            "cause": self.cause,
            "decision": self.decision,
            "outcome": self.outcome,
            "page": page if page > 1 else None,
        }
        return urlencode({name: str(word) for name, word in words.items() if word})


@dataclass(frozen=True, slots=True)
class FilteredDifferences:
    """One page of what passed: numbers of differences, how many pass in all, how many pages."""

    numbers: tuple[int, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class FilterAnswer:
    """A run that answers another: an approval, a rejection, an undo."""

    run: int
    command: str
    who: str
    status: str


def filter_of(asked: Mapping[str, str]) -> DifferenceFilter:
    """The filter of a query or form; words nobody knows are left out."""
    page = asked.get("page", "")
    return DifferenceFilter(
        kind=_word(Kind, asked.get("kind")),
        cause=_word(Cause, asked.get("cause")),
        decision=_word(Disposition, asked.get("decision")),
        outcome=_word(OutcomeState, asked.get("outcome")),
        text=asked.get("text", "").strip()[:LONGEST_TEXT],
        page=max(int(page), 1) if page.isascii() and page.isdigit() and len(page) < 8 else 1,
    )


def sift(
    journal: Journal, run: int, difference_filter: DifferenceFilter, size: int
) -> FilteredDifferences:
    """The page asked for of the differences that pass; the last one when it is beyond."""
    conditions = _conditions(run, difference_filter)
    if difference_filter.text:
        return _sift_text(journal, conditions, difference_filter, size)
    d = DIFFERENCE.c
    with journal.reading() as connection:
        total = connection.execute(select(func.count()).where(*conditions)).scalar_one()
        pages = max(-(-total // size), 1)
        page = min(difference_filter.page, pages)
        query = select(d.number).where(*conditions).order_by(d.number)
        numbers = connection.execute(query.limit(size).offset((page - 1) * size)).scalars()
        return FilteredDifferences(tuple(numbers), total, page, pages)


def one_difference(journal: Journal, run: int, number: int) -> tuple[str, str] | None:
    """Key and Ref_Key of a difference."""
    d = DIFFERENCE.c
    query = select(d.key, d.ref).where(d.run_id == run, d.number == number)
    with journal.reading() as connection:
        row = connection.execute(query).first()
    return (row.key, row.ref) if row else None


def answers(journal: Journal, run: int) -> list[FilterAnswer]:
    """The runs that answer this one, oldest first."""
    r = RUN.c
    query = select(r.id, r.command, r.who, r.status).where(r.parent == run).order_by(r.id)
    with journal.reading() as connection:
        return [FilterAnswer(*row) for row in connection.execute(query)]


def _conditions(run: int, difference_filter: DifferenceFilter) -> list[ColumnElement[bool]]:
    d, c = DIFFERENCE.c, CORRECTION.c
    conditions: list[ColumnElement[bool]] = [d.run_id == run]
    words = (
        (d.kind, difference_filter.kind),
        (d.cause, difference_filter.cause),
        (d.disposition, difference_filter.decision),
    )
    conditions += [column == word.value for column, word in words if word is not None]
    if difference_filter.outcome is not None:
        conditions.append(
            exists().where(
                c.run_id == d.run_id,
                c.number == d.number,
                c.state == difference_filter.outcome.value,
            )
        )
    return conditions


def _sift_text(
    journal: Journal,
    conditions: list[ColumnElement[bool]],
    difference_filter: DifferenceFilter,
    size: int,
) -> FilteredDifferences:
    """Compared here and not by the database: SQLite knows no letter case but the Latin one."""
    wanted = difference_filter.text.casefold()
    matches = list(_matching(journal, conditions, wanted))
    pages = max(-(-len(matches) // size), 1)
    page = min(difference_filter.page, pages)
    numbers = matches[(page - 1) * size : page * size]
    return FilteredDifferences(tuple(numbers), len(matches), page, pages)


def _matching(
    journal: Journal, conditions: list[ColumnElement[bool]], wanted: str
) -> Iterator[int]:
    d = DIFFERENCE.c
    texts = (d.key, d.ref, d.name, d.row, d.note, d.evidence)
    query = (
        select(d.number, type_coerce(d.fields, Text).label("fields_text"), *texts)
        .where(*conditions)
        .order_by(d.number)
    )
    with journal.reading() as connection:
        for row in connection.execution_options(yield_per=_BATCH).execute(query):
            number, fields, *plain = row
            if any(wanted in text.casefold() for text in plain) or _in_fields(fields, wanted):
                yield number


def _in_fields(fields: str, wanted: str) -> bool:
    """Whether a value of the fields holds the text."""
    # Most rows are told by their raw text, unless JSON writes the text with escapes.
    if "\\" not in fields and wanted not in fields.casefold():
        return False
    return any(wanted in text.casefold() for field in json.loads(fields) for text in _values(field))


def _values(field: Mapping[str, Any]) -> Iterator[str]:
    for side in ("wanted", "found", "read_back"):
        value = field.get(side)
        if value is not None:
            yield str(value)


def _word(words: type[Word], asked: str | None) -> Word | None:
    try:
        return words(asked) if asked else None
    except ValueError:
        return None
