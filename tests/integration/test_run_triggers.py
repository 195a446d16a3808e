"""One decision for every trigger: a plan, a night, a resync and the feed tell the same story."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import Action, Cause, Kind
from zvirka.onec.open_source import open_feed
from zvirka.reconcile.feeding import follow
from zvirka.reconcile.request import Summary, Targets

SHAPES = pytest.mark.parametrize("shape", ["embedded", "production"])
FEED = {"exchange_plan": "Звірка", "exchange_node": "ZV"}


@contextmanager
def fed_world(directory: Path, **asked: object) -> Iterator[World]:
    """A world in sync, whose exchange plan has nothing left to send."""
    with world(directory, onec=FEED, **{"counterparties": 8, **asked}) as made:  # type: ignore[arg-type]
        made.run()
        forget_the_feed(made)
        yield made


def forget_the_feed(made: World) -> None:
    with open_feed(made.settings.onec, made.mapping) as feed:
        feed.confirm(feed.pending().message)


def feed(made: World) -> Summary:
    made.clock.forward(minutes=1)
    with made.environment() as environment:
        run = follow(environment, who="test")
    assert run is not None
    return run


def code_of(made: World, ref: str) -> str:
    return str(made.base.get(ref).values["code"])


def recreated(made: World, ref: str) -> str:
    """Delete a counterparty in 1C and create another one under the same Код."""
    held = dict(made.base.get(ref).values)
    made.base.delete(ref)
    return str(made.base.create(**{name: held[name] or "" for name in made.mapping.names}))


@pytest.mark.long
@SHAPES
def test_a_client_deleted_by_hand_has_the_same_cause_for_every_trigger(
    tmp_path: Path, shape: str
) -> None:
    with fed_world(tmp_path, shape=shape) as made:
        ref = made.refs()[0]
        row = made.shape.find(code_of(made, ref))[0].row
        if shape == "production":
            made.shape.sql("DELETE FROM client_contacts WHERE client_id = ?", (row,))
        made.shape.sql(f"DELETE FROM {made.shape.table} WHERE id = ?", (row,))
        made.base.touch(ref)
        planned = made.run("plan")
        fed = feed(made)
        for run in (planned, fed):
            told = [(d.kind, d.cause) for d in made.differences(run.run)]
            assert told == [(Kind.MISSING, Cause.ERP_EDIT)]


@pytest.mark.long
@SHAPES
@pytest.mark.parametrize("mode", ["soft", "hard"])
@pytest.mark.parametrize("named", ["both", "late", "resync"])
def test_a_code_created_again_keeps_its_client(
    tmp_path: Path, shape: str, mode: str, named: str
) -> None:
    """1C deletes a counterparty and creates another one under its Код: the client goes on."""
    with fed_world(tmp_path, shape=shape) as soft:
        made = soft.with_settings(erp={"delete": {"mode": "hard"}}) if mode == "hard" else soft
        old = made.refs()[0]
        code = code_of(made, old)
        row = made.shape.find(code)[0].row
        new = recreated(made, old)
        made.base.update(new, name="Заведено знову")
        match named:
            case "both":
                run = feed(made)
            case "resync":
                run = made.resync(refs=(old,))
            case _:
                assert made.run().exit_code == 0
                run = feed(made)
        assert Action.DELETE not in {d.action for d in made.differences(run.run)}
        assert [(c.row, c.active) for c in made.shape.find(code)] == [(row, True)]
        assert run.exit_code == 0
        made.assert_in_sync()
        assert made.run().causes == {}


@pytest.mark.long
def test_a_tax_id_as_key_protects_its_client_as_well(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=8, onec=FEED) as by_code:
        made = by_code.with_settings(onec={"key": "tax_id"}, erp={"key": "tax_id"})
        made.run()
        forget_the_feed(made)
        old = made.refs()[0]
        recreated(made, old)
        before = made.in_store()
        for run in (made.resync(refs=(old,)), feed(made), made.run()):
            assert Action.DELETE not in {d.action for d in made.differences(run.run)}
        assert made.in_store() == before


@pytest.mark.long
def test_changes_between_two_feeds_are_missed_updates_and_no_conflict(tmp_path: Path) -> None:
    with fed_world(tmp_path) as made:
        ref = made.refs()[0]
        for name in ("Перша", "Друга", "Третя"):
            made.base.update(ref, name=name)
            assert feed(made).causes == {"missed_update": 1}
        for name in ("Четверта", "П'ята"):
            made.base.update(ref, name=name)
            assert made.resync(refs=(ref,)).causes == {"missed_update": 1}
        made.base.update(ref, name="Шоста")
        assert made.run().causes == {"missed_update": 1}


@pytest.mark.long
@SHAPES
def test_a_client_of_many_counterparties_is_deleted_once(tmp_path: Path, shape: str) -> None:
    with fed_world(tmp_path, shape=shape) as made:
        ref = made.refs()[0]
        for _ in range(3):
            ref = recreated(made, ref)
            assert made.run().exit_code == 0
        made.base.delete(ref)
        run = made.run()
        assert [(d.ref, d.action) for d in made.differences(run.run)] == [(ref, Action.DELETE)]
        assert (run.exit_code, run.remaining) == (0, 0)


def test_a_feed_of_what_nobody_knows_is_confirmed(tmp_path: Path) -> None:
    with fed_world(tmp_path) as made:
        made.base.delete(made.base.create(name="Між двома", code="X-1"))
        run = feed(made)
        assert (run.status, run.exit_code, run.causes) == ("finished", 0, {})
        made.base.create(name="Тека", code="T-1", IsFolder=True)
        run = feed(made)
        assert (run.status, run.exit_code, run.causes) == ("finished", 0, {})
        with made.environment() as environment:
            assert follow(environment, who="test") is None


@pytest.mark.long
def test_a_tax_id_that_nobody_has_is_not_in_sync(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=8) as made:
        made.run()
        known = next(iter(made.in_1c().values()))["tax_id"]
        gone = made.run("resync", reason="x", targets=Targets(tax_ids=("0123456789",)))
        assert (gone.status, gone.exit_code) == ("failed", 64)
        assert "0123456789" not in gone.error
        blank = made.run("resync", reason="x", targets=Targets(tax_ids=(" ",)))
        assert (blank.status, blank.exit_code) == ("failed", 64)
        both = made.run("resync", reason="x", targets=Targets(tax_ids=(known, "0123456789")))
        assert both.exit_code == 0
        assert "nobody in 1C has the tax id …89" in map(str, made.row(both.run).facts.warnings)
