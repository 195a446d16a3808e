"""Prune takes personal values out and leaves the proof of what was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.journal.world import (
    DAY,
    NOW,
    applied,
    begin,
    correction,
    difference,
    night,
    receipts,
    settings,
)
from zvirka.domain import RunStatus
from zvirka.journal.chain import verify_chain
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.retention import Pruned, prune

PERSONAL = ("Мрія", "+380501112233", "+380509998877", "+380671234567", "store cut the name")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(settings(tmp_path, policy={"approval_expires": "500d"}))
    yield opened
    assert list(verify_chain(opened)) == []
    opened.close()


def test_personal_values_are_gone_from_every_file_and_the_rest_is_there(
    journal: Journal, tmp_path: Path
) -> None:
    receipts(journal, NOW, range(1, 50))
    old = night(journal, size=50)
    assert any(word.encode() in bytes_of(tmp_path) for word in PERSONAL)
    pruned = prune(journal, 365 * DAY, NOW + 400 * DAY, "olena", "law")
    assert pruned == Pruned(run=2, runs=(old,), receipts=49)
    left = bytes_of(tmp_path)
    assert [word for word in PERSONAL if word.encode() in left] == []
    assert journal.get(old).facts.causes == {"missed_update": 50}
    first = next(journal.differences(old))[0]
    assert (first.key, first.name, first.fields, first.note) == ("000001", "", (), "")
    entry = journal.history(key="000002")[0]
    assert (entry.pruned, entry.outcome, entry.fields) == (True, "applied", ())
    run = journal.get(2)
    assert (run.command, run.who, run.reason, run.status) == ("prune", "olena", "law", "finished")
    assert (run.facts.pruned, run.facts.pruned_receipts) == ([old], 49)


def bytes_of(directory: Path) -> bytes:
    """All the journal's files, also as JSON would escape them."""
    return b"".join(path.read_bytes() for path in directory.glob("journal.db*"))


def test_the_first_approval_of_a_waiting_plan_is_left_alone(journal: Journal) -> None:
    held = night(journal, status="held")
    first = begin(journal, "endorse", parent=held)
    journal.add_differences(first, [difference(1)])
    journal.finish(first, status=RunStatus.FINISHED, exit_code=3, now=NOW)
    assert prune(journal, DAY, NOW + 2 * DAY, "olena", "law") == Pruned()
    answer = begin(journal, "reject", parent=held)
    journal.finish(answer, status=RunStatus.FINISHED, exit_code=0, now=NOW + 2 * DAY)
    assert prune(journal, DAY, NOW + 2 * DAY, "olena", "law").runs == (held, first)


def test_what_is_young_open_or_waiting_is_left_alone(journal: Journal) -> None:
    held = night(journal, status="held")
    failed = begin(journal)
    journal.add_differences(failed, [difference(1)])
    (intent,) = journal.intend(failed, [(1, correction(1))], NOW)
    journal.finish(failed, status=RunStatus.FAILED, exit_code=2, now=NOW)
    young = night(journal, NOW + 399 * DAY, status="failed")
    running = begin(journal)
    receipts(journal, NOW + 399 * DAY, range(1, 3))
    assert prune(journal, 365 * DAY, NOW + 400 * DAY, "olena", "law") == Pruned()
    assert [row.id for row in journal.runs()] == [running, young, failed, held]

    journal.settle(running, [applied(intent)], NOW)
    answer = begin(journal, "reject", parent=held)
    for run in (running, answer):
        journal.finish(run, status=RunStatus.FINISHED, exit_code=0, now=NOW + 399 * DAY)
    assert prune(journal, 365 * DAY, NOW + 400 * DAY, "olena", "law").runs == (held, failed)
    assert prune(journal, 365 * DAY, NOW + 400 * DAY, "olena", "law") == Pruned()


def test_nothing_is_pruned_twice_and_receipts_go_on_where_they_were_left(journal: Journal) -> None:
    receipts(journal, NOW, range(1, 3))
    night(journal)
    receipts(journal, NOW + 100 * DAY, range(3, 6))
    night(journal, NOW + 100 * DAY)
    assert prune(journal, 50 * DAY, NOW + 90 * DAY, "o", "r") == Pruned(
        run=3, runs=(1,), receipts=2
    )
    assert prune(journal, 50 * DAY, NOW + 190 * DAY, "o", "r") == Pruned(
        run=4, runs=(2,), receipts=3
    )
    assert list(verify_chain(journal)) == []
