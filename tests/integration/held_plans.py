"""What the tests of held plans do to 1C, and ask the journal."""

from __future__ import annotations

from tests.integration.engine_world import World
from zvirka.domain import Cause, Disposition, PlanState
from zvirka.reconcile.request import Summary


def delete(made: World, number: int) -> list[str]:
    codes = []
    for ref in made.refs()[:number]:
        codes.append(made.base.get(ref).values["code"])
        made.base.delete(ref)
    return codes


def waiting(made: World) -> list[int]:
    with made.environment() as environment:
        return [run.id or 0 for run in environment.journal.held(made.clock())]


def state_of(made: World, run: int) -> tuple[PlanState, int | None]:
    with made.environment() as environment:
        decision = environment.journal.decisions([run], made.clock())[run]
        return decision.state, decision.by


def left(made: World, run: Summary) -> dict[str, tuple[Cause, Disposition]]:
    return {d.key: (d.cause, d.disposition) for d in made.differences(run.run)}
