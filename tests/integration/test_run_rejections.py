"""What a person rejected is not done by a later run until a side changes."""

from __future__ import annotations

import pytest

from tests.integration.engine_world import World
from tests.integration.held_plans import delete, left, state_of, waiting
from zvirka.domain import Cause, Disposition, PlanState
from zvirka.errors import UsageError
from zvirka.reconcile.request import Targets


@pytest.mark.long
def test_a_rejected_deletion_is_not_held_again_until_a_side_changes(careful: World) -> None:
    codes = delete(careful, 4)
    held = careful.run()
    rejected = careful.run("reject", parent=held.run, reason="1С зі старої копії")
    assert (rejected.status, rejected.exit_code) == ("finished", 1)
    assert left(careful, rejected) == dict.fromkeys(codes, (Cause.REJECTED, Disposition.REPORTED))
    assert waiting(careful) == []
    assert state_of(careful, held.run) == (PlanState.REJECTED, rejected.run)
    for _ in range(2):
        night = careful.run()
        assert (night.status, night.exit_code, night.outcomes) == ("finished", 1, {})
        assert left(careful, night) == dict.fromkeys(codes, (Cause.REJECTED, Disposition.REPORTED))
    [note] = {d.note for d in careful.differences(night.run)}
    assert "rejected by test on 2026-11-25" in note and "1С зі старої копії" in note
    assert set(codes) <= set(careful.in_store())
    careful.shape.sql("UPDATE clients SET name = 'Інша назва' WHERE code = ?", (codes[0],))
    assert left(careful, careful.run())[codes[0]][0] is not Cause.REJECTED
    assert codes[0] not in careful.in_store()
    assert set(codes[1:]) <= set(careful.in_store())


@pytest.mark.long
def test_many_rejected_deletions_do_not_hide_a_new_one(careful: World) -> None:
    delete(careful, 4)
    careful.run("reject", parent=careful.run().run, reason="ні")
    [code] = delete(careful, 1)
    night = careful.run()
    assert (night.status, night.outcomes) == ("finished", {"applied": 1})
    assert code not in careful.in_store()


@pytest.mark.long
def test_a_rejected_change_comes_back_when_1c_changes(careful: World) -> None:
    refs = careful.refs()[:10]
    for ref in refs:
        careful.base.update(ref, name=f"Змінено {ref}")
    careful.run("reject", parent=careful.run().run, reason="помилка в 1С")
    assert careful.run().outcomes == {}
    careful.base.update(refs[0], name="Виправлено в 1С")
    assert careful.run().outcomes == {"applied": 1}
    code = careful.base.get(refs[0]).values["code"]
    assert careful.in_store()[code]["name"] == "Виправлено в 1С"


@pytest.mark.long
def test_a_client_can_be_rejected_for_good_and_taken_up_again_by_name(careful: World) -> None:
    codes = delete(careful, 4)
    held = careful.run()
    one = careful.run(
        "reject",
        parent=held.run,
        reason="працюємо далі",
        targets=Targets(codes=(codes[0],)),
        for_good=True,
    )
    assert [d.key for d in careful.differences(one.run)] == [codes[0]]
    assert waiting(careful) == [held.run], "the rest of the plan still waits"
    approved = careful.run("approve", parent=held.run, reason="решта — так")
    assert approved.outcomes == {"applied": 3}
    assert careful.row(approved.run).facts.changed_meanwhile == 0
    careful.shape.sql("UPDATE clients SET name = 'Інша назва' WHERE code = ?", (codes[0],))
    night = careful.run()
    assert left(careful, night) == {codes[0]: (Cause.REJECTED, Disposition.REPORTED)}
    assert careful.resync().outcomes == {}, "for good: only by name"
    assert codes[0] in careful.in_store()
    assert careful.resync(codes[0]).outcomes == {"applied": 1}
    assert codes[0] not in careful.in_store()
    assert careful.run().exit_code == 0


@pytest.mark.long
def test_a_rejection_of_what_the_plan_does_not_have_is_a_mistake(careful: World) -> None:
    delete(careful, 4)
    held = careful.run()
    with pytest.raises(UsageError, match="not in the held plan"):
        careful.run("reject", parent=held.run, reason="ні", targets=Targets(codes=("X",)))


@pytest.mark.long
def test_a_rejection_by_mistake_is_lifted_by_a_resync(careful: World) -> None:
    codes = delete(careful, 4)
    careful.run("reject", parent=careful.run().run, reason="ні")
    assert careful.resync(codes[0]).outcomes == {"applied": 1}
    assert codes[0] not in careful.in_store()
