"""Each behaviour of 1C, from its cassette."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.onec.recording import CASSETTES, RECORDING, Played, mapping, played
from zvirka.mapping import Attribute, Field
from zvirka.onec import failures
from zvirka.onec.catalogue_source import CatalogueSource
from zvirka.onec.changes import ChangeFeed
from zvirka.onec.failures import OnecError
from zvirka.onec.open_source import open_schemas, open_session, open_source
from zvirka.onec.protocol import LineBatch, ObjectBatch
from zvirka.simulator import Simulator

CATALOG = "Catalog_Контрагенты"
ABSENT = "00000000-0000-0000-0000-000000000001"


def objects_of(batches: list[ObjectBatch]) -> dict[str, dict[str, str | None]]:
    return {
        ref: {field: column[at] for field, column in batch.values.items()}
        for batch in batches
        for at, ref in enumerate(batch.refs)
    }


def first_values(batches: list[LineBatch], field: str) -> dict[str, str | None]:
    lines = sorted(
        (order, ref, value)
        for batch in batches
        if batch.field == field
        for ref, order, value in zip(batch.refs, batch.orders, batch.values, strict=True)
        if value is not None
    )
    return {ref: value for _, ref, value in reversed(lines)}


def test_one_1c_session_serves_a_whole_run(tmp_path: Path) -> None:
    with played("one_session_for_a_run", tmp_path) as base, base.catalogue() as source:
        assert source.preflight() == 12
        assert source.count() == 12
        assert source.session.held


def test_the_schema_is_read_from_metadata(tmp_path: Path) -> None:
    with played("schema_from_metadata", tmp_path) as base:
        fields = mapping("accounting")
        with open_session(base.settings(), fields) as session:
            schema = open_schemas(session, tmp_path).load([CATALOG])
        catalogue = schema.entity(CATALOG)
        assert catalogue is not None
        assert {"Code", "IsFolder", "КодПоЕДРПОУ"} <= set(catalogue.properties)
        with open_source(base.settings(), fields, tmp_path) as source:
            assert isinstance(source, CatalogueSource)
            assert source.mapping is fields


def test_a_full_pull_goes_by_code_and_leaves_groups_out(tmp_path: Path) -> None:
    with (
        played("full_pull_by_code", tmp_path, counterparties=150) as base,
        base.catalogue(page_bytes=20_000) as source,
    ):
        batches = list(source.objects())
    found = objects_of(batches)
    codes = [values["code"] for values in found.values()]
    assert len(found) == 150
    assert len(batches) > 1
    assert codes == sorted(codes, key=str)
    assert all(values["name"] for values in found.values())


def test_a_light_pull_asks_for_versions_and_marks_only(tmp_path: Path) -> None:
    def prepare(simulator: Simulator) -> None:
        simulator.base.mark(next(iter(simulator.base.refs())))

    with (
        played("light_pull", tmp_path, counterparties=40, prepare=prepare) as base,
        base.catalogue() as source,
    ):
        (batch,) = source.versions()
    assert len(batch.refs) == len(batch.versions) == len(batch.marks) == 40
    assert sum(batch.marks) == 1
    assert all(version.endswith("=") for version in batch.versions)


def test_contact_lines_come_from_the_sections_own_set(tmp_path: Path) -> None:
    with played("contact_lines_of_the_set", tmp_path) as base, base.catalogue() as source:
        batches = list(source.lines())
        assert list(source.light_lines()) == []
    assert len(first_values(batches, "phone")) > 3
    assert all("@" in str(value) for value in first_values(batches, "email").values())
    assert first_values(batches, "address")


def test_contact_lines_come_nested_where_the_section_is_not_published(tmp_path: Path) -> None:
    def prepare(simulator: Simulator) -> None:
        simulator.faults.unpublished = {f"{CATALOG}_КонтактнаяИнформация"}

    with played("contact_lines_nested", tmp_path, prepare=prepare) as base:
        onec = base.settings()
        with open_source(onec, mapping("accounting"), tmp_path) as source:
            nested = list(source.lines())
    with played("contact_lines_of_the_set", tmp_path) as base, base.catalogue() as source:
        of_set = list(source.lines())
    for field in ("phone", "email", "address"):
        assert first_values(nested, field) == first_values(of_set, field)


def test_objects_are_fetched_by_key_with_their_lines_in_one_answer(tmp_path: Path) -> None:
    with played("fetched_by_key", tmp_path) as base, base.catalogue() as source:
        refs = [ref for batch in source.objects() for ref in batch.refs]
        fetched = list(source.fetch([refs[3].upper(), ABSENT, refs[5]]))
        asked = source.traffic.requests
    (batch, lines) = fetched[0]
    assert len(fetched) == 1
    assert set(batch.refs) == {refs[3], refs[5]}
    assert {line.field for line in lines} == {"phone", "email", "address"}
    assert asked <= 5


def test_only_code_9_proves_that_an_object_is_not_there(tmp_path: Path) -> None:
    with played("absent_object", tmp_path) as base, base.catalogue() as source:
        (batch,) = source.objects()
        assert source.exists(batch.refs[0])
        assert not source.exists(ABSENT)


def test_a_counterparty_is_found_by_its_tax_id(tmp_path: Path) -> None:
    with played("found_by_tax_id", tmp_path) as base, base.catalogue() as source:
        (batch,) = source.objects()
        at = next(n for n, value in enumerate(batch.values["tax_id"]) if value)
        tax_id = str(batch.values["tax_id"][at])
        found = source.find("tax_id", [tax_id, tax_id, "О'Немає"])
        with pytest.raises(failures.QueryRefusedError, match="attributes"):
            source.find("phone", ["044"])
    ours = next(one for one in found if one.ref == batch.refs[at])
    assert ours.values["tax_id"] == tax_id
    assert set(ours.values) == {"code", "name", "tax_id", "phone", "email", "address"}
    assert ours.key == str(batch.values["code"][at]).strip()


def test_a_trade_base_pairs_by_ref_and_keeps_contacts_on_the_partner(tmp_path: Path) -> None:
    with (
        played("trade_partner_contacts", tmp_path, profile="trade") as base,
        base.catalogue() as source,
    ):
        assert source.preflight() == 12
        (batch,) = source.objects()
        lines = list(source.lines())
        light = {line.field for line in source.light_lines()}
        found = source.find("name", [str(batch.values["name"][0])])
    assert light == {"phone", "email"}
    phones = first_values(lines, "phone")
    assert set(batch.links["Партнер_Key"]) & set(phones)
    assert {line.via for line in lines if line.field == "phone"} == {"Партнер_Key"}
    ours = next(one for one in found if one.ref == batch.refs[0])
    assert ours.key == ours.ref
    assert ours.values["phone"] == phones.get(batch.links["Партнер_Key"][0])


def test_an_older_base_keeps_contacts_in_a_register(tmp_path: Path) -> None:
    with (
        played("legacy_register", tmp_path, profile="legacy") as base,
        base.catalogue() as source,
    ):
        lines = list(source.lines())
        refs = sorted(first_values(lines, "phone"))
        fetched = [line for _, some in source.fetch(refs[:2]) for line in some]
    assert len(refs) > 3
    wanted = {ref: value for ref, value in first_values(lines, "phone").items() if ref in refs[:2]}
    assert first_values(fetched, "phone") == wanted


def test_a_publication_without_count_is_counted_by_keys(tmp_path: Path) -> None:
    def prepare(simulator: Simulator) -> None:
        simulator.faults.no_count = True

    with (
        played("count_not_served", tmp_path, prepare=prepare) as base,
        base.catalogue() as source,
    ):
        assert source.count() == 12
        assert source.count() == 12


def _hidden(simulator: Simulator) -> None:
    simulator.faults.hide = {next(iter(simulator.base.refs()))}


def test_a_row_the_user_may_not_see_refuses_the_whole_set(tmp_path: Path) -> None:
    with (
        played("row_restriction", tmp_path, prepare=_hidden) as base,
        base.catalogue() as source,
        pytest.raises(failures.AccessDeniedError) as caught,
    ):
        source.preflight()
    assert caught.value.internal_code == "20"
    assert caught.value.status == 401
    assert "Чтение" in caught.value.remedy


def test_allowed_only_leaves_rows_out_and_says_that_it_does(tmp_path: Path) -> None:
    with (
        played("allowed_only", tmp_path, prepare=_hidden) as base,
        base.catalogue(allowed_only=True) as source,
    ):
        assert source.preflight() == 11
        assert source.restricted


def test_a_forgotten_session_is_started_anew(tmp_path: Path) -> None:
    def prepare(simulator: Simulator) -> None:
        simulator.faults.lose_session_after = 2

    with (
        played("forgotten_session", tmp_path, prepare=prepare) as base,
        base.catalogue() as source,
    ):
        assert source.preflight() == 12
        assert len(objects_of(list(source.objects()))) == 12


def _switch(name: str, value: object) -> Callable[[Simulator], None]:
    return lambda simulator: setattr(simulator.faults, name, value)


@pytest.mark.parametrize(
    ("behaviour", "prepare", "kind", "words"),
    [
        ("web_page_with_200", _switch("html_200", True), failures.NotOdataError, "web page"),
        ("no_licence", _switch("no_licence", True), failures.NoLicenceError, "licence"),
        ("maintenance", _switch("maintenance", True), failures.MaintenanceLockError, "locked"),
        ("server_failure", _switch("fail_500", True), failures.ServerFailureError, "HTTP 500"),
        (
            "catalogue_not_published",
            _switch("unpublished", {CATALOG}),
            failures.NotInCompositionError,
            "composition",
        ),
    ],
)
def test_a_failure_is_told_by_its_cause(
    tmp_path: Path,
    behaviour: str,
    prepare: Callable[[Simulator], None],
    kind: type[OnecError],
    words: str,
) -> None:
    with (
        played(behaviour, tmp_path, prepare=prepare) as base,
        base.catalogue() as source,
        pytest.raises(kind, match=words) as caught,
    ):
        source.preflight()
    assert caught.value.remedy


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    with played("wrong_password", tmp_path) as base:
        base.password = "не той"
        with base.catalogue() as source, pytest.raises(failures.UnauthorizedError) as caught:
            source.preflight()
    assert "не той" not in f"{caught.value!r}{caught.value}"


def test_a_wrong_publication_is_told(tmp_path: Path) -> None:
    with played("wrong_publication", tmp_path) as base:
        url = base.url.replace("/base/", "/bese/")
        with (
            base.catalogue(url=url) as source,
            pytest.raises(failures.PublicationNotFoundError) as caught,
        ):
            source.preflight()
    assert "publication" in caught.value.remedy


def test_a_property_that_went_missing_is_told_with_near_names(tmp_path: Path) -> None:
    fields = mapping("accounting")
    wrong = Field("tax_id", Attribute("КодПоЄДРПОУ"))
    changed = [wrong if field.name == "tax_id" else field for field in fields.fields]
    with (
        played("unknown_property", tmp_path) as base,
        base.catalogue(type(fields)(catalog=fields.catalog, fields=tuple(changed))) as source,
        pytest.raises(failures.MappingMismatchError, match="КодПоЄДРПОУ") as caught,
    ):
        source.preflight()
    assert "КодПоЕДРПОУ" in caught.value.remedy


def _unknown_name(base: Played) -> None:
    with base.catalogue() as source:
        source.session.get(CATALOG, {"$select": "Немає", "$format": "json"}, decode=bytes)


def test_1c_itself_names_what_it_does_not_know(tmp_path: Path) -> None:
    with (
        played("unknown_name_in_select", tmp_path) as base,
        pytest.raises(failures.NameNotFoundError) as caught,
    ):
        _unknown_name(base)
    assert "Немає" in caught.value.message
    assert caught.value.internal_code == "6"


def test_an_exchange_plan_gives_changes_until_they_are_confirmed(tmp_path: Path) -> None:
    refs: list[str] = []

    def prepare(simulator: Simulator) -> None:
        known = list(simulator.base.refs())
        simulator.base.update(known[0], Description="Нова назва")
        simulator.base.delete(known[1])

    with (
        played("exchange_plan", tmp_path, prepare=prepare) as base,
        base.catalogue() as source,
    ):
        refs += [ref for batch in source.objects() for ref in batch.refs]
        feed = ChangeFeed(source.session, PLAN, "ZV", CATALOG)
        first = feed.pending()
        again = feed.pending()
        feed.confirm(first.message)
        after = feed.pending()
    assert first.changed == again.changed
    assert len(first.changed) == len(first.deleted) == 1
    assert first.changed[0] in refs
    assert first.deleted[0] not in refs
    assert (after.changed, after.deleted) == ((), ())
    assert after.message == first.message + 1


PLAN = "Звірка"


@pytest.mark.skipif(RECORDING, reason="cassettes are being written just now")
def test_no_cassette_holds_credentials() -> None:
    cassettes = sorted(CASSETTES.glob("*.yaml"))
    assert len(cassettes) > 15
    for cassette in cassettes:
        text = cassette.read_text(encoding="utf-8")
        assert "uthorization" not in text
        assert "Basic " not in text
