"""The main job over every shape of store on every database: the same stories, the same mornings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine_world import World, world
from tests.integration.store_shapes import CASES, params
from zvirka.domain import Action, Cause, Difference, Disposition, Kind

NAME = {"embedded": "name", "production": "name", "hard": "title"}
KEY = {"embedded": "code", "production": "external_id", "hard": "guid"}
CUT_AT = 40
"""The production shape holds so many characters of an address, and says so in its settings."""


@pytest.fixture(params=params(CASES))
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world of each shape on each database, after a good first night, a foreign row in it."""
    shape, backend = request.param
    profile = "trade" if shape == "hard" else "custom"
    with world(
        tmp_path,
        shape=shape,
        backend=backend,
        profile=profile,
        counterparties=10,
        guard={"max_delete_share": 1.0},
        report={"formats": ["json"]},
    ) as made:
        made.shape.insert_unowned()
        foreign = unowned(made)
        assert made.run().exit_code == 0
        made.assert_in_sync()
        yield made
        assert unowned(made) == foreign, "a row that is not ours was touched"


def unowned(made: World) -> list[tuple[Any, ...]]:
    column, value = next(iter(made.shape.unowned.items()))
    return made.shape.sql(f"SELECT * FROM {made.shape.table} WHERE {column} = ?", (value,))


def key_of(made: World, ref: str) -> str:
    return ref if made.mapping.key_is_ref else str(made.base.get(ref).values["code"])


def row_of(made: World, key: str) -> str:
    [client] = made.shape.find(key)
    return client.row


def erp(made: World, statement: str, key: str, *values: Any) -> None:
    """Change one client past zvirka."""
    where = f" WHERE {KEY[made.shape.name]} = ?"
    made.shape.sql(statement.format(table=made.shape.table) + where, (*values, key))


def remove(made: World, key: str) -> None:
    """A person deletes a client from the tables."""
    if made.shape.name == "production":
        made.shape.sql("DELETE FROM client_contacts WHERE client_id = ?", (row_of(made, key),))
    erp(made, "DELETE FROM {table}", key)


def found(made: World, run: int) -> dict[str, tuple[Kind, Cause, Action | None]]:
    return {d.key: (d.kind, d.cause, d.action) for d in made.differences(run)}


def by_key(made: World, run: int) -> dict[str, Difference]:
    return {d.key: d for d in made.differences(run)}


@pytest.mark.long
def test_every_loss_and_edit_of_a_day_is_named_and_put_right(night: World) -> None:
    changed, gone, edited, removed, inactive = night.refs()[:5]
    keys = {ref: key_of(night, ref) for ref in night.refs()}
    values = night.base.get(gone).values
    fresh = night.base.create(name="ТОВ «Нове»", tax_id="11223344", phone="050 111 22 33")
    night.base.update(changed, phone="+380501112233", email="", address="м. Львів")
    night.base.delete(gone)
    erp(night, f"UPDATE {{table}} SET {NAME[night.shape.name]} = ?", keys[edited], "Правка")
    remove(night, keys[removed])
    wanted: dict[str, tuple[Kind, Cause, Action | None]] = {
        key_of(night, fresh): (Kind.MISSING, Cause.MISSED_CREATE, Action.CREATE),
        keys[changed]: (Kind.DIFFERENT, Cause.MISSED_UPDATE, Action.UPDATE),
        keys[gone]: (Kind.EXTRA, Cause.MISSED_DELETE, Action.DELETE),
        keys[edited]: (Kind.DIFFERENT, Cause.ERP_EDIT, Action.UPDATE),
        keys[removed]: (Kind.MISSING, Cause.ERP_EDIT, Action.CREATE),
    }
    soft = night.shape.erp.delete.mode == "soft"
    if soft:
        erp(night, "UPDATE {table} SET is_active = ?", keys[inactive], False)
        wanted[keys[inactive]] = (Kind.INACTIVE, Cause.ERP_EDIT, Action.RESTORE)
    run = night.run()
    assert found(night, run.run) == wanted
    assert (run.exit_code, run.outcomes) == (0, {"applied": len(wanted)})
    night.assert_in_sync()
    assert night.run().causes == {}

    row = row_of(night, keys[gone]) if soft else ""
    again = {name: value for name, value in values.items() if value}
    night.base.create(ref=gone, **again)
    back = night.run()
    assert (back.exit_code, back.outcomes) == (0, {"applied": 1})
    night.assert_in_sync()
    if soft:
        assert row_of(night, keys[gone]) == row, "the client came back in another row"


@pytest.mark.long
def test_codes_and_unique_values_that_change_hands_stay_with_their_clients(night: World) -> None:
    renamed, one, other = night.refs()[:3]
    rows = {ref: row_of(night, key_of(night, ref)) for ref in (renamed, one, other)}
    first, second = (night.base.get(ref).values for ref in (one, other))
    night.base.update(one, tax_id=second["tax_id"])
    night.base.update(other, tax_id=first["tax_id"])
    with_code = night.mapping.key == ("code",)
    if with_code:
        night.base.update(renamed, code="RENAMED")
        night.base.update(one, code=second["code"])
        night.base.update(other, code=first["code"])
    run = night.run()
    assert (run.exit_code, run.outcomes) == (0, {"applied": 3 if with_code else 2})
    kinds = {d.kind for d in night.differences(run.run)}
    assert kinds == ({Kind.REKEYED} if with_code else {Kind.DIFFERENT})
    night.assert_in_sync()
    assert {ref: row_of(night, key_of(night, ref)) for ref in rows} == rows
    assert night.run().causes == {}


@pytest.mark.long
def test_a_branch_with_a_taken_tax_code_is_reported_and_the_rest_goes_on(night: World) -> None:
    head, changed = night.refs()[:2]
    tax = night.base.get(head).values["tax_id"]
    branch = night.base.create(name="Філія", tax_id=tax)
    night.base.update(changed, name="Змінено")
    night.base.create(name="Ще одна", tax_id="12121212")
    head_row = row_of(night, key_of(night, head))
    run = night.run()
    if night.shape.name == "embedded":
        assert (run.exit_code, run.outcomes) == (0, {"applied": 3})
        night.assert_in_sync()
        return
    for _ in range(2):
        difference = by_key(night, run.run)[key_of(night, branch)]
        branch_row = row_of(night, key_of(night, branch))
        assert difference.cause is Cause.DUPLICATE
        assert set(difference.rows) - {branch_row} == {head_row}
        assert difference.note.endswith(f"a unique value is held by row {head_row}")
        assert run.exit_code == 1
        wanted = night.as_stored()
        wanted[key_of(night, branch)]["tax_id"] = ""
        assert night.in_store() == wanted
        run = night.run()
    night.base.update(branch, tax_id="")
    assert night.run().exit_code == 0
    night.assert_in_sync()


@pytest.mark.long
def test_values_too_long_are_refused_or_cut_as_the_mapping_says(night: World) -> None:
    name, address = night.refs()[:2]
    before = night.in_store()[key_of(night, name)]["name"]
    night.base.update(name, name="Довга назва " * 12)
    night.base.update(address, address="Довга адреса, " * 12)
    run = night.run()
    held = night.in_store()
    if night.shape.name == "embedded":
        assert run.outcomes == {"applied": 2}
    else:
        assert run.outcomes == {"applied": 1, "refused": 1}
        assert held[key_of(night, name)]["name"] == before
        assert run.exit_code == 1
    cut = night.shape.name == "production"
    assert (len(held[key_of(night, address)]["address"]) <= CUT_AT) is cut
    again = night.run()
    left = {d.ref: [f.field for f in d.fields] for d in night.differences(again.run)}
    assert left == ({} if night.shape.name == "embedded" else {name: ["name"]})
    night.base.update(name, name="Коротка")
    assert night.run().exit_code == 0
    night.assert_in_sync()


HOSTILE = (
    "Robert'); DROP TABLE clients;--",
    '=HYPERLINK("http://x","y") %s :name {0} \\',
    "<script>alert(1)</script> & 🚀 ї\u202eґ",
    "перший рядок\nдругий\tтретій",
)


@pytest.mark.long
def test_hostile_values_arrive_as_they_are(night: World) -> None:
    refs = night.refs()[: len(HOSTILE)]
    for ref, value in zip(refs, HOSTILE, strict=True):
        night.base.update(ref, name=value, email=value[:40])
    run = night.run()
    assert (run.exit_code, run.outcomes) == (0, {"applied": len(HOSTILE)})
    night.assert_in_sync()
    assert night.run().causes == {}
    # A change of case alone is a change, whatever the collation of the database thinks.
    night.base.update(refs[0], name=HOSTILE[0].lower())
    assert night.run().outcomes == {"applied": 1}
    night.assert_in_sync()


@pytest.mark.long
@pytest.mark.parametrize("night", [("production", "sqlite")], indirect=True, ids="-".join)
def test_a_key_that_stands_twice_in_the_store_is_named_with_its_rows(night: World) -> None:
    """Only the production shape lets it stand twice: the other keys are unique."""
    doubled, changed = night.refs()[:2]
    night.shape.sql(
        "INSERT INTO clients (external_id, name, client_type_id, source) VALUES (?, 'x', 1, '1c')",
        (key_of(night, doubled),),
    )
    [(row,)] = night.shape.sql("SELECT id FROM clients WHERE name = 'x'")
    night.base.update(changed, name="Змінено")
    run = night.run()
    difference = by_key(night, run.run)[key_of(night, doubled)]
    assert difference.kind is Kind.DUPLICATE
    assert difference.disposition is Disposition.REPORTED
    assert str(row) in difference.rows
    assert run.outcomes == {"applied": 1}
    assert night.shape.sql("SELECT id FROM clients WHERE name = 'x'") == [(row,)]
