"""The law of the chain: whatever was done keeps it silent, whatever is changed makes it speak."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.journal import world
from zvirka.domain import (
    Action,
    Cause,
    Command,
    Disposition,
    FieldDifference,
    Kind,
    Outcome,
    OutcomeState,
    RunStatus,
    Trigger,
)
from zvirka.journal.chain import verify_chain
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.retention import prune
from zvirka.journal.run_writes import FINAL
from zvirka.journal.tables import metadata

pytestmark = pytest.mark.long

TEXT = st.text(max_size=20)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), TEXT),
        st.tuples(st.just("add"), st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=4)),
        st.tuples(st.just("update"), st.tuples(TEXT, st.sampled_from(Disposition))),
        st.tuples(st.just("hold"), st.sampled_from([None, [Action.UPDATE]])),
        st.tuples(st.just("intend"), TEXT),
        st.tuples(st.just("settle"), st.sampled_from(OutcomeState)),
        st.tuples(st.just("finish"), st.sampled_from(sorted(FINAL))),
        st.tuples(st.just("remember"), st.lists(TEXT, max_size=3)),
        st.tuples(st.just("forget"), TEXT),
        st.tuples(st.just("receive"), st.integers(1, 3)),
        st.tuples(st.just("prune"), st.integers(0, 5)),
    ),
    max_size=25,
)


class Life:
    """Does with a book whatever the steps say, as far as the book allows it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.run: int | None = None
        self.added = 0
        self.now = world.NOW

    def live(self, steps: list[tuple[str, Any]]) -> None:
        for name, detail in steps:
            self.now += timedelta(hours=7)
            step: Callable[[Any], None] = getattr(self, name)
            if self.run is not None or name in {"begin", "receive", "prune", "remember", "forget"}:
                step(detail)

    def begin(self, reason: str) -> None:
        if self.run is None:
            self.added = 0
            self.run = self.journal.begin(
                command=Command.RECONCILE,
                trigger=Trigger.MANUAL,
                who="w",
                reason=reason,
                now=self.now,
            )

    def add(self, several: list[tuple[str, str, str]]) -> None:
        assert self.run is not None
        first = self.added + 1
        self.added += len(several)
        self.journal.add_differences(
            self.run,
            [
                world.difference(
                    number, key=key, name=name, fields=(FieldDifference("name", value, None),)
                )
                for number, (key, name, value) in enumerate(several, first)
            ],
        )

    def update(self, change: tuple[str, Disposition]) -> None:
        assert self.run is not None
        if self.added:
            note, disposition = change
            one = world.difference(
                1, note=note, disposition=disposition, kind=Kind.EXTRA, cause=Cause.UNKNOWN
            )
            self.journal.update_differences(self.run, [one])

    def hold(self, actions: list[Action] | None) -> None:
        assert self.run is not None
        self.journal.hold(self.run, actions)

    def intend(self, value: str) -> None:
        assert self.run is not None
        if self.added:
            one = world.correction(self.added, after={"name": value})
            self.journal.intend(self.run, [(self.added, one)], self.now)

    def settle(self, state: OutcomeState) -> None:
        assert self.run is not None
        for _, _, one in self.journal.open_intents()[:1]:
            outcome = Outcome(correction=one.id, state=state, detail="d")
            self.journal.settle(self.run, [outcome], self.now)

    def finish(self, status: str) -> None:
        assert self.run is not None
        self.journal.finish(self.run, status=RunStatus(status), exit_code=0, now=self.now)
        self.run = None

    def remember(self, keys: list[str]) -> None:
        if self.run is not None:
            self.journal.put_pairings([(key, key, "1") for key in keys])
            self.journal.put_suppressions(
                [world.standing(1, ref="", key=key, run=self.run) for key in keys]
            )

    def forget(self, key: str) -> None:
        if self.run is not None:
            self.journal.drop_pairings([key])
            self.journal.drop_suppressions([key])

    def receive(self, number: int) -> None:
        world.receipts(self.journal, self.now, range(number))

    def prune(self, days: int) -> None:
        prune(self.journal, timedelta(days=days), self.now, "w", "r")


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, data=st.data())
def test_any_life_of_a_journal_verifies_and_any_one_change_to_it_does_not(
    steps: list[tuple[str, Any]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        journal = open_journal(world.settings(Path(directory)))
        life = Life(journal)
        life.live([("begin", "r"), *steps])
        assert list(verify_chain(journal)) == []
        if life.run is not None:
            life.finish("interrupted")
        assert list(verify_chain(journal)) == []
        door = sqlite3.connect(Path(directory) / "journal.db", isolation_level=None)
        change(door, data)
        assert list(verify_chain(journal)) != []
        door.close()
        journal.close()


def change(door: sqlite3.Connection, data: st.DataObject) -> None:
    """One cell to another value, or one row away; receipts behind the last seal left out."""
    sealed = door.execute("SELECT max(json_extract(sealed, '$.receipt')) FROM run").fetchone()[0]
    cells = [
        (table.name, column.name, row[0])
        for table in metadata.sorted_tables
        for row in door.execute(f"SELECT rowid FROM {table.name}")
        for column in table.c
        if table.name != "receipt" or row[0] <= sealed
    ]
    table, column, row = data.draw(st.sampled_from(cells))
    if data.draw(st.booleans()) and table != "chain":
        door.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
        return
    before = door.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()[0]
    if isinstance(before, int):
        after: Any = before + data.draw(st.integers(10_000, 20_000))
    else:
        after = data.draw(st.text(max_size=5).filter(lambda text: text != before))
    door.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (after, row))
