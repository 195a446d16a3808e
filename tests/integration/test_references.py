"""References: the store keeps the primary key of the row that another flow keeps for a Ref_Key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.databases import BACKENDS
from tests.integration.flows_world import Flows, flows
from zvirka.domain import OutcomeState
from zvirka.erp import open_store
from zvirka.erp.references import references_of
from zvirka.erp.sql.store import SqlStore
from zvirka.erp.sql.store_check import check_store
from zvirka.errors import ExitCode, SettingsError
from zvirka.findings import Finding
from zvirka.settings.profiles import mapping_of


@pytest.fixture(params=BACKENDS)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flows]:
    with flows(tmp_path, request.param) as made:
        yield made


@pytest.mark.long
def test_contracts_after_their_counterparties_are_in_sync_at_once(both: Flows) -> None:
    assert both.run("main").exit_code == 0
    run = both.run("contracts")
    assert (run.exit_code, run.waiting) == (0, 0)
    assert both.stored() == both.wanted()
    assert [both.run("contracts", full=full).causes for full in (False, True)] == [{}, {}]


@pytest.mark.long
def test_a_contract_waits_for_its_counterparty_and_gets_it(both: Flows) -> None:
    first = both.run("contracts")
    assert (first.exit_code, first.waiting, first.remaining) == (1, 6, 6)
    assert {owner for _, owner, _, _ in both.stored().values()} == {None}
    details = [outcome.detail for _, outcome in both.corrections("contracts", first.run)]
    assert any("waits for main " in detail for detail in details)
    for _ in range(4):  # it is not given up however long it waits
        assert both.run("contracts").waiting == 6
    both.run("main")
    last = both.run("contracts")
    assert (last.exit_code, last.waiting) == (0, 0)
    assert both.stored() == both.wanted()


@pytest.mark.long
def test_a_moved_owner_an_emptied_one_and_back_and_undo(both: Flows) -> None:
    both.run("main")
    both.run("contracts")
    before = both.stored()
    one, two, *_ = both.base.contracts.refs()
    owners = [ref for ref in both.base.refs() if ref != both.base.contracts.get(one)["Owner_Key"]]
    both.base.contracts.update(one, Owner_Key=owners[0])
    both.base.contracts.update(two, Owner_Key="00000000-0000-0000-0000-000000000000")
    moved = both.run("contracts")
    assert (moved.exit_code, both.stored()) == (0, both.wanted())
    undone = both.run("contracts", "undo", parent=moved.run, reason="test")
    assert (undone.exit_code, both.stored()) == (0, before)


@pytest.mark.long
def test_an_orphan_of_the_store_is_put_right_and_undone(both: Flows) -> None:
    both.run("main")
    both.run("contracts")
    (stranger,) = both.sql("SELECT MAX(id) + 1 FROM firms")[0]
    both.sql("INSERT INTO firms(id, ref, name) VALUES (?, '', 'by hand')", stranger)
    one, two, *_ = both.base.contracts.refs()
    both.base.contracts.update(two, Owner_Key="00000000-0000-0000-0000-000000000000")
    both.run("contracts")
    both.sql("UPDATE contracts SET firm_id = ? WHERE ref IN (?, ?)", stranger, one, two)
    run = both.run("contracts")
    assert run.exit_code == 0
    assert {
        (one.fields[0].field, one.fields[0].found) for one in both.differences("contracts", run.run)
    } == {("counterparty", f"#{stranger}")}
    assert both.stored() == both.wanted()
    both.run("contracts", "undo", parent=run.run, reason="test")
    rows = both.sql("SELECT COUNT(*) FROM contracts WHERE firm_id = ?", stranger)
    assert rows == [(2,)]


@pytest.mark.long
def test_an_enumeration_is_translated_both_ways(both: Flows) -> None:
    both.run("main")
    both.run("contracts")
    one, two, three, *_ = both.base.contracts.refs()
    both.base.contracts.update(one, ВидДоговора="СПоставщиком")
    both.base.contracts.update(two, ВидДоговора="")
    both.sql("UPDATE contracts SET kind = 'СПокупателем' WHERE ref = ?", three)
    run = both.run("contracts")
    assert (run.exit_code, both.stored()) == (0, both.wanted())
    assert [both.stored()[ref][2] for ref in (one, two, three)] == ["purchase", None, "sale"]
    both.run("contracts", "undo", parent=run.run, reason="test")
    assert [both.stored()[ref][2] for ref in (one, two, three)] == ["sale", "sale", "СПокупателем"]


@pytest.mark.long
def test_a_value_that_the_settings_do_not_list_is_left_out_with_its_reason(both: Flows) -> None:
    both.run("main")
    both.run("contracts")
    one, *_ = both.base.contracts.refs()
    both.base.contracts.update(one, ВидДоговора="Прочее", Description="Новий договір")
    run = both.run("contracts")
    assert (run.exit_code, run.waiting) == (1, 0)
    assert both.stored()[one][:3:2] == ("Новий договір", "sale")
    detail = both.corrections("contracts", run.run)[-1][1].detail
    assert "has a value that onec.fields.kind.values does not list" in detail


@pytest.mark.long
def test_a_counterparty_with_living_contracts_is_not_deleted(both: Flows) -> None:
    both.run("main")
    both.run("contracts")
    one, *others = both.base.contracts.refs()
    gone, spare, *_ = both.base.refs()
    for ref in others:
        both.base.contracts.update(ref, Owner_Key=spare)
    both.base.contracts.update(one, Owner_Key=gone)
    both.run("contracts")
    both.base.delete(gone)
    held = both.run("main")
    assert held.exit_code == 1
    [(_, outcome)] = both.corrections("main", held.run)[-1:]
    assert outcome.state is OutcomeState.REFUSED
    assert outcome.detail == "1 living row of contracts refers to it"
    both.base.contracts.delete(one)
    assert both.run("contracts").exit_code == 0
    assert both.run("main").exit_code == 0
    assert both.sql("SELECT is_active FROM firms WHERE ref = ?", gone) in ([(False,)], [(0,)])


@pytest.mark.long
def test_a_flow_that_refers_to_itself_needs_two_passes_at_most(both: Flows) -> None:
    one, two, three, four = both.base.refs()
    for ref, head in ((one, two), (two, three), (three, one), (four, four)):
        both.base.update(ref, ГоловнойКонтрагент_Key=head)
    both.run("main")
    last = both.run("main")
    assert (last.exit_code, last.waiting) == (0, 0)
    heads = both.sql("SELECT f.ref, h.ref FROM firms f JOIN firms h ON h.id = f.head_id")
    assert sorted(heads) == sorted(((one, two), (two, three), (three, one), (four, four)))
    for ref in (one, two, three):
        both.base.delete(ref)
    assert both.run("main").exit_code == 0
    assert both.sql("SELECT ref FROM firms WHERE is_active") == [(four,)]


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_contract_that_must_have_a_counterparty_is_not_created_without(
    tmp_path: Path, backend: str
) -> None:
    with flows(tmp_path, backend, required=True, mode="hard") as both:
        first = both.run("contracts")
        assert (first.exit_code, first.waiting, both.stored()) == (1, 6, {})
        both.run("main")
        assert both.run("contracts").exit_code == 0
        assert both.stored() == both.wanted()
        one, *_ = both.base.contracts.refs()
        both.base.contracts.update(one, Owner_Key="0b61f6d3-2c4e-11ee-8f57-0050568b35ac")
        waits = both.run("contracts")
        assert (waits.exit_code, waits.waiting) == (1, 1)
        assert both.stored()[one][1] is not None


def checked(both: Flows, flow: str) -> list[Finding]:
    settings = both.settings[flow]
    references, referring = references_of(flow, both.settings)
    return check_store(
        settings.erp, mapping_of(settings), references=references, referring=referring
    )


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_check_tries_a_reference_with_a_row_that_is_there(tmp_path: Path, backend: str) -> None:
    with flows(tmp_path, backend, required=True) as both:
        waiting = [one for one in checked(both, "contracts") if "could not be tried" in one.text]
        assert [one.level for one in waiting] == ["warning"]
        assert both.run("main").exit_code == 0
        found = checked(both, "contracts")
        assert not [one for one in found if one.level == "failure"], found
        assert [one.text for one in found if one.subject == "rights"] == [
            "create: tried and rolled back; sequences may advance",
            "update: tried and rolled back",
            "delete: tried and rolled back",
        ]
        assert both.sql("SELECT COUNT(*) FROM contracts") == [(0,)]


def test_a_reference_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    with flows(tmp_path) as both:
        settings, main = both.settings["contracts"], both.settings["main"]
        elsewhere = main.model_copy(
            update={"erp": main.erp.model_copy(update={"url": f"sqlite:///{tmp_path}/other.db"})}
        )
        no_ref = main.model_copy(
            update={
                "onec": main.onec.model_copy(update={"key": "name"}),
                "erp": main.erp.model_copy(update={"key": "name", "ref": None}),
            }
        )
        alone = {"contracts": settings}
        for flows_there, why in (
            (alone, "there is no such flow"),
            (alone | {"main": elsewhere}, "its table is in another database"),
            (alone | {"main": no_ref}, "its table has no column for Ref_Key"),
        ):
            with pytest.raises(SettingsError) as caught:
                references_of("contracts", flows_there)
            assert caught.value.code == "ZV3320"
            assert why in caught.value.cause
            assert caught.value.place == "onec.fields.counterparty.reference"
        both.sql("ALTER TABLE firms RENAME COLUMN ref TO uid")
        failed = both.run("contracts")
        assert failed.exit_code == ExitCode.USAGE
        assert "table firms has no column ref" in failed.error
        assert [one.text.code for one in checked(both, "contracts") if one.level == "failure"] == [
            "ZV3320"
        ]


@pytest.mark.long
def test_an_owner_of_another_catalogue_is_out_of_scope_or_told(tmp_path: Path) -> None:
    with flows(tmp_path, several_owners=True) as both:
        contracts = both.base.contracts
        strange, *others = contracts.refs()
        contracts.update(
            strange,
            Owner="7a1f2e60-2c4e-11ee-8f57-0050568b35ac",
            Owner_Type="StandardODATA.Catalog_Организации",
        )
        both.run("main")
        everything = both.settings["contracts"]
        scope = "Owner_Type eq 'StandardODATA.Catalog_Контрагенты'"
        both.settings["contracts"] = everything.model_copy(
            update={"onec": everything.onec.model_copy(update={"scope": scope})}
        ).among(both.settings)
        assert both.run("contracts").exit_code == 0
        owners = {ref: contracts.get(ref)["Owner"] for ref in others}
        assert {ref: owner for ref, (_, owner, _, _) in both.stored().items()} == owners
        both.settings["contracts"] = everything
        told = both.run("contracts")
        assert (told.exit_code, told.waiting, told.remaining) == (1, 1, 1)
        owners[strange] = None
        assert {ref: owner for ref, (_, owner, _, _) in both.stored().items()} == owners


@pytest.mark.long
def test_what_was_created_while_it_waited_can_be_undone(both: Flows) -> None:
    first = both.run("contracts")
    assert len(both.stored()) == 6
    undone = both.run("contracts", "undo", parent=first.run, reason="test")
    assert (undone.exit_code, both.stored()) == (0, {})


@pytest.mark.long
def test_the_store_tells_who_refers_to_a_row(tmp_path: Path) -> None:
    with flows(tmp_path) as both:
        both.run("main")
        both.run("contracts")
        settings = both.settings["main"]
        references, referring = references_of("main", both.settings)
        store = open_store(
            settings.erp, mapping_of(settings), references=references, referring=referring
        )
        with closing(store):
            assert isinstance(store, SqlStore)
            counts = both.sql("SELECT firm_id, COUNT(*) FROM contracts GROUP BY firm_id")
            for firm, count in counts:
                assert str(store.referring_to(str(firm))).startswith(f"{count} living row")
            free = both.sql("SELECT id FROM firms WHERE id NOT IN (SELECT firm_id FROM contracts)")
            assert {store.referring_to(str(firm)) for (firm,) in free} <= {None}
