"""A page of the store's scan is staged alike in whatever form and size it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.reconcile.test_matching import MAPPING, REFS
from zvirka.domain import Client
from zvirka.erp.protocol import ScanBatch, ScanBlock, Scanned
from zvirka.staging.database import Staging
from zvirka.staging.store_scan import BRIEF, CLIENTS, REREAD, StoreScan
from zvirka.staging.values import LONGEST, stable_digest


def clients(lengths: list[int]) -> list[Client]:
    """A client for each length of its name."""
    return [
        Client(
            row=str(number),
            key=f"{number:09}",
            ref=REFS[number % len(REFS)],
            active=True,
            values={"code": f"{number:09}", "name": "ї" * length},
        )
        for number, length in enumerate(lengths)
    ]


def batch(given: list[Client]) -> ScanBatch:
    """The page as a driver returns it."""
    return ScanBatch(
        rows=[one.row for one in given],
        keys=[one.key for one in given],
        images=[f"1\x1f{one.ref}\x1f{one.key}\x1f{one.values['name']}" for one in given],
    )


def block(given: list[Client]) -> ScanBlock:
    """The page as a database that writes JSON returns it."""
    page = batch(given)
    encode = msgspec.json.encode
    return ScanBlock(page.size, encode(page.rows), encode(page.keys), encode(page.images))


def staged(directory: Path, pages: list[Scanned]) -> list[Any]:
    """What the pages leave in the tables of a full and of a brief scan."""
    staging = Staging(directory, MAPPING, threads=1)
    scan = StoreScan(staging)
    for page in pages:
        scan.add_clients(page)
        scan.add_images(page)
    found = staging.rows(f"SELECT * FROM {CLIENTS} JOIN {BRIEF} USING (row_id) ORDER BY row_id")
    staging.close()
    return found


@pytest.mark.long
@pytest.mark.parametrize(
    "lengths",
    [
        [0, 1, 100],
        [10, LONGEST, LONGEST + 1, 3_500_000, 10],
        [10, 7_000_000, 10],
        [2000] * 4000,
    ],
    ids=["usual", "long", "huge", "large page"],
)
def test_a_page_is_staged_alike_in_any_form(tmp_path: Path, lengths: list[int]) -> None:
    given = clients(lengths)
    whole = staged(tmp_path, [block(given)])
    assert whole == staged(tmp_path, [batch(given)])
    assert [row[6] for row in sorted(whole, key=lambda row: int(row[0]))] == [
        stable_digest(MAPPING, one.values) for one in given
    ]
    if len(given) < 10:
        assert whole == staged(tmp_path, [batch([one]) for one in given])


def test_a_row_read_again_replaces_the_earlier_reading(tmp_path: Path) -> None:
    staging = Staging(tmp_path, MAPPING, threads=1)
    scan = StoreScan(staging)
    first, second = clients([1, 7_000_000])
    scan.reread([first])
    scan.reread([first, second])
    scan.reread([])
    rows = staging.rows(f"SELECT row_id, stable FROM {REREAD} ORDER BY row_id")
    staging.close()
    assert rows == [(one.row, stable_digest(MAPPING, one.values)) for one in (first, second)]
