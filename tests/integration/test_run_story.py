"""The main job, told from outside: what 1C says is what the store holds in the morning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine_world import World, world
from zvirka.domain import Action, Cause, Disposition, Kind
from zvirka.staging import unchanged


@pytest.fixture
def night(tmp_path: Path) -> Iterator[World]:
    """A world after its first good night: both sides agree."""
    with world(tmp_path) as made:
        first = made.run()
        assert (first.status, first.exit_code) == ("finished", 0)
        made.assert_in_sync()
        yield made


def erp(night: World, statement: str, *values: object) -> None:
    night.shape.sql(statement, values)


def by_key(night: World, run: int) -> dict[str, tuple[Kind, Cause, Action | None]]:
    return {d.key: (d.kind, d.cause, d.action) for d in night.differences(run)}


def test_a_night_with_nothing_to_do_finds_nothing_and_asks_1c_for_little(night: World) -> None:
    full = night.row(1).facts
    calm = night.run()
    light = night.row(calm.run).facts
    assert (calm.exit_code, calm.causes, calm.outcomes) == (0, {}, {})
    assert night.row(calm.run).mode == "light"
    assert light.bytes is not None and full.bytes is not None
    assert light.bytes < full.bytes / 2


@pytest.mark.long
def test_each_lost_webhook_is_found_named_and_corrected(night: World) -> None:
    kept, changed, gone = night.refs()[:3]
    fresh = night.base.create(name="ТОВ «Нове»", code="N-1", tax_id="11223344")
    night.base.update(changed, name='ФОП О\'Коннор "Зірка" =1+1 🚀', phone="+380 50 111 22 33")
    codes = {ref: night.base.get(ref).values["code"] for ref in (changed, gone, fresh)}
    night.base.delete(gone)
    run = night.run()
    assert by_key(night, run.run) == {
        codes[fresh]: (Kind.MISSING, Cause.MISSED_CREATE, Action.CREATE),
        codes[changed]: (Kind.DIFFERENT, Cause.MISSED_UPDATE, Action.UPDATE),
        codes[gone]: (Kind.EXTRA, Cause.MISSED_DELETE, Action.DELETE),
    }
    assert (run.exit_code, run.outcomes) == (0, {"applied": 3})
    night.assert_in_sync()
    assert night.run().causes == {}
    assert kept


@pytest.mark.long
def test_an_edit_in_the_erp_is_put_right_and_told_from_a_lost_webhook(night: World) -> None:
    edited, both = night.refs()[:2]
    erp(night, "UPDATE clients SET name = 'Правка' WHERE ref = ?", edited)
    erp(night, "UPDATE clients SET name = 'Правка' WHERE ref = ?", both)
    night.base.update(both, name="Змінено в 1С")
    run = night.run()
    causes = {d.ref: d.cause for d in night.differences(run.run)}
    assert causes == {edited: Cause.ERP_EDIT, both: Cause.CONFLICT}
    night.assert_in_sync()


@pytest.mark.long
@pytest.mark.parametrize("few", [1000, 3])
def test_a_night_after_many_edits_is_found_whole_by_looking_singly_or_at_all(
    night: World, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(unchanged, "FEW", few)
    edited = night.refs()[::2]
    for ref in edited:
        erp(night, "UPDATE clients SET name = 'Правка' WHERE ref = ?", ref)
    erp(night, "UPDATE clients SET ref = upper(ref)")
    run = night.run()
    assert {d.ref: d.cause for d in night.differences(run.run)} == dict.fromkeys(
        edited, Cause.ERP_EDIT
    )
    assert night.row(run.run).facts.store_rows == len(night.refs())
    night.assert_in_sync()
    assert night.run().causes == {}


@pytest.mark.long
def test_a_row_removed_or_deactivated_in_the_erp_comes_back(night: World) -> None:
    removed, inactive = night.refs()[:2]
    erp(night, "DELETE FROM clients WHERE ref = ?", removed)
    erp(night, "UPDATE clients SET is_active = 0 WHERE ref = ?", inactive)
    run = night.run()
    found = {d.ref: (d.action, d.cause) for d in night.differences(run.run)}
    assert found == {
        removed: (Action.CREATE, Cause.ERP_EDIT),
        inactive: (Action.RESTORE, Cause.ERP_EDIT),
    }
    night.assert_in_sync()


def test_rows_entered_by_hand_are_neither_compared_nor_touched(night: World) -> None:
    erp(night, "INSERT INTO clients (code, name, source) VALUES ('M-1', 'Ручний', 'manual')")
    code = night.base.get(night.refs()[0]).values["code"]
    before = night.shape.sql("SELECT * FROM clients WHERE source = 'manual'")
    night.base.create(name="Новий", code="N-2")
    run = night.run(full=True)
    assert [d.key for d in night.differences(run.run)] == ["N-2"]
    assert night.shape.sql("SELECT * FROM clients WHERE source = 'manual'") == before
    assert code


@pytest.mark.long
def test_a_create_that_a_foreign_row_stands_against_is_reported_with_both_rows(
    night: World,
) -> None:
    erp(night, "INSERT INTO clients (code, name, source) VALUES ('N-3', 'Ручний', 'manual')")
    foreign = night.shape.sql("SELECT id FROM clients WHERE code = 'N-3'")[0][0]
    night.base.create(name="Новий", code="N-3")
    night.base.create(name="Ще один", code="N-4")
    run = night.run()
    found = {d.key: d for d in night.differences(run.run)}
    assert found["N-3"].cause is Cause.NOT_OURS
    assert found["N-3"].rows == (str(foreign),)
    assert run.exit_code == 1
    assert night.in_store()["N-4"]["name"] == "Ще один"


@pytest.mark.long
def test_a_changed_code_is_an_update_of_the_same_client(night: World) -> None:
    ref = night.refs()[0]
    row = night.shape.sql("SELECT id FROM clients WHERE ref = ?", (ref,))
    night.base.update(ref, code="RENAMED")
    run = night.run()
    [difference] = night.differences(run.run)
    assert (difference.kind, difference.action) == (Kind.REKEYED, Action.UPDATE)
    assert night.shape.sql("SELECT id FROM clients WHERE code = 'RENAMED'") == row
    night.assert_in_sync()
    assert night.run().causes == {}


@pytest.mark.long
def test_two_clients_exchange_their_codes(night: World) -> None:
    one, other = night.refs()[:2]
    first, second = (night.base.get(ref).values["code"] for ref in (one, other))
    night.base.update(one, code=second)
    night.base.update(other, code=first)
    run = night.run()
    assert run.exit_code == 0, night.differences(run.run)
    night.assert_in_sync()


@pytest.mark.long
def test_a_delete_and_a_create_with_one_tax_id_are_proposed_as_a_rekey(night: World) -> None:
    old = night.refs()[0]
    tax = night.base.get(old).values["tax_id"]
    night.base.delete(old)
    night.base.create(name="Той самий", code="NEW-1", tax_id=tax)
    run = night.run()
    [difference] = night.differences(run.run)
    assert difference.kind is Kind.REKEYED
    assert difference.disposition is Disposition.REPORTED
    assert run.exit_code == 1
    applied = night.with_settings(policy={"rekey": "apply"})
    # The policy changed, so the first run under it would hold deletes; a re-key is none.
    assert applied.run().exit_code == 0
    night.assert_in_sync()


def test_the_same_code_twice_in_1c_is_reported_and_never_guessed(night: World) -> None:
    night.base.create(name="Перший", code="TWIN")
    night.base.create(name="Другий", code="TWIN")
    night.base.create(name="Сам", code="SINGLE")
    run = night.run()
    found = {d.key: d for d in night.differences(run.run)}
    assert found["TWIN"].kind is Kind.DUPLICATE
    assert found["TWIN"].disposition is Disposition.REPORTED
    assert "SINGLE" in night.in_store()
    assert "TWIN" not in night.in_store()
    assert run.exit_code == 1


def test_a_counterparty_without_a_code_is_reported(night: World) -> None:
    night.base.create(name="Без коду", code="")
    run = night.run()
    [difference] = night.differences(run.run)
    assert difference.kind is Kind.KEYLESS
    assert run.exit_code == 1


@pytest.mark.parametrize("emptied", ["", "  "])
def test_a_client_whose_code_is_emptied_in_1c_keeps_its_key(night: World, emptied: str) -> None:
    """It was moved to an empty key, under which neither side finds it again."""
    night.run()
    before = night.in_store()
    ref = night.refs()[0]
    code = night.base.get(ref).values["code"]
    night.base.update(ref, code=emptied, name="Без коду")
    for full in (False, True):
        run = night.run(full=full)
        [difference] = night.differences(run.run)
        assert (difference.kind, run.exit_code) == (Kind.KEYLESS, 1)
        assert night.in_store() == before
    night.base.update(ref, code=code)
    assert night.run().exit_code == 0
    night.assert_in_sync()


@pytest.mark.long
@pytest.mark.parametrize(
    ("policy", "expected"), [("keep", True), ("delete", False), ("deactivate", False)]
)
def test_a_deletion_mark_means_what_the_policy_says(
    tmp_path: Path, policy: str, expected: bool
) -> None:
    with world(tmp_path, policy={"deletion_mark": policy}) as made:
        made.run()
        ref = next(ref for ref in made.refs() if not made.base.get(ref).deletion_mark)
        code = made.base.get(ref).values["code"]
        made.base.mark(ref, True)
        run = made.run()
        assert run.exit_code == 0
        assert (code in made.in_store()) is expected
        made.base.mark(ref, False)
        assert made.run().exit_code == 0
        assert code in made.in_store()


def test_a_plan_writes_nothing_and_constructs_no_writer(
    night: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a plan constructed a writer")

    monkeypatch.setattr("zvirka.reconcile.environment.open_writer", forbidden)
    night.base.update(night.refs()[0], name="Інакше")
    before = night.shape.tables()
    plan = night.run("plan")
    assert (plan.exit_code, plan.outcomes) == (1, {})
    assert plan.actions == {"update": 1}
    assert night.shape.tables() == before


def test_the_report_is_written_and_names_the_difference(night: World) -> None:
    night.base.update(night.refs()[0], name="Зовсім інша назва")
    run = night.run()
    report = next(path for path in run.reports if path.suffix == ".json")
    text = report.read_text(encoding="utf-8")
    assert "Зовсім інша назва" in text
    assert json.loads(text)


@pytest.mark.long
def test_formatting_of_a_phone_is_no_difference_and_is_looked_at_once(night: World) -> None:
    ref = night.refs()[0]
    night.base.update(ref, phone="+380 (44) 123-45-67")
    night.run()
    erp(night, "UPDATE clients SET phone = '0441234567' WHERE ref = ?", ref)
    assert night.run().causes == {}
    with night.environment() as environment:
        assert environment.journal.get(night.run().run).facts.kinds == {}
