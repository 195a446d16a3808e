"""Limits hold, people decide: what was shown is applied, once, and can be put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from tests.integration.held_plans import delete
from zvirka.domain import Cause, Disposition, OutcomeState
from zvirka.errors import UsageError
from zvirka.journal.run_facts import Hold
from zvirka.reconcile.request import Targets


def hold(limit: str, found: int, allowed: int, what: str) -> Hold:
    return Hold(limit=limit, found=found, relation=">", allowed=allowed, what=what)


@pytest.mark.long
def test_past_a_delete_limit_deletes_wait_and_the_rest_goes_on(careful: World) -> None:
    codes = delete(careful, 4)
    careful.base.create(name="Новий", code="N-1")
    run = careful.run()
    assert (run.status, run.exit_code) == ("held", 3)
    assert run.held == (hold("max_deletes", 4, 2, "deletes"),)
    store = careful.in_store()
    assert set(codes) <= set(store)
    assert "N-1" in store


@pytest.mark.long
def test_past_a_change_limit_nothing_at_all_is_written(careful: World) -> None:
    for ref in careful.refs()[:10]:
        careful.base.update(ref, name=f"Змінено {ref}")
    before = careful.in_store()
    run = careful.run()
    assert (run.exit_code, run.outcomes) == (3, {})
    assert run.held == (hold("max_changes", 10, 8, "all"),)
    assert careful.in_store() == before


@pytest.mark.long
def test_a_held_plan_is_applied_after_approval_exactly_once(careful: World) -> None:
    codes = delete(careful, 4)
    held = careful.run()
    approved = careful.run("approve", parent=held.run, reason="звірено з бухгалтером")
    assert (approved.status, approved.exit_code) == ("finished", 0), approved
    assert approved.outcomes == {"applied": 4}
    assert not set(codes) & set(careful.in_store())
    with pytest.raises(UsageError, match="not waiting"):
        careful.run("approve", parent=held.run, reason="ще раз")
    assert careful.run().exit_code == 0
    row = careful.row(approved.run)
    assert (row.who, row.reason, row.parent) == ("test", "звірено з бухгалтером", held.run)


@pytest.mark.long
def test_what_changed_since_the_plan_was_shown_is_listed_and_left(careful: World) -> None:
    refs = careful.refs()
    for ref in refs[:10]:
        careful.base.update(ref, name=f"Змінено {ref}")
    held = careful.run()
    moved, other = refs[0], refs[20]
    careful.base.update(moved, name="Змінено ще раз")
    careful.base.update(other, name="Нова зміна")
    approved = careful.run("approve", parent=held.run, reason="так")
    facts = careful.row(approved.run).facts
    assert approved.outcomes == {"applied": 9}
    assert facts.changed_meanwhile == 1
    left = {
        d.ref for d in careful.differences(approved.run) if d.disposition is Disposition.REPORTED
    }
    assert left == {moved, other}
    assert approved.exit_code == 1
    assert careful.run().exit_code == 0
    careful.assert_in_sync()


@pytest.mark.long
def test_an_approval_of_another_digest_is_refused(careful: World) -> None:
    delete(careful, 4)
    held = careful.run()
    with pytest.raises(UsageError, match="not the one that was shown"):
        careful.run("approve", parent=held.run, digest="0" * 32, reason="так")
    assert careful.run("approve", parent=held.run, digest=held.plan_digest, reason="так").run


@pytest.mark.long
def test_the_first_run_holds_its_deletes(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=20) as made:
        made.shape.sql("INSERT INTO clients (code, name, source) VALUES ('X-1', 'Зайвий', '1c')")
        run = made.run()
        assert (run.status, run.exit_code) == ("held", 3)
        assert run.held == (Hold(limit="first_run", what="deletes"),)
        assert "X-1" in made.in_store()
        assert made.run("approve", parent=run.run, reason="зайвий").exit_code == 0
        assert "X-1" not in made.in_store()


@pytest.mark.long
def test_a_changed_policy_holds_deletes_until_a_person_agrees(careful: World) -> None:
    other = careful.with_settings(policy={"deletion_mark": "delete"})
    ref = next(ref for ref in careful.refs() if not careful.base.get(ref).deletion_mark)
    code = careful.base.get(ref).values["code"]
    careful.base.mark(ref, True)
    run = other.run()
    assert run.status == "held"
    assert code in careful.in_store()
    assert other.run("approve", parent=run.run, reason="політика нова").exit_code == 0
    assert code not in careful.in_store()


@pytest.mark.long
def test_an_undo_puts_back_what_is_as_the_run_left_it(night: World) -> None:
    one, two = night.refs()[:2]
    old = {ref: night.base.get(ref).values["name"] for ref in (one, two)}
    codes = {ref: night.base.get(ref).values["code"] for ref in (one, two)}
    for ref in (one, two):
        night.base.update(ref, name=f"Нове ім'я {ref[:4]}")
    night.base.create(name="Створений", code="C-1")
    run = night.run()
    night.shape.sql("UPDATE clients SET name = 'Хтось інший' WHERE ref = ?", (two,))
    undone = night.run("undo", parent=run.run, reason="помилка в 1С")
    assert sorted(night.outcomes(undone.run)) == sorted(
        [OutcomeState.APPLIED, OutcomeState.APPLIED, OutcomeState.SUPERSEDED]
    )
    store = night.in_store()
    assert store[codes[one]]["name"] == old[one]
    assert store[codes[two]]["name"] == "Хтось інший"
    assert "C-1" not in store


@pytest.mark.long
def test_what_was_undone_is_reported_and_not_redone_until_1c_changes_it(night: World) -> None:
    ref = night.refs()[0]
    code = night.base.get(ref).values["code"]
    old = night.base.get(ref).values["name"]
    night.base.update(ref, name="Помилкова назва")
    run = night.run()
    night.run("undo", parent=run.run, reason="помилка")
    for _ in range(2):
        quiet = night.run()
        assert quiet.outcomes == {}
        assert [d.cause for d in night.differences(quiet.run)] == [Cause.UNDONE]
        assert quiet.exit_code == 1
    assert night.in_store()[code]["name"] == old
    night.base.update(ref, name="Правильна назва")
    assert night.run().exit_code == 0
    assert night.in_store()[code]["name"] == "Правильна назва"


@pytest.mark.long
def test_a_resync_takes_up_what_was_undone(night: World) -> None:
    ref = night.refs()[0]
    code = night.base.get(ref).values["code"]
    night.base.update(ref, name="Все ж правильна")
    run = night.run()
    night.run("undo", parent=run.run, reason="помилка", targets=Targets(codes=(code,)))
    assert night.resync(code).exit_code == 0
    assert night.in_store()[code]["name"] == "Все ж правильна"
    assert night.run().exit_code == 0


@pytest.mark.long
def test_an_undo_of_a_run_that_changed_nothing_is_refused(night: World) -> None:
    quiet = night.run()
    with pytest.raises(UsageError, match="changed nothing"):
        night.run("undo", parent=quiet.run, reason="спроба")


@pytest.mark.long
def test_a_resync_of_one_touches_only_that_one(night: World) -> None:
    one, two, gone = night.refs()[:3]
    codes = {ref: night.base.get(ref).values["code"] for ref in (one, two, gone)}
    for ref in (one, two):
        night.base.update(ref, name=f"Нове {ref[:4]}")
    night.base.delete(gone)
    before = night.in_store()
    asked = len(night.simulator.requests)
    run = night.resync(codes[one])
    assert (run.exit_code, run.outcomes) == (0, {"applied": 1})
    after = night.in_store()
    assert after[codes[one]]["name"] == f"Нове {one[:4]}"
    assert {**after, codes[one]: None} == {**before, codes[one]: None}
    assert len(night.simulator.requests) - asked < 12
    assert night.resync(codes[gone]).outcomes == {"applied": 1}
    assert codes[gone] not in night.in_store()
    assert codes[two] in night.in_store()


def test_a_resync_of_nothing_or_of_nonsense_is_refused(night: World) -> None:
    run = night.run("resync", targets=Targets(), reason="так")
    assert (run.status, run.exit_code) == ("failed", 64)
    run = night.run("resync", targets=Targets(refs=("not-a-guid",)), reason="так")
    assert (run.status, run.exit_code) == ("failed", 64)


@pytest.mark.long
def test_a_resync_of_what_neither_side_knows_is_a_mistake(night: World) -> None:
    run = night.resync("no such code")
    assert (run.status, run.exit_code) == ("failed", 64)
    assert "neither 1C nor the store" in run.error
    ref = night.refs()[0]
    night.base.update(ref, name="Відомий")
    mixed = night.resync(night.base.get(ref).values["code"], "no such code")
    assert (mixed.exit_code, mixed.outcomes) == (0, {"applied": 1})
    assert night.row(mixed.run).facts.warnings == [
        "neither 1C nor the store knows code no such code"
    ]


@pytest.mark.long
def test_a_resync_tells_an_edit_in_the_erp_from_a_lost_webhook(night: World) -> None:
    edited, lost = night.refs()[:2]
    night.shape.sql("UPDATE clients SET name = 'Правка' WHERE ref = ?", (edited,))
    night.base.update(lost, name="Не дійшло")
    run = night.resync(refs=(edited, lost))
    causes = {d.ref: d.cause for d in night.differences(run.run)}
    assert causes == {edited: Cause.ERP_EDIT, lost: Cause.MISSED_UPDATE}
