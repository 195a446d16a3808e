"""What an undo writes and remembers, on a store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tests.unit.journal.world import applied, begin, difference, ref
from tests.unit.reconcile.decisions import NOW, MemoryStore, client_of, environment_of
from zvirka.domain import Action, Correction, OutcomeState, RunStatus
from zvirka.errors import AlteredJournalError, UsageError
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Targets
from zvirka.reconcile.undoing import check_undoable, undo

OLD: dict[str, str | None] = {"code": "000001", "name": "Стара назва", "phone": "1"}
NEW: dict[str, Any] = {**OLD, "name": "Нова назва"}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(client_of("1", **NEW), client_of("2"), client_of("3", active=False))


@pytest.fixture
def environment(tmp_path: Path, store: MemoryStore) -> Iterator[Environment]:
    made = environment_of(tmp_path, store)
    yield made
    made.journal.close()


def corrected(environment: Environment, *corrections: Correction) -> int:
    """A finished run that wrote these."""
    journal = environment.journal
    run = begin(journal)
    numbers = range(1, len(corrections) + 1)
    journal.add_differences(run, [difference(number) for number in numbers])
    intended = journal.intend(run, list(zip(numbers, corrections, strict=True)), NOW)
    journal.settle(run, [applied(one, row=one.row) for one in intended], NOW)
    journal.finish(run, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    return run


def renamed(row: str = "1") -> Correction:
    key = f"{int(row):06}"
    name: dict[str, str | None] = {"name": "Нова назва"}
    return Correction(
        id=0, action=Action.UPDATE, key=key, ref=ref(int(row)), row=row, before=OLD, after=name
    )


def undone(
    environment: Environment, store: MemoryStore, run: int, targets: Targets | None = None
) -> list[OutcomeState]:
    """The outcomes of undoing a run, which is then finished."""
    check_undoable(environment.journal, run, targets or Targets())
    number = begin(environment.journal, "undo", parent=run)
    undo(environment, number, store, run, targets or Targets())
    environment.journal.finish(number, status=RunStatus.FINISHED, exit_code=0, now=NOW)
    return [
        outcome.state
        for batch in environment.journal.corrections(number)
        for _, _, outcome in batch
    ]


def test_each_action_is_put_back(environment: Environment, store: MemoryStore) -> None:
    created, restored = store.rows["2"], store.rows["3"]
    run = corrected(
        environment,
        renamed(),
        Correction(
            id=0, action=Action.CREATE, key="000002", ref=ref(2), row="2", after=created.values
        ),
        Correction(
            id=0, action=Action.DELETE, key="000003", ref=ref(3), row="3", before=restored.values
        ),
    )
    assert undone(environment, store, run) == [OutcomeState.APPLIED] * 3
    assert store.rows["1"].values == OLD
    assert not store.rows["2"].active
    assert store.rows["3"].active
    reasons = {ident: one.reason for ident, one in environment.journal.suppressions().items()}
    assert reasons == {ref(number): Reason.UNDONE for number in (1, 2, 3)}


def test_what_changed_since_is_left_and_not_remembered(
    environment: Environment, store: MemoryStore
) -> None:
    run = corrected(environment, renamed())
    store.edit("1", name="Хтось інший")
    assert undone(environment, store, run) == [OutcomeState.SUPERSEDED]
    assert store.rows["1"].values["name"] == "Хтось інший"
    assert environment.journal.suppressions() == {}


def test_a_second_undo_changes_no_memory(environment: Environment, store: MemoryStore) -> None:
    run = corrected(environment, renamed())
    undone(environment, store, run)
    remembered = environment.journal.suppressions()
    assert undone(environment, store, run) == [OutcomeState.SUPERSEDED]
    assert environment.journal.suppressions() == remembered
    assert store.rows["1"].values == OLD


def test_an_undo_does_not_lift_a_rejection_for_good(
    environment: Environment, store: MemoryStore
) -> None:
    journal = environment.journal
    run = corrected(environment, renamed())
    rejecting = begin(journal, "reject")
    never = Suppression(
        key="000001", ref=ref(1), reason=Reason.NEVER, wanted="w", run=rejecting, since=NOW
    )
    journal.put_suppressions([never])
    journal.finish(rejecting, status=RunStatus.FINISHED, exit_code=1, now=NOW)
    assert undone(environment, store, run) == [OutcomeState.APPLIED]
    assert journal.suppressions() == {ref(1): never}


def test_an_undo_of_some_leaves_the_others(environment: Environment, store: MemoryStore) -> None:
    run = corrected(environment, renamed(), renamed("2"))
    targets = Targets(codes=("000002",))
    assert undone(environment, store, run, targets) == [OutcomeState.SUPERSEDED]
    assert store.rows["1"].values == NEW


def test_an_undo_of_what_the_run_did_not_change_is_refused(
    environment: Environment, store: MemoryStore
) -> None:
    run = corrected(environment, renamed())
    with pytest.raises(UsageError, match="000002"):
        undone(environment, store, run, Targets(codes=("000001", "000002")))
    assert store.rows["1"].values == NEW


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE correction SET before = replace(before, 'Стара', 'Чужа')""",
        "UPDATE correction SET digest = 'x'",
        "UPDATE run SET facts = json_set(facts, '$.writer', 'webhook') WHERE id = 1",
        "DELETE FROM correction WHERE id = 2",
    ],
)
def test_an_altered_run_is_not_undone(
    environment: Environment, store: MemoryStore, change: str
) -> None:
    run = corrected(environment, renamed(), renamed("2"))
    with environment.journal.writing() as connection:
        connection.execute(text(change))
    with pytest.raises(AlteredJournalError, match="altered"):
        undone(environment, store, run)
    assert store.rows["1"].values == NEW


def test_a_run_that_wrote_nothing_is_not_undone(environment: Environment) -> None:
    run = corrected(environment)
    with pytest.raises(UsageError, match="changed nothing"):
        check_undoable(environment.journal, run, Targets())


def test_a_new_ref_key_alone_is_nothing_to_put_back(
    environment: Environment, store: MemoryStore
) -> None:
    """1C created the object again under the same Код: the row got the Ref_Key of the new one."""
    again = msgspec.structs.replace(renamed("2"), key="000002", after={}, new_key="000002")
    renamed_again = msgspec.structs.replace(renamed(), new_key="000001")
    run = corrected(environment, renamed_again, again)
    assert undone(environment, store, run) == [OutcomeState.APPLIED]
    assert store.rows["1"].values["name"] == "Стара назва"
