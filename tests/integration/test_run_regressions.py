"""What the law of nights found: each a small story of its own, so that it stays mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine_world import world
from zvirka.domain import Action, Cause, Kind
from zvirka.erp.protocol import Store
from zvirka.reconcile import applying, verifying
from zvirka.staging.source_mirror import SourceMirror


@pytest.mark.long
@pytest.mark.parametrize("shape", ["embedded", "production"])
def test_a_new_code_that_another_client_holds_is_reported_with_both_rows(
    tmp_path: Path, shape: str
) -> None:
    with world(tmp_path, shape=shape, counterparties=8) as made:
        made.run()
        one, other = made.refs()[:2]
        codes = [str(made.base.get(ref).values["code"]) for ref in (one, other)]
        rows = tuple(made.shape.find(code)[0].row for code in codes)
        made.base.update(one, code=codes[1])
        run = made.run()
        [difference] = [d for d in made.differences(run.run) if d.ref == one]
        assert (difference.kind, difference.cause) == (Kind.REKEYED, Cause.DUPLICATE)
        assert difference.rows == rows
        assert difference.note.count(f"row {rows[1]}") == 1
        assert run.exit_code == 1


@pytest.mark.long
def test_a_client_whose_new_tax_id_is_held_gives_up_its_code_all_the_same(tmp_path: Path) -> None:
    """One took over the Код of another, against whose new tax id a foreign row stands."""
    with world(tmp_path, shape="production", counterparties=8) as made:
        made.run()
        stuck = made.refs()[0]
        code = str(made.base.get(stuck).values["code"])
        row = made.shape.find(code)[0].row
        made.shape.insert_unowned()
        made.base.update(stuck, code="MOVED", tax_id=made.shape.unowned["tax_code"])
        made.base.create(name="Новий", code=code, tax_id="12121212")
        for _ in range(2):
            run = made.run()
            told = {d.ref: d for d in made.differences(run.run)}
            assert told[stuck].cause is Cause.NOT_OURS
            assert made.shape.find("MOVED")[0].row == row
            assert made.shape.find(code)[0].values["name"] == "Новий"
            assert run.exit_code == 1
        made.base.update(stuck, tax_id="34343434")
        assert made.run().exit_code == 0
        assert made.shape.find("MOVED")[0].row == row


@pytest.mark.long
@pytest.mark.parametrize("shape", ["embedded", "production"])
def test_a_newcomer_under_the_old_code_of_another_does_not_take_over_its_client(
    tmp_path: Path, shape: str
) -> None:
    with world(tmp_path, shape=shape, counterparties=8) as made:
        made.run()
        renamed = made.refs()[0]
        code = str(made.base.get(renamed).values["code"])
        row = made.shape.find(code)[0].row
        made.base.update(renamed, code="RENAMED")
        fresh = made.base.create(name="Новий", code=code, tax_id="12121212")
        run = made.run()
        assert {d.ref: d.action for d in made.differences(run.run)} == {
            renamed: Action.UPDATE,
            fresh: Action.CREATE,
        }
        assert (run.exit_code, run.outcomes) == (0, {"applied": 2})
        assert made.shape.find("RENAMED")[0].row == row
        assert made.shape.find(code)[0].values["name"] == "Новий"
        assert made.run().causes == {}


@pytest.mark.long
@pytest.mark.parametrize("shape", ["embedded", "production"])
def test_a_resync_of_the_newcomer_alone_leaves_the_other_client_alone(
    tmp_path: Path, shape: str
) -> None:
    with world(tmp_path, shape=shape, counterparties=8) as made:
        made.run()
        renamed = made.refs()[0]
        code = str(made.base.get(renamed).values["code"])
        before = made.shape.find(code)
        made.base.update(renamed, code="RENAMED")
        fresh = made.base.create(name="Новий", code=code, tax_id="12121212")
        run = made.resync(refs=(fresh,))
        assert run.exit_code == 1
        assert made.shape.find(code) == before
        assert made.run().exit_code == 0
        assert made.shape.find("RENAMED")[0].row == before[0].row


@pytest.mark.long
def test_the_code_of_a_counterparty_that_is_gone_is_free_for_another(tmp_path: Path) -> None:
    """The gone one's client is deleted by its Ref_Key, though its key is somebody else's by now."""
    with world(tmp_path, counterparties=8, guard={"max_delete_share": 1}) as soft:
        made = soft.with_settings(erp={"delete": {"mode": "hard"}})
        made.run()
        gone, heir = made.refs()[:2]
        codes = [str(made.base.get(ref).values["code"]) for ref in (gone, heir)]
        row = made.shape.find(codes[1])[0].row
        made.base.delete(gone)
        made.base.update(heir, code=codes[0])
        run = made.run()
        assert {d.ref: d.action for d in made.differences(run.run)} == {
            gone: Action.DELETE,
            heir: Action.UPDATE,
        }
        assert (run.exit_code, run.outcomes) == (0, {"applied": 2})
        assert made.shape.find(codes[0])[0].row == row
        made.assert_in_sync()


def test_the_pairing_of_what_is_gone_from_both_sides_is_forgotten(tmp_path: Path) -> None:
    with world(tmp_path, shape="production", counterparties=6) as made:
        made.run()
        ref = made.refs()[0]
        made.base.delete(ref)
        assert made.run().exit_code == 0
        made.run(full=True)
        with made.environment() as environment:
            remembered = {one for batch in environment.journal.pairings() for one, _, _ in batch}
        assert ref not in remembered
        assert set(made.refs()) <= remembered


@pytest.mark.long
@pytest.mark.parametrize("by", ["night", "resync"])
def test_a_primary_key_that_the_database_used_again_leads_to_no_other_client(
    tmp_path: Path, by: str
) -> None:
    """The row of one client was overwritten with another, as after a restored backup."""
    with world(tmp_path, shape="production", counterparties=6) as made:
        made.run()
        lost, other = made.refs()[:2]
        codes = [str(made.base.get(ref).values["code"]) for ref in (lost, other)]
        rows = [made.shape.find(code)[0].row for code in codes]
        made.shape.sql("DELETE FROM client_contacts WHERE client_id = ?", (rows[0],))
        made.shape.sql("DELETE FROM clients WHERE id = ?", (rows[0],))
        made.shape.sql("UPDATE clients SET id = ? WHERE id = ?", tuple(rows))
        made.shape.sql("UPDATE client_contacts SET client_id = ? WHERE client_id = ?", tuple(rows))
        run = made.run() if by == "night" else made.resync(refs=(lost,))
        assert [(d.ref, d.action) for d in made.differences(run.run)] == [(lost, Action.CREATE)]
        assert made.shape.find(codes[1])[0].row == rows[0]
        made.assert_in_sync()


@pytest.mark.long
@pytest.mark.parametrize("shape", ["embedded", "production"])
@pytest.mark.parametrize("field", ["name", "code"])
def test_an_edit_between_the_write_and_its_read_back_is_found_the_next_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, field: str
) -> None:
    with world(tmp_path, shape=shape, counterparties=8) as made:
        made.run()
        ref = made.refs()[0]
        code = str(made.base.get(ref).values["code"])
        row = made.shape.find(code)[0].row
        made.base.update(ref, phone="+380 50 111 22 33")
        column = {"name": "name", "code": made.settings.erp.key}[field]
        usual = verifying.read_back

        def read_after_an_edit(store: Store, done: Any) -> Any:
            made.shape.sql(f"UPDATE {made.shape.table} SET {column} = 'A-4' WHERE id = ?", (row,))
            return usual(store, done)

        monkeypatch.setattr(verifying, "read_back", read_after_an_edit)
        assert made.run().outcomes == {"applied": 1}
        monkeypatch.undo()
        found = made.differences(made.run().run)
        assert [(d.ref, d.row) for d in found] == [(ref, row)]
        if field == "name":
            made.assert_in_sync()


@pytest.mark.long
def test_an_edit_taken_back_while_it_was_looked_at_is_found_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(tmp_path, counterparties=8) as made:
        made.run()
        ref = made.refs()[0]
        name = made.base.get(ref).values["name"]
        edit = "UPDATE clients SET name = ? WHERE ref = ?"
        made.shape.sql(edit, ("Правка", ref))
        usual = SourceMirror.refresh

        def ask_after_it_was_taken_back(*asked: Any) -> set[str]:
            made.shape.sql(edit, (name, ref))
            return usual(*asked)

        monkeypatch.setattr(SourceMirror, "refresh", ask_after_it_was_taken_back)
        assert made.run().causes == {}
        monkeypatch.undo()
        made.shape.sql(edit, ("Правка", ref))
        assert [d.ref for d in made.differences(made.run().run)] == [ref]
        made.assert_in_sync()


@pytest.mark.long
def test_an_edit_between_the_look_and_a_restore_is_found_the_next_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(tmp_path, counterparties=8) as made:
        made.run()
        ref = made.refs()[0]
        made.shape.sql("UPDATE clients SET is_active = 0 WHERE ref = ?", (ref,))
        usual = applying.corrections_for

        def after_an_edit(store: Store, differences: Any) -> Any:
            made.shape.sql("UPDATE clients SET name = 'Правка' WHERE ref = ?", (ref,))
            return usual(store, differences)

        monkeypatch.setattr(applying, "corrections_for", after_an_edit)
        assert made.run().outcomes == {"applied": 1}
        monkeypatch.undo()
        assert [d.ref for d in made.differences(made.run().run)] == [ref]
        made.assert_in_sync()
