"""What a person decided stays decided: approvals and undos across later runs."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from tests.integration.held_plans import delete, left, state_of, waiting
from zvirka.domain import Cause, Command, Correction, Disposition, Outcome, OutcomeState, PlanState
from zvirka.erp.protocol import Allowed, Writer, always_allowed
from zvirka.errors import JournalError, UsageError
from zvirka.journal.chain import verify_chain
from zvirka.reconcile.request import Request
from zvirka.reconcile.run import perform

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
    from sqlmodel import col

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
        salt = connection.execute(
            select(col(RunRow.salt)).where(col(RunRow.id) == run.run)
        ).scalar_one()
        row = dict(
            connection.execute(
                select(*raw_columns(CorrectionRow)).where(col(CorrectionRow.run_id) == run.run)
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
            careful.run(command, parent=held.run, reason="ще раз")


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
    assert rows is not None
    assert found["max_delete_share"] == (8 / rows, ">", 0.02)
    assert found["shrink_share"][1] == "<"


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
