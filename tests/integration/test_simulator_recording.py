"""A recorded base served again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyodata.v2.model import MetadataBuilder

from tests.integration.simulator_client import CATALOGUE, LINES, simulated
from zvirka.errors import UsageError
from zvirka.simulator.exchange import READER_NODE

HERE = Path(__file__).resolve()
OWN = HERE.parents[1] / "fixtures" / "recording"
TRADE = HERE.parents[1] / "fixtures" / "onec"


def test_a_recording_is_served_as_the_base_it_was_taken_from() -> None:
    with simulated(recording=OWN) as (sim, client):
        document = client.get("$metadata").content
        assert document == (OWN / "base_metadata.xml").read_bytes()
        assert MetadataBuilder(document).build()
        rows = {row["Description"]: row for row in client.rows(orderby="Ref_Key")}
        assert list(rows) == ["Барвінок", "Об'єднання «Січ»", "Ґанок"]
        sich = rows["Об'єднання «Січ»"]
        assert sich["DeletionMark"] is True
        assert sich["DataVersion"] == "AAAAAAAAAAM="
        assert sich["КодПоЕДРПОУ"] == " 12345678"
        assert [line["Представление"] for line in sich["КонтактнаяИнформация"]] == [
            "м. Київ, вул. Д'ячкова, 1",
            "+380 (44) 111-22-33",
        ]
        lines = client.rows(LINES, filter=f"Ref_Key eq guid'{sich['Ref_Key']}'")
        assert [line["LineNumber"] for line in lines] == ["1", "2"]
        assert sim.base.get(sich["Ref_Key"]).values["address"] == "м. Київ, вул. Д'ячкова, 1"
        assert client.rows("Catalog_Номенклатура") == []
        assert client.refused("Catalog_ВидыКонтактнойИнформации")[:2] == (404, "8")


def test_a_recorded_base_can_be_written_to_and_tells_its_changes() -> None:
    with simulated(recording=OWN) as (sim, client):
        ref = next(sim.base.refs())
        sim.base.update(ref, name="Перейменована", address="м. Львів")
        row = client.get(f"{CATALOGUE}(guid'{ref}')").json()
        assert row["Description"] == "Перейменована"
        created = sim.base.create(name="Нова", tax_id="1")
        assert client.count() == 4
        assert {each.ref for each in sim.base.plan.select(READER_NODE, 1)} == {ref, created}


def test_a_folder_without_a_recording_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recording"), simulated(recording=tmp_path):
        pass
    for each in OWN.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes()[:300])
    with pytest.raises(UsageError, match="cannot be read"), simulated(recording=tmp_path):
        pass


def test_a_base_without_codes_is_served_whole() -> None:
    with simulated(recording=TRADE) as (sim, client):
        assert MetadataBuilder(client.get("$metadata").content).build()
        rows = client.rows(orderby="Ref_Key")
        assert len(rows) == client.count() == len(list(sim.base.refs())) == 5
        assert all("Code" not in row for row in rows)
        nested = sum(len(row["КонтактнаяИнформация"]) for row in rows)
        assert nested == client.count(LINES) == 6
