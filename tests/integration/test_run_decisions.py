"""What a person decided stays decided: approvals, rejections and undos across later runs."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import Cause, Command, Correction, Disposition, Outcome, OutcomeState, PlanState
from zvirka.erp.protocol import Allowed, Writer, always_allowed
from zvirka.errors import JournalError, UsageError
from zvirka.journal.chain import verify_chain
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, counterparties=60) as made:
        assert made.run().exit_code == 0
        yield made


@pytest.fixture
def careful(night: World) -> World:
    return night.with_settings(guard={"max_deletes": 2, "max_changes": 8})


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


# -- undo ------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_second_undo_does_not_erase_the_memory_of_the_first(night: World) -> None:
    refs = night.refs()[:3]
    codes = [night.base.get(ref).values["code"] for ref in refs]
    old = [night.in_store()[code]["name"] for code in codes]
    for ref in refs:
        night.base.update(ref, name=f"Помилка {ref[:4]}")
    run = night.run()
    night.run("undo", parent=run.run, reason="помилка")
    again = night.run("undo", parent=run.run, reason="ще раз")
    assert set(night.outcomes(again.run)) == {OutcomeState.SUPERSEDED}
    quiet = night.run()
    assert quiet.outcomes == {}
    assert left(night, quiet) == dict.fromkeys(codes, (Cause.UNDONE, Disposition.REPORTED))
    assert [night.in_store()[code]["name"] for code in codes] == old


def test_an_undo_refuses_before_images_that_were_altered(night: World) -> None:
    ref = night.refs()[0]
    code = night.base.get(ref).values["code"]
    night.base.update(ref, name="Нова назва")
    run = night.run()
    with sqlite3.connect(night.directory / "state" / "journal.db") as door:
        door.execute("""UPDATE correction SET before = replace(before, '"name":"', '"name":"X')""")
    before = night.in_store()
    with pytest.raises(JournalError, match="altered") as caught:
        night.run("undo", parent=run.run, reason="помилка")
    assert caught.value.place and "audit verify" in caught.value.remedy
    assert night.in_store() == before
    assert night.in_store()[code]["name"] == "Нова назва"


@pytest.mark.long
def test_an_undo_refuses_before_images_whose_own_digests_were_computed_anew(night: World) -> None:
    from sqlalchemy import select, text

    from zvirka.journal.digests import (
        correction_row_digest,
        correction_values_digest,
        raw_columns,
    )
    from zvirka.journal.tables import CorrectionRow, RunRow

    ref = night.refs()[0]
    night.base.update(ref, name="Нова назва")
    run = night.run()
    with night.environment() as environment, environment.journal.writing() as connection:
        salt = connection.execute(select(RunRow.salt).where(RunRow.id == run.run)).scalar_one()
        row = dict(
            connection.execute(
                select(*raw_columns(CorrectionRow)).where(CorrectionRow.run_id == run.run)
            )
            .mappings()
            .one()
        )
        row["before"] = row["before"].replace('"name":"', '"name":"X')
        row["values_digest"] = correction_values_digest(salt, row)
        row["digest"] = correction_row_digest(row)
        connection.execute(
            text(
                "UPDATE correction SET before = :before, values_digest = :values_digest,"
                " digest = :digest WHERE id = :id"
            ),
            row,
        )
    with pytest.raises(JournalError, match="corrections"):
        night.run("undo", parent=run.run, reason="помилка")


# -- approvals -------------------------------------------------------------------------------------


@pytest.mark.long
def test_an_approval_that_1c_interrupted_can_be_given_again(careful: World) -> None:
    codes = delete(careful, 4)
    held = careful.run()
    careful.simulator.faults.fail_500 = True
    failed = careful.run("approve", parent=held.run, reason="так")
    careful.simulator.faults.fail_500 = False
    assert failed.status == "failed"
    assert waiting(careful) == [held.run]
    approved = careful.run("approve", parent=held.run, reason="так")
    assert (approved.status, approved.outcomes) == ("finished", {"applied": 4})
    assert not set(codes) & set(careful.in_store())
    assert waiting(careful) == []
    assert state_of(careful, held.run) == (PlanState.APPROVED, approved.run)


class Dying:
    """A writer whose process ends after two outcomes."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    @property
    def doubled(self) -> Sequence[str]:
        return self._writer.doubled

    def apply(
        self,
        corrections: Sequence[Correction],
        *,
        partly: bool = False,
        allowed: Allowed = always_allowed,
    ) -> Iterator[Outcome]:
        yield from islice(self._writer.apply(corrections, partly=partly, allowed=allowed), 2)
        raise KeyboardInterrupt

    def close(self) -> None:
        self._writer.close()


@pytest.mark.long
def test_an_approval_that_was_cut_off_can_be_given_again(careful: World) -> None:
    codes = delete(careful, 4)
    held = careful.run()
    with careful.environment() as environment:
        dying = dataclasses.replace(
            environment, open_writer=lambda confirm: Dying(environment.open_writer(confirm))
        )
        with pytest.raises(KeyboardInterrupt):
            perform(
                dying, Request(command=Command.APPROVE, who="test", reason="так", parent=held.run)
            )
    assert careful.row(held.run + 1).status == "interrupted"
    assert waiting(careful) == [held.run]
    approved = careful.run("approve", parent=held.run, reason="так")
    assert (approved.status, approved.exit_code) == ("finished", 0)
    assert careful.row(approved.run).facts.changed_meanwhile == 0
    assert not set(codes) & set(careful.in_store())
    assert state_of(careful, held.run) == (PlanState.APPROVED, approved.run)


@pytest.mark.long
def test_an_approval_of_deletions_is_not_spent_on_a_partial_snapshot(careful: World) -> None:
    codes = delete(careful, 4)
    held = careful.run()
    blind = careful.with_settings(guard={"canaries": ["no such code"]})
    failed = blind.run("approve", parent=held.run, reason="так")
    assert failed.status == "failed"
    assert set(codes) <= set(careful.in_store())
    assert waiting(careful) == [held.run]


@pytest.mark.long
def test_a_plan_whose_rows_are_not_those_of_its_digest_is_not_approved(careful: World) -> None:
    delete(careful, 4)
    held = careful.run()
    with sqlite3.connect(careful.directory / "state" / "journal.db") as door:
        door.execute(
            "UPDATE difference SET disposition = 'reported' WHERE run_id = ? AND number = 1",
            (held.run,),
        )
    with pytest.raises(JournalError, match="plan of run"):
        careful.run("approve", parent=held.run, reason="так")


@pytest.mark.long
def test_an_approved_plan_is_not_answered_twice(careful: World) -> None:
    delete(careful, 4)
    held = careful.run()
    approved = careful.run("approve", parent=held.run, reason="так")
    for command in ("approve", "reject"):
        with pytest.raises(UsageError, match=f"approved by test in run {approved.run}"):
            careful.run(command, parent=held.run, reason="ще раз")  # type: ignore[arg-type]


@pytest.mark.long
def test_an_approval_expires(careful: World) -> None:
    delete(careful, 4)
    held = careful.run()
    careful.clock.forward(days=29)
    assert waiting(careful) == [held.run]
    careful.clock.forward(days=2)
    assert waiting(careful) == []
    assert state_of(careful, held.run) == (PlanState.EXPIRED, None)
    with pytest.raises(UsageError, match="expired"):
        careful.run("approve", parent=held.run, reason="так")
    strict = careful.with_settings(policy={"approval_expires": "1h"})
    again = strict.run()
    assert again.status == "held"
    strict.clock.forward(hours=2)
    assert waiting(strict) == []


# -- one pending plan ------------------------------------------------------------------------------


@pytest.mark.long
def test_the_next_held_night_supersedes_the_plan_of_the_last(careful: World) -> None:
    delete(careful, 4)
    nights = [careful.run().run for _ in range(3)]
    assert waiting(careful) == [nights[-1]]
    assert state_of(careful, nights[0]) == (PlanState.SUPERSEDED, nights[1])
    assert state_of(careful, nights[1]) == (PlanState.SUPERSEDED, nights[2])
    with pytest.raises(UsageError, match=f"superseded by run {nights[1]}") as caught:
        careful.run("approve", parent=nights[0], reason="так")
    assert f"zvirka show {nights[2]}" in caught.value.remedy
    assert careful.run("approve", parent=nights[2], reason="так").exit_code == 0
    assert waiting(careful) == []


@pytest.mark.long
def test_a_night_with_nothing_to_hold_supersedes_the_plan(careful: World) -> None:
    refs = careful.refs()[:10]
    for ref in refs:
        careful.base.update(ref, name=f"Змінено {ref}")
    held = careful.run()
    for ref in refs[3:]:
        careful.shape.sql("UPDATE clients SET name = ? WHERE ref = ?", (f"Змінено {ref}", ref))
    plan = careful.run("plan")
    assert plan.exit_code == 1
    assert waiting(careful) == [held.run], "a plan only looks"
    good = careful.run()
    assert good.exit_code == 0
    assert state_of(careful, held.run) == (PlanState.SUPERSEDED, good.run)
    assert waiting(careful) == []


@pytest.mark.long
def test_a_failed_or_partial_night_supersedes_nothing(careful: World) -> None:
    delete(careful, 4)
    held = careful.run()
    careful.simulator.faults.fail_500 = True
    assert careful.run().status == "failed"
    careful.simulator.faults.fail_500 = False
    blind = careful.with_settings(guard={"canaries": ["no such code"]})
    assert blind.run().status == "finished"
    assert waiting(careful) == [held.run]


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.long
def test_an_approved_new_size_is_the_new_normal(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=60) as made:
        for _ in range(3):
            assert made.run().exit_code == 0
        delete(made, 12)
        made = made.with_settings(guard={"max_delete_share": 1.0})
        held = made.run()
        assert [hold.limit for hold in held.held] == ["shrink_share"]
        assert made.run("approve", parent=held.run, reason="філію закрито").exit_code == 0
        [code] = delete(made, 1)
        night = made.run()
        assert (night.status, night.exit_code) == ("finished", 0)
        assert code not in made.in_store()


@pytest.mark.long
def test_holds_are_numbers_with_a_true_relation(careful: World) -> None:
    share = careful.with_settings(guard={"max_delete_share": 0.02, "max_deletes": 100})
    delete(share, 8)
    run = share.run()
    for hold in run.held:
        assert isinstance(hold.found, int | float) and isinstance(hold.allowed, int | float)
        true = {">": hold.found > hold.allowed, "<": hold.found < hold.allowed}
        assert true[hold.relation], hold
    found = {hold.limit: (hold.found, hold.relation, hold.allowed) for hold in run.held}
    rows = share.row(run.run).facts.store_active
    assert found["max_delete_share"] == (8 / rows, ">", 0.02)
    assert found["shrink_share"][1] == "<"


# -- rejections ------------------------------------------------------------------------------------


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


# -- what a run trusts -----------------------------------------------------------------------------


@pytest.mark.long
def test_no_run_begins_on_a_memory_that_nobody_sealed(night: World) -> None:
    ref = night.refs()[0]
    night.base.update(ref, name="Виправити")
    run = night.run()
    night.run("undo", parent=run.run, reason="помилка")
    door = sqlite3.connect(night.directory / "state" / "journal.db", isolation_level=None)
    door.execute("UPDATE standing SET wanted = 'forged'")
    for _ in range(2):
        with pytest.raises(JournalError, match="standing") as caught:
            night.run()
        assert caught.value.place and "audit verify" in caught.value.remedy
    with night.environment() as environment:
        from zvirka.journal.suppressions import set_digests

        with environment.journal.reading() as connection:
            digest = set_digests(connection)["standing"]
    door.execute("UPDATE chain SET standing = ?", (digest,))
    with pytest.raises(JournalError, match="standing"):
        night.run()
    with night.environment() as environment:
        assert list(verify_chain(environment.journal))
