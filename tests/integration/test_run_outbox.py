"""A push that 1C could not deliver explains its difference; without an outbox nothing changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from zvirka.onec.undelivered import REGISTER
from zvirka.reconcile.request import Summary


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    """A world in step, whose 1C has the extension."""
    with world(tmp_path, outbox=True) as made:
        assert made.run().exit_code == 0
        yield made


def lost(world: World, number: int = 0) -> str:
    """A change whose webhook did not arrive: the Ref_Key."""
    ref = world.refs()[number]
    world.base.update(ref, name=f"Не дійшло {number}")
    return ref


def evidence(world: World, run: Summary) -> dict[str, str]:
    return {one.ref: one.evidence for one in world.differences(run.run)}


def asked(world: World) -> int:
    return sum(one.path == REGISTER for one in world.simulator.requests)


@pytest.mark.long
def test_a_lost_push_is_explained_by_the_outbox_and_in_the_report(night: World) -> None:
    ref, other = lost(night), lost(night, 1)
    since = night.clock.moment
    message = night.base.outbox.put(ref, "update", since)
    for minutes in (1, 2, 4):
        night.base.outbox.fail(message, since + timedelta(minutes=minutes), "HTTP 503", 503)
    run = night.run()
    told = (
        f"outbox of 1C: update waits since {since.isoformat()},"
        " failed attempts: 3, last error: HTTP 503"
    )
    assert evidence(night, run) == {ref: told, other: ""}
    night.assert_in_sync()
    path = next(path for path in run.reports if path.suffix == ".json")
    report = json.loads(path.read_text(encoding="utf-8"))
    found = {one["ref"]: one["evidence"] for one in report["differences"]}
    assert found[ref] == told


@pytest.mark.long
def test_the_oldest_message_of_a_counterparty_tells_since_when(night: World) -> None:
    ref = lost(night)
    since = night.clock.moment
    night.base.outbox.put(ref, "create", since)
    night.base.outbox.put(ref, "update", since + timedelta(minutes=5))
    told = f"outbox of 1C: create waits since {since.isoformat()}, not sent yet"
    assert evidence(night, night.run())[ref] == told


@pytest.mark.long
def test_a_client_that_is_to_be_deleted_is_explained_by_its_code(night: World) -> None:
    ref = night.refs()[2]
    code = night.base.get(ref).values["code"]
    night.base.outbox.put(ref, "delete", night.clock.moment, code=code, data='{"Код": "1"}')
    night.base.delete(ref)
    (difference,) = night.differences(night.run().run)
    assert difference.evidence.startswith("outbox of 1C: delete waits since")


@pytest.mark.long
def test_a_push_that_is_not_sent_any_more_waits_for_a_person(night: World) -> None:
    ref = night.refs()[0]
    since = night.clock.moment
    night.base.update(ref, name="Змінено")
    message = night.base.outbox.put(ref, "update", since)
    night.base.outbox.fail(message, since, "HTTP 422", 422, stopped=True)
    assert evidence(night, night.run("plan"))[ref] == (
        f"outbox of 1C: update of {since.isoformat()} is stopped until a person repeats or drops"
        " it, failed attempts: 1, last error: HTTP 422"
    )


@pytest.mark.long
@pytest.mark.parametrize(("after", "told"), [(-30, "outbox of 1C"), (30, "push log")])
def test_of_push_log_and_outbox_the_newer_speaks(
    night: World, tmp_path: Path, after: int, told: str
) -> None:
    ref = lost(night)
    tried = night.clock.moment + timedelta(minutes=10)
    message = night.base.outbox.put(ref, "update", night.clock.moment)
    night.base.outbox.fail(message, tried, "HTTP 503", 503)
    logged = (tried + timedelta(seconds=after)).isoformat()
    log = tmp_path / "push.log"
    log.write_text(f"{logged}\tERROR\tupdate\t{ref}\t1\t504\tHTTP 504\n", encoding="utf-8")
    logging = night.with_settings(report={"push_log": log})
    night.clock.forward(hours=1)
    assert evidence(night, logging.run())[ref].startswith(told)


@pytest.mark.long
def test_the_outbox_is_asked_once_a_run_and_a_quiet_night_never_asks(night: World) -> None:
    assert asked(night) == 1, "the first load has differences"
    assert night.differences(night.run().run) == []
    assert asked(night) == 1
    for number in range(10):
        lost(night, number)
    assert len(night.differences(night.run().run)) == 10
    assert asked(night) == 2


def test_a_resync_of_one_counterparty_is_explained_too(night: World) -> None:
    ref = lost(night)
    night.base.outbox.put(ref, "update", night.clock.moment)
    assert evidence(night, night.resync(refs=(ref,)))[ref].startswith("outbox of 1C: update")


@pytest.mark.long
def test_a_missing_role_is_a_warning_that_names_the_role(night: World) -> None:
    lost(night)
    night.simulator.faults.denied = {REGISTER}
    run = night.run()
    assert run.status == "finished"
    (warning,) = night.row(run.run).facts.warnings
    assert "ZvirkaReader" in warning


@pytest.mark.long
@pytest.mark.parametrize("loaded", [False, True])
def test_without_the_register_the_night_is_as_before(tmp_path: Path, loaded: bool) -> None:
    with world(tmp_path, outbox=loaded) as made:
        made.simulator.faults.unpublished = {REGISTER} if loaded else frozenset()
        assert made.run().exit_code == 0
        ref = lost(made)
        run = made.run()
        assert (run.status, run.exit_code) == ("finished", 0)
        assert evidence(made, run) == {ref: ""}
        assert made.row(run.run).facts.warnings == []
        made.assert_in_sync()


@pytest.mark.long
def test_an_outbox_that_cannot_be_read_is_a_warning_and_no_failure(night: World) -> None:
    ref = lost(night)
    night.simulator.faults.only = REGISTER
    night.simulator.faults.fail_500 = True
    run = night.run()
    assert run.status == "finished"
    assert evidence(night, run) == {ref: ""}
    (warning,) = night.row(run.run).facts.warnings
    assert REGISTER in warning
    night.assert_in_sync()
