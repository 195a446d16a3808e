"""What the limits hold, and how they say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.journal.world import begin, difference
from tests.unit.reconcile.decisions import (
    MemoryStore,
    context_of,
    environment_of,
    good_run,
    under,
)
from zvirka.domain import Action, Disposition
from zvirka.journal.run_facts import Hold
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.guarding import guard


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    made = environment_of(tmp_path, MemoryStore())
    yield made
    made.journal.close()


def guarded(
    environment: Environment, deletes: int, updates: int, *, rows: int = 1000, **limits: Any
) -> tuple[list[Hold], dict[str, int]]:
    """The holds of a run with so many deletes and updates, and its differences by disposition."""
    run = begin(environment.journal)
    actions = [Action.DELETE] * deletes + [Action.UPDATE] * updates
    environment.journal.add_differences(
        run, [difference(number, action=action) for number, action in enumerate(actions, start=1)]
    )
    planned = {
        (Action.DELETE.value, Disposition.CORRECT): deletes,
        (Action.UPDATE.value, Disposition.CORRECT): updates,
    }
    context = context_of(under(environment, guard=limits), run)
    holds = guard(context, planned, store_active=rows, source_rows=rows)
    return holds, environment.journal.count(run).dispositions


def known(environment: Environment, *sizes: int) -> None:
    for size in sizes:
        good_run(environment.journal, size, fingerprint=environment.fingerprint())


def test_within_the_limits_nothing_is_held(environment: Environment) -> None:
    known(environment, 1000)
    assert guarded(environment, 3, 5) == ([], {"correct": 8})


def test_past_a_limit_on_deletes_only_the_deletes_are_held(environment: Environment) -> None:
    known(environment, 1000)
    holds, differences = guarded(environment, 3, 5, max_deletes=2)
    assert holds == [Hold(limit="max_deletes", found=3, relation=">", allowed=2, what="deletes")]
    assert differences == {"held": 3, "correct": 5}


def test_past_a_limit_on_changes_everything_is_held(environment: Environment) -> None:
    known(environment, 1000)
    holds, differences = guarded(environment, 3, 5, max_deletes=2, max_changes=7)
    assert holds == [Hold(limit="max_changes", found=8, relation=">", allowed=7, what="all")]
    assert differences == {"held": 8}


@pytest.mark.parametrize(("deletes", "held"), [(1, False), (2, True)])
def test_a_share_allows_one_deletion_of_a_small_store(
    environment: Environment, deletes: int, held: bool
) -> None:
    known(environment, 10)
    holds, _ = guarded(environment, deletes, 0, rows=10, max_delete_share=0.05)
    expected = [
        Hold(limit="max_delete_share", found=0.2, relation=">", allowed=0.05, what="deletes")
    ]
    assert holds == (expected if held else [])


def test_a_share_of_one_is_no_limit(environment: Environment) -> None:
    known(environment, 100)
    assert guarded(environment, 20, 0, rows=100, max_delete_share=1.0)[0] == []
    [hold] = guarded(environment, 20, 0, rows=100, max_delete_share=0.99999, max_deletes=19)[0]
    assert hold.limit == "max_deletes"


def test_the_first_run_and_new_rules_hold_deletes_only(environment: Environment) -> None:
    assert guarded(environment, 1, 4) == (
        [Hold(limit="first_run", what="deletes")],
        {"held": 1, "correct": 4},
    )
    good_run(environment.journal, 1000, fingerprint="of other rules")
    assert guarded(environment, 1, 0)[0] == [Hold(limit="fingerprint", what="deletes")]
    assert guarded(environment, 0, 4)[0] == []


def test_a_catalogue_that_shrank_below_the_usual_holds_deletes(environment: Environment) -> None:
    known(environment, 980, 1000, 1020)
    assert guarded(environment, 1, 0, rows=900)[0] == []
    holds, _ = guarded(environment, 1, 0, rows=899)
    assert holds == [
        Hold(limit="shrink_share", found=899, relation="<", allowed=900, what="deletes")
    ]


@pytest.mark.parametrize(("limit", "normal"), [("shrink_share", True), ("max_deletes", False)])
def test_only_an_approved_shrink_is_the_new_normal(
    environment: Environment, limit: str, normal: bool
) -> None:
    known(environment, 1000, 1000, 1000)
    hold = Hold(limit=limit, found=1, relation="<", allowed=2, what="deletes")
    held = good_run(environment.journal, 500, held=[hold])
    good_run(
        environment.journal,
        500,
        command="approve",
        parent=held,
        fingerprint=environment.fingerprint(),
    )
    known(environment, 498)
    holds, _ = guarded(environment, 1, 0, rows=497)
    assert [one.limit for one in holds] == ([] if normal else ["shrink_share"])
