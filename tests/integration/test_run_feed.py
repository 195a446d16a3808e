"""Between two nights: what 1C's exchange plan recorded is corrected, and only then forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from tests.integration.flows_world import flows
from zvirka.domain import Cause
from zvirka.errors import HeldError, SettingsError, SourceError
from zvirka.onec.open_source import open_feed
from zvirka.reconcile.feeding import follow, follow_together, readers_of_the_node
from zvirka.reconcile.request import Summary


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    feed = {"exchange_plan": "Звірка", "exchange_node": "ZV"}
    with world(tmp_path, counterparties=30, onec=feed) as made:
        made.run()
        with open_feed(made.settings.onec, made.mapping) as feed_:
            feed_.confirm(feed_.pending().message)
        yield made


def followed(made: World) -> Summary | None:
    made.clock.forward(minutes=1)
    with made.environment() as environment:
        return follow(environment, who="test")


@pytest.mark.long
def test_what_the_plan_recorded_is_corrected_and_forgotten(night: World) -> None:
    changed, gone = night.refs()[:2]
    night.base.update(changed, name="Через план обміну")
    night.base.delete(gone)
    night.base.create(name="Новий", code="F-1")
    asked = len(night.simulator.requests)
    run = followed(night)
    assert run is not None
    assert (run.exit_code, run.outcomes) == (0, {"applied": 3})
    assert len(night.simulator.requests) - asked < 20
    night.assert_in_sync()
    assert night.row(run.run).trigger == "feed"
    assert followed(night) is None


@pytest.mark.long
def test_a_failed_run_forgets_nothing(night: World) -> None:
    night.base.update(night.refs()[0], name="Ще прийде")
    night.simulator.faults.only = "Catalog_"
    night.simulator.faults.fail_500 = True
    run = followed(night)
    assert run is not None
    assert run.status == "failed"
    night.simulator.faults.fail_500 = 0
    again = followed(night)
    assert again is not None
    assert again.outcomes == {"applied": 1}
    night.assert_in_sync()


@pytest.mark.long
def test_a_mass_deletion_in_the_feed_is_held_and_not_forgotten(night: World) -> None:
    careful = night.with_settings(guard={"max_deletes": 2})
    codes = [night.base.get(ref).values["code"] for ref in night.refs()[:4]]
    for ref in night.refs()[:4]:
        night.base.delete(ref)
    run = followed(careful)
    assert run is not None
    assert (run.status, run.exit_code) == ("held", 3)
    assert set(codes) <= set(night.in_store())
    with pytest.raises(HeldError, match=f"run {run.run} "):
        followed(careful)
    assert careful.run("approve", parent=run.run, reason="так").outcomes == {"applied": 4}
    assert not set(codes) & set(night.in_store())
    empty = followed(careful)
    assert empty is not None
    assert empty.causes == {}
    assert followed(careful) is None


@pytest.mark.long
def test_deletions_of_the_feed_that_were_rejected_are_reported_and_confirmed(night: World) -> None:
    careful = night.with_settings(guard={"max_deletes": 2})
    codes = [night.base.get(ref).values["code"] for ref in night.refs()[:4]]
    for ref in night.refs()[:4]:
        night.base.delete(ref)
    run = followed(careful)
    assert run is not None
    careful.run("reject", parent=run.run, reason="ні")
    again = followed(careful)
    assert again is not None
    assert (again.status, again.outcomes, again.causes) == ("finished", {}, {"rejected": 4})
    assert followed(careful) is None
    assert set(codes) <= set(night.in_store())


@pytest.mark.long
def test_a_touch_does_not_redo_what_a_person_undid(night: World) -> None:
    ref = night.refs()[0]
    night.base.update(ref, name="Помилка")
    run = followed(night)
    assert run is not None
    night.run("undo", parent=run.run, reason="помилка")
    night.base.touch(ref)
    again = followed(night)
    assert again is not None
    assert again.outcomes == {}
    assert [d.cause for d in night.differences(again.run)] == [Cause.UNDONE]


def test_without_a_plan_in_the_settings_the_remedy_is_named(night: World) -> None:
    bare = night.with_settings(onec={"exchange_plan": ""})
    with pytest.raises(SettingsError, match="exchange plan"):
        followed(bare)


@pytest.mark.long
def test_one_message_serves_all_flows_of_its_base(tmp_path: Path) -> None:
    node = {"exchange_plan": "Звірка", "exchange_node": "ZV"}
    with flows(tmp_path, onec=node) as both:
        both.run("main")
        both.run("contracts")
        readers = readers_of_the_node(both.settings["contracts"])
        assert [one.name for one in readers] == ["main", "contracts"]

        def follow_both() -> dict[str, Summary]:
            both.clock.forward(minutes=1)
            with both.environment("main") as main, both.environment("contracts") as contracts:
                return follow_together([main, contracts], who="test")

        follow_both()
        firm = both.base.create(name="Нова фірма")
        contract = both.base.contracts.create(Description="Новий договір", Owner_Key=firm)
        asked = len(both.simulator.requests)
        runs = follow_both()
        posts = [one.path for one in both.simulator.requests[asked:] if one.method == "POST"]
        assert [path.rpartition("/")[2] for path in posts] == [
            "SelectChanges",
            "NotifyChangesReceived",
        ]
        assert {name: one.outcomes for name, one in runs.items()} == {
            "main": {"applied": 1},
            "contracts": {"applied": 1},
        }
        assert both.stored()[contract][1] == firm
        assert follow_both() == {}
        both.base.contracts.update(contract, Description="Ще новіший")
        with both.environment("main") as main, pytest.raises(SourceError, match="1 other object"):
            follow(main, who="test")
        assert [*follow_both()] == ["contracts"]
