"""The simulated publication read over HTTP: selection, order, pages, formats."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from pyodata.v2.model import MetadataBuilder

from tests.integration.simulator_client import CATALOGUE, LINES, Client, refs, simulated
from zvirka.domain import ZERO_REF
from zvirka.simulator import Simulator

PROFILES = ["accounting", "trade", "custom", "legacy"]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_property_in_metadata_is_served_and_pyodata_reads_the_schema(profile: str) -> None:
    with simulated(profile=profile) as (_, client):
        schema = MetadataBuilder(client.get("$metadata").content).build()
        for entity_set in schema.entity_sets:
            declared = {each.name for each in entity_set.entity_type.proprties()}
            rows = client.rows(entity_set.name, top=3)
            for row in rows:
                assert set(row) == declared
        assert {each.name for each in schema.entity_sets} >= {CATALOGUE, "ExchangePlan_Звірка"}


def test_profiles_differ_as_configurations_do() -> None:
    with simulated(profile="trade") as (_, client):
        row = client.rows(top=1)[0]
        assert not {"Code", "IsFolder", "Parent_Key"} & set(row)
        partner = client.rows("Catalog_Партнеры", filter=f"Ref_Key eq guid'{row['Партнер_Key']}'")
        assert len(partner) == 1
    with simulated(profile="legacy") as (sim, client):
        ref = sim.base.create(name="ТОВ Лінія", phone="+380501112233")
        found = client.rows(
            "InformationRegister_КонтактнаяИнформация",
            filter=f"Объект eq cast(guid'{ref}', 'Catalog_Контрагенты') and Тип eq 'Телефон'",
        )
        assert [row["Представление"] for row in found] == ["+380501112233"]
    with simulated(profile="custom") as (sim, client):
        ref = sim.base.create(name="ТОВ Атрибут", address="Київ", tax_id="1")
        row = client.get(f"{CATALOGUE}(guid'{ref}')").json()
        assert (row["ЮридическийАдрес"], row["ИНН"]) == ("Київ", "1")


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_written_is_what_is_held_and_what_is_served(profile: str) -> None:
    wanted = {
        "name": "ТОВ «Сім'я»",
        "tax_id": "12345678",
        "phone": "050 111 22 33",
        "email": "info@example.com",
        "address": "м. Київ, вул. Д'ячкова, 1",
    }
    with simulated(profile=profile) as (sim, client):
        ref = sim.base.create(**wanted)
        held = sim.base.get(ref)
        assert {name: held.values[name] for name in wanted} == wanted
        row = client.get(f"{CATALOGUE}(guid'{ref}')").json()
        assert {name: row[name] for name in held.attributes} == held.attributes


@pytest.mark.parametrize("profile", PROFILES)
def test_generated_contacts_served_over_http_are_those_the_base_holds(profile: str) -> None:
    with simulated(profile=profile, counterparties=40) as (sim, client):
        held = {ref: sim.base.get(ref) for ref in sim.base.refs()}
        assert len(held) == 40
        for row in client.rows():
            if row["Ref_Key"] in held:
                attributes = held[row["Ref_Key"]].attributes
                assert {name: row[name] for name in attributes} == attributes
        if profile == "accounting":
            lines = client.rows(LINES, filter="Тип eq 'Телефон'", orderby="Ref_Key,LineNumber")
            first: dict[str, str] = {}
            for line in lines:
                first.setdefault(line["Ref_Key"], line["Представление"])
            assert first == {
                ref: each.values["phone"] for ref, each in held.items() if each.values["phone"]
            }


def test_groups_hold_null_in_the_attributes_of_items(served: tuple[Simulator, Client]) -> None:
    _, client = served
    group = client.rows(filter="IsFolder eq true", top=1)[0]
    assert group["КодПоЕДРПОУ"] is None
    assert group["Parent_Key"] == ZERO_REF
    assert group["КонтактнаяИнформация"] == []
    assert group["Description"]


def test_the_same_seed_gives_the_same_base_and_another_seed_another() -> None:
    def picture(seed: int) -> list[dict[str, str]]:
        with simulated(seed=seed) as (_, client):
            rows = client.rows(orderby="Code", select="**")
        return [dict(sorted(row.items())) for row in rows]

    assert picture(5) == picture(5)
    assert picture(5) != picture(6)


def test_select_gives_just_the_named_and_two_asterisks_leave_sections_out(
    served: tuple[Simulator, Client],
) -> None:
    _, client = served
    assert set(client.rows(select="Ref_Key,Code", top=1)[0]) == {"Ref_Key", "Code"}
    assert "КонтактнаяИнформация" not in client.rows(select="**", top=1)[0]
    assert "КонтактнаяИнформация" in client.rows(top=1)[0]
    assert client.refused(select="Ref_Key,Нема") == (400, "6", "Сегмент пути Нема не найден!")


def test_nested_lines_are_the_lines_of_the_section_set(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    sim.base.update(next(sim.base.refs()), phone="044 000 00 00", address="м. Львів")
    nested = [line for row in client.rows() for line in row["КонтактнаяИнформация"]]

    def key(line: dict[str, str]) -> tuple[str, int]:
        return line["Ref_Key"], int(line["LineNumber"])

    flat = client.rows(LINES)
    assert sorted(nested, key=key) == sorted(flat, key=key)
    assert flat
    assert all(isinstance(line["LineNumber"], str) for line in flat)


def test_property_order_differs_between_two_reads_of_one_object(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    path = f"{CATALOGUE}(guid'{next(sim.base.refs())}')"
    one, two = client.get(path).json(), client.get(path).json()
    assert one == two
    assert list(one) != list(two)


def test_keyset_pages_by_code_cover_the_catalogue_and_what_was_written_between(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    known = list(sim.base.refs())
    sim.base.create(name="ТОВ Між", code="00-000030а")
    sim.base.create(name="ТОВ Двійник", code="00-000031")
    sim.base.update(known[10], name="ТОВ Нова назва")
    sim.base.delete(known[20])
    found: dict[str, str] = {}
    last = ""
    while True:
        page = client.rows(orderby="Code", filter=f"Code ge '{last}' and IsFolder eq false", top=7)
        assert [row["Code"] for row in page] == sorted(row["Code"] for row in page)
        found |= {row["Ref_Key"]: row["Code"] for row in page}
        if len(page) < 7:
            break
        last = page[-1]["Code"]
    assert set(found) == set(sim.base.refs())
    assert len(found) == client.count(filter="IsFolder eq false") == 61


def test_skip_pages_in_a_stable_order_cover_a_quiet_base() -> None:
    with simulated(profile="trade") as (sim, client):
        found = []
        for skip in range(0, 80, 9):
            found += refs(client.rows(orderby="Ref_Key", top=9, skip=skip, select="Ref_Key"))
        assert sorted(found) == sorted(sim.base.refs())


def test_a_lambda_chooses_owners_by_their_lines(served: tuple[Simulator, Client]) -> None:
    _, client = served
    owners = {line["Ref_Key"] for line in client.rows(LINES, filter="Тип eq 'Телефон'")}
    where = "КонтактнаяИнформация/any(d: d/Тип eq 'Телефон')"
    assert set(refs(client.rows(filter=where, select="Ref_Key"))) == owners
    assert client.count(filter=f"not {where}") == 61 - len(owners)


def test_ordering_by_reference_is_ordering_by_presentation(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    sim.base.create(name="аааа перша")
    rows = client.rows(orderby="Ref_Key", select="Ref_Key,Description")
    names = [row["Description"].casefold() for row in rows]
    assert names == sorted(names)
    assert refs(rows) != sorted(refs(rows))


def test_section_pages_by_reference_alone_lose_lines_and_with_line_number_they_do_not(
    served: tuple[Simulator, Client],
) -> None:
    _, client = served
    total = client.count(LINES)

    def read(order: str) -> set[tuple[str, str]]:
        found = set()
        for skip in range(0, total, 5):
            rows = client.rows(LINES, orderby=order, top=5, skip=skip, select="Ref_Key,LineNumber")
            found |= {(row["Ref_Key"], row["LineNumber"]) for row in rows}
        return found

    assert len(read("Ref_Key,LineNumber")) == total
    assert len(read("Ref_Key")) < total


def test_errors_and_rows_come_in_xml_unless_json_is_asked(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    error = client.session.get(f"{sim.url}Catalog_Нема")
    assert error.headers["Content-Type"].startswith("application/xml")
    assert "<m:code>8</m:code>" in error.text
    rows = client.session.get(f"{sim.url}{CATALOGUE}?$top=2")
    assert rows.headers["Content-Type"].startswith("application/atom+xml")
    assert rows.text.count("<entry") == 2
    by_header = client.session.get(
        f"{sim.url}{CATALOGUE}?$top=2", headers={"Accept": "application/json"}
    )
    assert len(by_header.json()["value"]) == 2


def test_detail_of_json_goes_by_format(served: tuple[Simulator, Client]) -> None:
    _, client = served

    def seen(detail: str) -> tuple[set[str], set[str]]:
        where = "IsFolder eq false"
        body = client.get(CATALOGUE, format=f"application/json;odata={detail}", filter=where).json()
        return set(body), {name for name in body["value"][0] if "odata" in name or "@" in name}

    assert seen("nometadata") == ({"value"}, set())
    minimal = seen("minimalmetadata")
    assert minimal[0] == {"odata.metadata", "value"}
    assert "Parent@navigationLinkUrl" in minimal[1]
    assert "odata.id" in seen("fullmetadata")[1]


def test_code_is_padded_where_the_configuration_fixes_its_length() -> None:
    with simulated(code_width=12) as (sim, client):
        ref = sim.base.create(name="ТОВ Пробіл", code="А1")
        assert client.get(f"{CATALOGUE}(guid'{ref}')").json()["Code"] == "А1          "
        assert refs(client.rows(filter="Code eq 'А1'")) == [ref]


def test_every_write_moves_dataversion_and_a_restored_backup_repeats_it(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    ref = next(sim.base.refs())

    def version() -> str:
        return str(
            client.get(f"{CATALOGUE}(guid'{ref}')", select="DataVersion").json()["DataVersion"]
        )

    seen = [version()]
    backup = sim.base.backup()
    writes: tuple[Callable[[], object], ...] = (
        lambda: sim.base.touch(ref),
        lambda: sim.base.update(ref, name="ТОВ Інше"),
        lambda: sim.base.mark(ref),
        lambda: sim.base.update(ref, phone="0500000000"),
    )
    for write in writes:
        write()
        seen.append(version())
    assert len(set(seen)) == 5
    sim.base.restore(backup)
    assert version() == seen[0]
    sim.base.touch(ref)
    assert version() == seen[1]


def test_a_partner_and_a_register_record_change_without_the_counterparty() -> None:
    for profile in ("trade", "legacy"):
        with simulated(profile=profile) as (sim, _):
            ref = next(sim.base.refs())
            before = sim.base.get(ref)
            sim.base.update(ref, phone="+380441234567")
            after = sim.base.get(ref)
            assert after.values["phone"] == "+380441234567" != before.values["phone"]
            assert after.version == before.version


def test_answers_are_compressed_for_those_who_accept_it(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    url = client.url(CATALOGUE, {"format": "json"})
    plain = client.session.get(url, headers={"Accept-Encoding": "identity"})
    packed = client.session.get(url, headers={"Accept-Encoding": "gzip"}, stream=True)
    raw = packed.raw.read()
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(raw) < len(plain.content) / 2
    assert len(gzip.decompress(raw)) == len(plain.content)
    assert sim.requests[-1].bytes == len(raw)


def test_metadata_can_be_as_large_as_a_full_publication() -> None:
    with simulated(metadata_bytes=15_000_000) as (_, client):
        document = client.get("$metadata").content
    assert 15_000_000 <= len(document) < 16_000_000
    assert document.count(b"<EntityType ") > 3000


def test_the_log_of_requests_tells_paths_and_decoded_queries(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    client.rows(filter="Code eq 'А б'", top=1)
    assert sim.requests[-1].path == CATALOGUE
    assert sim.requests[-1].query["$filter"] == "Code eq 'А б'"
    assert (sim.requests[-1].method, sim.requests[-1].status) == ("GET", 200)
    assert sim.traffic.requests == 1
    assert sim.traffic.bytes == sim.requests[-1].bytes > 0
