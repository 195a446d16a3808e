"""The same differences are found whichever database the journal is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases import fresh
from tests.unit.journal import world
from tests.unit.report.sample import STORY, STORY_STATES, held_run, seal_run
from zvirka.domain import Cause, Disposition, Kind, OutcomeState
from zvirka.journal.difference_search import DifferenceFilter, find_differences, identity_of
from zvirka.journal.journal import open_journal
from zvirka.journal.queries import answers

ASKED = [
    (DifferenceFilter(), (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    (DifferenceFilter(kind=Kind.EXTRA), (5, 6)),
    (DifferenceFilter(cause=Cause.MISSED_UPDATE, decision=Disposition.CORRECT), (2,)),
    (DifferenceFilter(outcome=OutcomeState.APPLIED), (1, 2, 3, 5)),
    (DifferenceFilter(text="КОВАЛЕНКО"), (3,)),
    (DifferenceFilter(text="old@ATLANT.example"), (4,)),
    (DifferenceFilter(text="тов", kind=Kind.EXTRA), (5,)),
    (DifferenceFilter(text="nowhere"), ()),
]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_what_is_found_is_the_same_on_every_journal(backend: str, tmp_path: Path) -> None:
    url = {"journal": {"url": fresh("postgresql", tmp_path)}} if backend == "postgresql" else {}
    journal = open_journal(world.settings(tmp_path, **url))
    run = seal_run(journal, STORY, exit_code=1, states=STORY_STATES)
    held = held_run(journal)
    reject = journal.begin(
        command="reject", trigger="web", who="taras", reason="ні", now=world.NOW, parent=held
    )
    with journal.reading() as connection:
        for wanted, numbers in ASKED:
            found = find_differences(connection, run, wanted, 100)
            assert (found.numbers, found.total, found.pages) == (numbers, len(numbers), 1), wanted
        page = find_differences(connection, run, DifferenceFilter(page=2), 4)
        assert (page.numbers, page.total, page.page, page.pages) == ((5, 6, 7, 8), 9, 2, 3)
        assert identity_of(connection, run, 3) == (STORY[2].key, STORY[2].ref)
        assert identity_of(connection, run, 99) is None
        assert [(one.id, one.command, one.who) for one in answers(connection, held)] == [
            (reject, "reject", "taras")
        ]
    journal.close()
