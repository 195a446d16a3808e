"""The same differences are found on every database of the journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases import fresh
from tests.unit.journal import world
from tests.unit.report.sample import STORY, STORY_STATES, held_run, seal_run
from zvirka.domain import Cause, Command, Difference, Disposition, Kind, OutcomeState, Trigger
from zvirka.journal.difference_search import DifferenceFilter, Sort, find_differences, identity_of
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


def in_order(sort: Sort, *, falling: bool = False) -> tuple[int, ...]:
    """The story by a column, equal ones by number."""
    causes, states = list(Cause), list(OutcomeState)
    decisions = list(Disposition)

    corrected = [one.number for one in STORY if one.disposition is Disposition.CORRECT]
    ended = dict(zip(corrected, (state for state, _ in STORY_STATES), strict=True))

    def place(one: Difference) -> tuple[object, ...]:
        outcome = states.index(ended[one.number]) if one.number in ended else len(states)
        return {
            Sort.NUMBER: (one.number,),
            Sort.KEY: (one.key, one.number),
            Sort.NAME: (one.name, one.number),
            Sort.CAUSE: (causes.index(one.cause), one.number),
            Sort.OUTCOME: (outcome, decisions.index(one.disposition), one.number),
        }[sort]

    return tuple(one.number for one in sorted(STORY, key=place, reverse=falling))


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_what_is_found_is_the_same_on_every_journal(backend: str, tmp_path: Path) -> None:
    url = {"journal": {"url": fresh("postgresql", tmp_path)}} if backend == "postgresql" else {}
    journal = open_journal(world.settings(tmp_path, **url))
    run = seal_run(journal, STORY, exit_code=1, states=STORY_STATES)
    held = held_run(journal)
    reject = journal.begin(
        command=Command.REJECT,
        trigger=Trigger.WEB,
        who="taras",
        reason="ні",
        now=world.NOW,
        parent=held,
    )
    with journal.reading() as connection:
        for wanted, numbers in ASKED:
            found = find_differences(connection, run, wanted, 100)
            assert (found.numbers, found.total, found.pages) == (numbers, len(numbers), 1), wanted
        for sort in Sort:
            for falling in (False, True):
                wanted = DifferenceFilter(sort=sort, falling=falling)
                order = in_order(sort, falling=falling)
                assert find_differences(connection, run, wanted, 100).numbers == order, wanted
        both = DifferenceFilter(sort=Sort.OUTCOME, outcome=OutcomeState.APPLIED, text="тов")
        assert set(find_differences(connection, run, both, 100).numbers) <= {1, 2, 3, 5}
        last = DifferenceFilter(sort=Sort.CAUSE, falling=True, page=3)
        assert find_differences(connection, run, last, 4).numbers == in_order(Sort.CAUSE)[:1]
        page = find_differences(connection, run, DifferenceFilter(page=2), 4)
        assert (page.numbers, page.total, page.page, page.pages) == ((5, 6, 7, 8), 9, 2, 3)
        assert identity_of(connection, run, 3) == (STORY[2].key, STORY[2].ref)
        assert identity_of(connection, run, 99) is None
        assert [(one.id, one.command, one.who) for one in answers(connection, held)] == [
            (reject, "reject", "taras")
        ]
    journal.close()
