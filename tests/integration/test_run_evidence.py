"""Nothing is deleted on absence of evidence: partial reads, shrunken sources, restricted rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import Disposition


@pytest.mark.long
def test_a_source_that_answers_with_nothing_deletes_nothing(night: World) -> None:
    before = night.in_store()
    backup = night.base.backup()
    for ref in night.refs():
        night.base.delete(ref)
    run = night.run()
    assert (run.status, run.exit_code) == ("held", 3)
    assert night.in_store() == before
    night.base.restore(backup)
    assert night.run().exit_code == 0
    assert night.in_store() == before


@pytest.mark.long
def test_rows_hidden_by_rights_are_never_taken_for_deleted(night: World) -> None:
    restricted = night.with_settings(onec={"allowed_only": True})
    before = night.in_store()
    night.simulator.faults.hide = frozenset(night.refs()[:5])
    run = restricted.run(full=True)
    facts = restricted.row(run.run).facts
    assert not facts.complete
    assert "allowed_only" in facts.incomplete_because[0]
    assert night.in_store() == before
    assert run.exit_code == 1, "five clients look absent: the night is not clean"


def test_without_allowed_only_a_forbidden_row_fails_the_run(night: World) -> None:
    night.simulator.faults.hide = frozenset(night.refs()[:1])
    before = night.in_store()
    run = night.run(full=True)
    assert (run.status, run.exit_code) == ("failed", 2)
    assert night.in_store() == before


@pytest.mark.long
def test_a_missing_canary_makes_the_snapshot_partial(night: World) -> None:
    canary = night.base.get(night.refs()[0]).values["code"]
    guarded = night.with_settings(guard={"canaries": [canary]})
    assert guarded.run().exit_code == 0
    night.base.delete(night.refs()[0])
    before = night.in_store()
    run = guarded.run()
    assert f"canaries are missing: {canary}" in guarded.row(run.run).facts.incomplete_because
    assert run.exit_code == 1
    assert night.in_store() == before


@pytest.mark.long
def test_a_counterparty_out_of_scope_is_left_alone(night: World) -> None:
    gone = next(ref for ref in night.refs() if not night.base.get(ref).deletion_mark)
    code = night.base.get(gone).values["code"]
    scoped = night.with_settings(onec={"scope": "DeletionMark eq false"})
    scoped.run()
    night.base.mark(gone, True)
    run = scoped.run(full=True)
    found = {d.key: d for d in scoped.differences(run.run)}
    assert found[code].disposition is Disposition.REPORTED
    assert "1C still has it" in found[code].note
    assert code in night.in_store()


@pytest.mark.long
def test_rows_written_and_deleted_between_pages_are_not_lost(tmp_path: Path) -> None:
    with world(tmp_path, counterparties=300, onec={"page_bytes": 10_000}) as made:
        made.run()
        made.assert_in_sync()
        refs = made.refs()

        def busy(page: int) -> None:
            if page <= 6:
                made.base.create(name=f"Між сторінками {page}", code=f"B{page:05}")
                made.base.delete(refs[page * 3])

        made.simulator.faults.between_pages = busy
        made.run(full=True)
        made.simulator.faults.between_pages = None
        assert made.run().exit_code == 0
        made.assert_in_sync()


@pytest.mark.long
def test_a_restored_backup_of_1c_is_noticed_and_read_in_full(night: World) -> None:
    backup = night.base.backup()
    ref = night.refs()[3]
    night.base.update(ref, name="Після резервної копії")
    assert night.run().exit_code == 0
    night.base.restore(backup)
    run = night.run()
    assert night.row(run.run).mode == "full"
    night.assert_in_sync()


@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    [
        {"fail_500": 1, "skip": 2},
        {"drop_after_bytes": 300, "drop_times": 1},
        {"truncate_json": 1, "skip": 1},
        {"html_200": 1, "only": "/$count"},
        {"lose_session_after": 2},
    ],
)
def test_a_passing_fault_of_1c_does_not_spoil_the_night(
    night: World, fault: dict[str, int | str]
) -> None:
    patient = night.with_settings(onec={"retries": 3})
    night.base.update(night.refs()[0], name="Попри збій")
    for name, value in fault.items():
        setattr(night.simulator.faults, name, value)
    run = patient.run(full=True)
    assert run.exit_code == 0, run.error
    night.assert_in_sync()


@pytest.mark.long
def test_1c_going_away_midway_fails_the_run_and_touches_nothing(night: World) -> None:
    night.base.update(night.refs()[0], name="Не дійде")
    night.base.delete(night.refs()[1])
    before = night.in_store()
    night.simulator.faults.fail_500 = True
    night.simulator.faults.skip = 2
    run = night.run(full=True)
    assert (run.status, run.exit_code) == ("failed", 2)
    assert run.error
    assert night.in_store() == before
    assert any(path.suffix == ".html" for path in run.reports), "failed runs have reports too"
    night.simulator.faults.fail_500 = 0
    assert night.run().exit_code == 0
    night.assert_in_sync()
