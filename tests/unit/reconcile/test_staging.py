"""The staging: what it counts part by part, and how it tells its troubles."""

from __future__ import annotations

from pathlib import Path

import pytest

from zvirka.errors import StagingError
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.staging import database as module
from zvirka.staging.database import Staging, parts

MAPPING = Mapping(catalog="Контрагенты", fields=(Field("code", Attribute("Code")),))


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path, MAPPING, threads=1)


def test_parts_hold_every_row_once(staging: Staging) -> None:
    staging.run("CREATE TABLE scratch.t AS SELECT uuid() ref FROM range(1000)")
    counts = [
        staging.number_of(f"SELECT count(*) FROM scratch.t WHERE {here}")
        for here in parts("ref", 7)
    ]
    assert sum(counts) == 1000
    assert min(counts) > 0


def test_distinct_values_are_counted_over_all_parts(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PARTITION", 100)
    staging.run("CREATE TABLE scratch.t AS SELECT i % 300 AS n FROM range(1000) r(i)")
    staging.run("INSERT INTO scratch.t VALUES (NULL)")
    assert staging.parts_of("scratch.t") == 10
    assert staging.distinct("n", "scratch.t") == 300


def test_a_query_past_the_memory_says_so(staging: Staging) -> None:
    staging.run("SET memory_limit = '2MB'")
    with pytest.raises(StagingError) as caught:
        staging.rows("SELECT list(i::VARCHAR) FROM range(3000000) r(i)")
    assert "more memory" in caught.value.cause
    assert "report it" in caught.value.remedy


def test_a_full_disk_is_no_lack_of_memory(staging: Staging) -> None:
    staging.run("SET memory_limit = '8MB'")
    staging.run("SET max_temp_directory_size = '1MB'")
    with pytest.raises(StagingError) as caught:
        staging.rows("SELECT i::VARCHAR || repeat('x', 50) t FROM range(900000) r(i) ORDER BY t")
    assert "no space left" in caught.value.cause
