"""The filter of a run's differences in addresses and forms."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from zvirka.domain import Cause, Disposition, Kind, OutcomeState
from zvirka.journal.difference_search import DifferenceFilter, Sort

LONGEST_TEXT = 200
"""Characters of a search."""

Word = TypeVar("Word", bound=StrEnum)


def filter_of(asked: Mapping[str, str]) -> DifferenceFilter:
    """The filter of a query or form; unknown words are left out."""
    page = asked.get("page", "")
    return DifferenceFilter(
        kind=word_of(Kind, asked.get("kind")),
        cause=word_of(Cause, asked.get("cause")),
        decision=word_of(Disposition, asked.get("decision")),
        outcome=word_of(OutcomeState, asked.get("outcome")),
        text=asked.get("text", "").strip()[:LONGEST_TEXT],
        sort=word_of(Sort, asked.get("sort", "").removeprefix("-")) or Sort.NUMBER,
        falling=asked.get("sort", "").startswith("-"),
        page=max(int(page), 1) if page.isascii() and page.isdigit() and len(page) < 8 else 1,
    )


def query_of(wanted: DifferenceFilter, page: int = 1) -> str:
    """The query string of an address; without the text, which may be personal."""
    words = {
        "kind": wanted.kind,
        "cause": wanted.cause,
        "decision": wanted.decision,
        "outcome": wanted.outcome,
        "sort": None if wanted.order == Sort.NUMBER else wanted.order,
        "page": page if page > 1 else None,
    }
    return urlencode({name: str(word) for name, word in words.items() if word})


def word_of(words: type[Word], asked: str | None) -> Word | None:
    """The word that was asked for; ``None`` when there is no such word."""
    try:
        return words(asked) if asked else None
    except ValueError:
        return None
