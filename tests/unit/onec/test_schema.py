"""The schema: trimmed, understood, cached, and read again when it must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from loguru import logger

from tests.unit.onec.samples import CATALOGUE, metadata, trade
from zvirka.onec.failures import NotOdataError
from zvirka.onec.schema import Schema, SchemaCache, near, trim

CATALOG = "Catalog_Контрагенты"
SECTION = "Catalog_Контрагенты_КонтактнаяИнформация"
URL = "http://1c.example/base/odata/standard.odata/"


def schema(document: bytes, *asked: str) -> Schema:
    return Schema(trim(document, asked or (CATALOG, SECTION))[0], URL)


def counting(*documents: bytes) -> tuple[list[int], Callable[[], bytes]]:
    """A reader of $metadata that counts, giving these documents in turn, the last for ever."""
    reads: list[int] = []

    def read() -> bytes:
        reads.append(1)
        return documents[min(len(reads), len(documents)) - 1]

    return reads, read


def test_an_entity_tells_its_properties_sections_and_publication() -> None:
    found = schema(metadata()).entity(CATALOG)
    assert found is not None
    assert found.properties["КодПоЕДРПОУ"] == "Edm.String"
    assert found.properties["Порядок"] == "Edm.Int64"
    assert found.sections == ("КонтактнаяИнформация",)
    assert found.has("Code")
    assert found.published


def test_what_cannot_be_decoded_or_is_not_asked_for_is_trimmed_away() -> None:
    edmx, names = trim(metadata(padding=500), (CATALOG, SECTION))
    text = edmx.decode()
    assert "Фото" not in text
    assert "ИсторияКПП" not in text
    assert 'Партнер"' not in text
    assert "Document_" not in text
    assert len(names) == 503
    assert len(edmx) < 6000


def test_a_section_without_a_set_of_its_own_is_known_by_its_row_type() -> None:
    found = schema(metadata(section_published=False)).entity(SECTION)
    assert found is not None
    assert not found.published
    assert found.has("Представление")


def test_a_schema_without_the_catalogue_is_empty_and_no_error() -> None:
    assert schema(metadata(), "Catalog_Інший").entity("Catalog_Інший") is None


@pytest.mark.parametrize("document", [b"", b"<html><body/></html>", b"{}", b"<edmx:Edmx xmlns:ed"])
def test_what_is_no_edmx_is_refused(document: bytes) -> None:
    with pytest.raises(NotOdataError):
        trim(document, [CATALOG])


def test_entities_of_the_document_are_not_resolved() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + metadata().split(b"?>", 1)[
        1
    ].replace("КодПоЕДРПОУ".encode(), b"Secret")
    assert b"ENTITY" not in trim(bomb, [CATALOG])[0]


def test_the_schema_is_read_once_and_then_from_disk(tmp_path: Path) -> None:
    reads, read = counting(metadata())
    for _ in range(3):
        found = SchemaCache(tmp_path, URL, read).load([CATALOG, SECTION])
        assert found.entity(CATALOG) is not None
    assert len(reads) == 1


def test_what_is_known_to_be_missing_is_not_asked_for_again(tmp_path: Path) -> None:
    reads, read = counting(metadata())
    for _ in range(2):
        assert SchemaCache(tmp_path, URL, read).load(["Catalog_Немає"]).names == ()
    assert len(reads) == 1


def test_a_name_not_asked_for_before_is_fetched_and_the_old_ones_stay(tmp_path: Path) -> None:
    reads, read = counting(metadata())
    cache = SchemaCache(tmp_path, URL, read)
    cache.load([SECTION])
    assert cache.load([CATALOG]).names == (CATALOG, SECTION)
    assert len(reads) == 2


def test_each_publication_has_a_cache_of_its_own(tmp_path: Path) -> None:
    one = SchemaCache(tmp_path, URL, metadata)
    other = SchemaCache(tmp_path, URL.replace("base", "other"), metadata)
    assert one.path != other.path


def test_a_broken_cache_is_read_anew(tmp_path: Path) -> None:
    reads, read = counting(metadata())
    cache = SchemaCache(tmp_path, URL, read)
    cache.load([CATALOG])
    cache.path.write_bytes(cache.path.read_bytes()[:300])
    assert cache.load([CATALOG]).entity(CATALOG) is not None
    assert len(reads) == 2


def test_a_cache_that_cannot_be_written_costs_time_and_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "metadata").write_text("a file stands in the way")
    found = SchemaCache(tmp_path / "metadata", URL, metadata).load([CATALOG])
    assert found.entity(CATALOG) is not None


def test_a_changed_schema_is_told_in_the_log(tmp_path: Path) -> None:
    renamed = {("ЄДРПОУ" if name == "КодПоЕДРПОУ" else name): t for name, t in CATALOGUE.items()}
    _, read = counting(metadata(), metadata(renamed))
    cache = SchemaCache(tmp_path, URL, read)
    cache.load([CATALOG])
    lines: list[dict[str, object]] = []
    sink = logger.add(lambda message: lines.append(message.record["extra"]), level="WARNING")
    try:
        cache.load([CATALOG], fresh=True)
    finally:
        logger.remove(sink)
    assert lines == [
        {"entity": CATALOG, "gone": ["КодПоЕДРПОУ"], "new": ["ЄДРПОУ"], "published": True}
    ]


def test_near_names_are_proposed_the_best_first() -> None:
    known = ["КодПоОКПО", "ИНН", "КодПоЕДРПОУ", "Description"]
    assert near("КодПоЄДРПОУ", known)[0] == "КодПоЕДРПОУ"
    assert near("zzz", known) == []


def test_the_recorded_metadata_of_a_trade_base_is_understood() -> None:
    document = trade("metadata.xml")
    found = schema(document)
    catalogue, section = found.entity(CATALOG), found.entity(SECTION)
    assert catalogue is not None
    assert section is not None
    assert not catalogue.has("Code")
    assert not catalogue.has("IsFolder")
    assert catalogue.has("ИНН")
    assert catalogue.has("Партнер_Key")
    assert section.published
    assert len(found.edmx) < 10_000
