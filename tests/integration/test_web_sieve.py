"""The same differences pass the sieve whichever database the journal is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases import fresh
from tests.unit.journal import world
from tests.unit.report.sample import STORY, STORY_STATES, held_run, seal_run
from zvirka.counterparty import Cause, Disposition, Kind, OutcomeState
from zvirka.journal.book import open_book
from zvirka.web.sieve import Sieve, answers, one_difference, sift

ASKED = [
    (Sieve(), (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    (Sieve(kind=Kind.EXTRA), (5, 6)),
    (Sieve(cause=Cause.MISSED_UPDATE, decision=Disposition.CORRECT), (2,)),
    (Sieve(outcome=OutcomeState.APPLIED), (1, 2, 3, 5)),
    (Sieve(text="КОВАЛЕНКО"), (3,)),
    (Sieve(text="old@ATLANT.example"), (4,)),
    (Sieve(text="тов", kind=Kind.EXTRA), (5,)),
    (Sieve(text="nowhere"), ()),
]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_what_passes_is_the_same_on_every_journal(backend: str, tmp_path: Path) -> None:
    url = {"journal": {"url": fresh("postgresql", tmp_path)}} if backend == "postgresql" else {}
    book = open_book(world.settings(tmp_path, **url))
    run = seal_run(book, STORY, exit_code=1, states=STORY_STATES)
    held = held_run(book)
    reject = book.begin(
        command="reject", trigger="web", who="taras", reason="ні", now=world.NOW, parent=held
    )
    for sieve, numbers in ASKED:
        found = sift(book, run, sieve, 100)
        assert (found.numbers, found.total, found.pages) == (numbers, len(numbers), 1), sieve
    page = sift(book, run, Sieve(page=2), 4)
    assert (page.numbers, page.total, page.page, page.pages) == ((5, 6, 7, 8), 9, 2, 3)
    assert one_difference(book, run, 3) == (STORY[2].key, STORY[2].ref)
    assert one_difference(book, run, 99) is None
    assert [(one.run, one.command, one.who) for one in answers(book, held)] == [
        (reject, "reject", "taras")
    ]
    book.close()
