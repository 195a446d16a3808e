"""Contact lines that count from a day on, and 1C's answers to filters that cannot be believed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import Cause, RunStatus

pytestmark = pytest.mark.long

SECTION = "Catalog_Контрагенты_КонтактнаяИнформация"


@pytest.fixture(params=["published", "nested"])
def accounting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty store beside a base whose contact lines are published apart, or in their owners."""
    with world(tmp_path, profile="accounting", counterparties=8) as made:
        if request.param == "nested":
            made.simulator.faults.unpublished = {SECTION}
        yield made


def addresses(made: World, *refs: str) -> list[str]:
    found = made.shape.sql("SELECT ref, address FROM clients")
    held = dict(found)
    return [held[ref] for ref in refs]


def test_the_latest_address_in_force_counts_from_its_day_on(accounting: World) -> None:
    past, future = accounting.refs()[:2]
    base, today = accounting.base, accounting.clock().date()
    base.update(past, address="OLD")
    base.add_contact(past, "address", "CURRENT", date(2024, 5, 1))
    base.update(future, address="CURRENT")
    base.add_contact(future, "address", "FUTURE", date(today.year, today.month, today.day + 2))
    assert accounting.run().exit_code == 0
    assert addresses(accounting, past, future) == ["CURRENT", "CURRENT"]

    accounting.clock.forward(days=1)
    calm = accounting.run()
    assert (calm.exit_code, calm.causes, accounting.row(calm.run).mode) == (0, {}, "light")

    version = base.get(future).version
    accounting.clock.forward(days=1)
    night = accounting.run()
    assert (night.exit_code, accounting.row(night.run).mode) == (0, "light")
    assert [(d.ref, d.cause) for d in accounting.differences(night.run)] == [
        (future, Cause.MISSED_UPDATE)
    ]
    assert base.get(future).version == version
    assert addresses(accounting, past, future) == ["CURRENT", "FUTURE"]
    assert accounting.row(accounting.run().run).facts.fetched == 0


def test_a_line_that_began_while_the_clock_was_ahead_is_taken_back(accounting: World) -> None:
    future = accounting.refs()[0]
    today = accounting.clock().date()
    accounting.base.update(future, address="CURRENT")
    accounting.base.add_contact(
        future, "address", "FUTURE", date(today.year, today.month, today.day + 2)
    )
    assert accounting.run().exit_code == 0
    accounting.clock.forward(days=3)
    accounting.run()
    assert addresses(accounting, future) == ["FUTURE"]
    accounting.clock.forward(days=-3)
    accounting.run()
    assert addresses(accounting, future) == ["CURRENT"]


@pytest.mark.parametrize("lie", ["empty", "ignored"])
@pytest.mark.parametrize("profile", ["accounting", "custom", "trade"])
@pytest.mark.parametrize("full", [True, False])
def test_filters_that_lie_end_the_run_before_anything_is_written(
    tmp_path: Path, profile: str, full: bool, lie: Literal["empty", "ignored"]
) -> None:
    with world(
        tmp_path, profile=profile, counterparties=8, guard={"max_delete_share": 1.0}
    ) as made:
        assert made.run().exit_code == 0
        made.base.update(made.refs()[0], name="Змінено")
        before = made.in_store()
        made.simulator.faults.filters = lie
        for run in (made.run(full=full), made.resync(refs=(made.refs()[0],))):
            assert (run.status, run.kind) == (RunStatus.FAILED, "FilterIgnoredError")
        assert made.in_store() == before
        made.simulator.faults.filters = "honoured"
        assert made.run().outcomes == {"applied": 1}
