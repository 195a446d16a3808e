"""kill -9 between any two steps: nothing is lost, nothing is applied twice, the report tells."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests import processes
from tests.integration.crash_child import STEPS, reconcile
from tests.integration.engine_world import World, world
from zvirka.domain import OutcomeState

pytestmark = pytest.mark.long

_LOG_CHANGES = {
    "sqlite": (
        "CREATE TABLE touched (row_id TEXT)",
        "CREATE TRIGGER touched_u AFTER UPDATE ON clients BEGIN"
        " INSERT INTO touched VALUES (new.id); END",
        "CREATE TRIGGER touched_i AFTER INSERT ON clients BEGIN"
        " INSERT INTO touched VALUES (new.id); END",
    ),
    "postgresql": (
        "CREATE TABLE touched (row_id TEXT)",
        "CREATE FUNCTION touch() RETURNS trigger AS 'BEGIN INSERT INTO touched VALUES (new.id);"
        " RETURN new; END' LANGUAGE plpgsql",
        "CREATE TRIGGER touched AFTER INSERT OR UPDATE ON clients"
        " FOR EACH ROW EXECUTE FUNCTION touch()",
    ),
}


def plain(value: Any) -> Any:
    """Settings as JSON takes them, secrets told."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value)


def disturb(made: World) -> set[str]:
    """Six corrections of every kind; the names of what was touched."""
    refs = made.refs()
    for ref in refs[:3]:
        made.base.update(ref, name=f"Змінено {ref[:8]}")
    made.base.delete(refs[3])
    fresh = [made.base.create(name=f"Нове {n}", code=f"N-{n}") for n in (1, 2)]
    return {*refs[:4], *fresh}


def killed(made: World, step: str, occurrence: int) -> bool:
    """Run and be killed at that step; false when the run never got there so often."""
    raw = made.settings.model_dump(mode="python", by_alias=True, exclude_none=True)
    code = processes.ended(reconcile, json.dumps(raw, default=plain), step, occurrence)
    assert code in {0, -signal.SIGKILL}
    return code == -signal.SIGKILL


@pytest.mark.parametrize("occurrence", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("backend", "shape"),
    [
        ("sqlite", "embedded"),
        pytest.param("postgresql", "production", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_loses_nothing_and_repeats_nothing(
    tmp_path: Path, backend: str, shape: str, step: str, occurrence: int
) -> None:
    with world(tmp_path, backend=backend, shape=shape, counterparties=12) as made:
        made.settings = made.settings.model_copy(
            update={"erp": made.settings.erp.model_copy(update={"batch": 2})}
        )
        made.run()
        for statement in _LOG_CHANGES[backend]:
            made.shape.sql(statement)
        disturb(made)
        if not killed(made, step, occurrence):
            assert occurrence == 2, f"the run never passes {step!r}"
            return
        run = made.run()
        assert run.exit_code == 0, run
        made.assert_in_sync()
        touched = Counter(row for (row,) in made.shape.sql("SELECT row_id FROM touched"))
        assert set(touched.values()) == {1}, "a row was written twice"
        assert len(touched) == 6, "a correction was lost"
        with made.environment() as environment:
            assert environment.journal.open_intents() == []
            assert environment.journal.running() == []
            applied = [
                outcome
                for number in (2, 3)
                for batch in environment.journal.corrections(number)
                for _, _, outcome in batch
                if outcome.state is OutcomeState.APPLIED
            ]
            dead = environment.journal.get(2)
            told = environment.journal.get(run.run).facts.recovered
        assert len(applied) == 6, "the journal does not explain every change"
        assert dead.status == ("finished" if step == "after the end" else "interrupted")
        assert bool(told) is (step != "after the end")
        assert made.run().causes == {}
