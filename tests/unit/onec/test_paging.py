"""Laws of paging: whatever the codes, weights and page sizes, every row comes; none is lost.

The set under test stands in for 1C's own ordering, which compares text without case, and answers
in the bytes that 1C would send; transport is not what is tested here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.onec.samples import metadata
from zvirka.onec import failures
from zvirka.onec.decoding import Row, RowDecoder
from zvirka.onec.odata_queries import Queries
from zvirka.onec.paging import PageReader, Selection
from zvirka.onec.schema import Entity, Schema, trim

T = TypeVar("T")
SCHEMA = Schema(trim(metadata(), ["Catalog_Контрагенты"])[0])


def entity() -> Entity:
    found = SCHEMA.entity("Catalog_Контрагенты")
    assert found is not None
    return found


class OneSet:
    """A catalogue of codes behind the session's methods that paging uses."""

    def __init__(self, codes: list[str], too_many: int = 1_000_000) -> None:
        self.rows = [
            {"Ref_Key": str(UUID(int=number)), "Code": code, "DataVersion": "AAA="}
            for number, code in enumerate(codes)
        ]
        self.too_many = too_many
        self.pages = 0
        self.ordered = True
        self.between: Callable[[OneSet], None] = lambda _: None

    def address(self, path: str, params: Mapping[str, str]) -> str:
        return path + "".join(params.values())

    def pause(self, attempt: int) -> None:
        pass

    def get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        decode: Callable[[bytes], T],
        patient: bool = True,
    ) -> T:
        if key := re.search(r"guid'(.*)'", path):
            found = [row for row in self.rows if row["Ref_Key"] == key[1]]
            if not found:
                raise failures.ObjectNotFoundError(code="9", status=404)
            return decode(msgspec.json.encode(found[0]))
        top = int(params["$top"])
        if top > self.too_many:
            raise failures.ServerFailureError("No space left on device", status=500)
        self.pages += 1
        rows = self.rows
        if self.ordered:
            rows = sorted(rows, key=lambda row: row["Code"].casefold())
        if after := re.match(r"Code ge '(.*)'$", params.get("$filter", "")):
            least = after[1].replace("''", "'").casefold()
            rows = [row for row in rows if row["Code"].casefold() >= least]
        skip = int(params.get("$skip", 0))
        answer: Any = decode(msgspec.json.encode({"value": rows[skip : skip + top]}))
        self.between(self)
        return answer  # type: ignore[no-any-return]


def read(base: OneSet, *, keyset: bool, page_bytes: int, carried: bool = True) -> list[Row]:
    reader = PageReader(base, Queries(SCHEMA), page_bytes=page_bytes, max_url=2000)  # type: ignore[arg-type]
    shape = RowDecoder(entity(), ["Ref_Key", "Code" if carried else "DataVersion"])
    selection = Selection(shape, "", ("Ref_Key",), keyset="Code" if keyset else "")
    return [ref for page in reader.pages(selection) for ref in shape.refs(page)]


def _new(number: int) -> dict[str, str]:
    return {"Ref_Key": str(UUID(int=10**6 + number)), "Code": "000000", "DataVersion": "AAA="}


CODES = st.lists(
    st.sampled_from(["", "а", "А", "б", "O'К", "00-1", "00-2", "00-3", "zz"]), max_size=400
)


@settings(max_examples=60, deadline=None)
@given(CODES, st.booleans(), st.integers(1, 40_000), st.integers(20, 2000))
def test_every_row_comes_exactly_once_from_a_quiet_base(
    codes: list[str], keyset: bool, page_bytes: int, too_many: int
) -> None:
    run = max((codes.count(code) + codes.count(code.upper()) for code in codes), default=0)
    base = OneSet(codes, too_many if not keyset else max(too_many, 4 * run + 40))
    refs = read(base, keyset=keyset, page_bytes=page_bytes)
    assert sorted(refs) == sorted(row["Ref_Key"] for row in base.rows)


def test_more_rows_share_one_code_than_a_page_holds() -> None:
    base = OneSet(["same"] * 5000 + ["z"])
    assert len(read(base, keyset=True, page_bytes=5000)) == 5001


def test_codes_that_differ_in_case_only_do_not_stop_the_pages() -> None:
    base = OneSet(["аб", "АБ"] * 300)
    assert len(read(base, keyset=True, page_bytes=2000)) == 600


@settings(max_examples=60, deadline=None)
@given(
    st.integers(200, 1500),
    st.lists(st.tuples(st.integers(0, 1499), st.integers(1, 120)), min_size=1, max_size=8),
    st.booleans(),
)
def test_rows_deleted_between_pages_take_no_other_row_with_them(
    count: int, deletions: list[tuple[int, int]], keyset: bool
) -> None:
    base = OneSet([f"{number:06}" for number in range(count)])
    gone: set[str] = set()
    left = list(deletions)

    def delete(base: OneSet) -> None:
        if left:
            at, many = left.pop()
            gone.update(row["Ref_Key"] for row in base.rows[at : at + many])
            del base.rows[at : at + many]

    base.between = delete
    refs = set(read(base, keyset=keyset, page_bytes=8000))
    assert {str(UUID(int=number)) for number in range(count)} - gone <= refs


def test_rows_inserted_between_pages_are_no_reason_to_lose_others() -> None:
    for keyset in (True, False):
        base = OneSet([f"{number:06}" for number in range(2000)])
        before = {row["Ref_Key"] for row in base.rows}

        def insert(base: OneSet) -> None:
            base.rows.insert(0, _new(base.pages))

        base.between = insert
        assert before <= set(read(base, keyset=keyset, page_bytes=10_000))


@settings(max_examples=60, deadline=None)
@given(CODES, st.integers(1, 40_000))
def test_a_code_left_out_of_the_rows_carries_the_pages_all_the_same(
    codes: list[str], page_bytes: int
) -> None:
    base = OneSet(codes)
    refs = read(base, keyset=True, page_bytes=page_bytes, carried=False)
    assert sorted(refs) == sorted(row["Ref_Key"] for row in base.rows)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1499), min_size=1, max_size=12), st.integers(5_000, 40_000))
def test_the_last_row_moved_or_deleted_after_its_page_skips_no_other(
    moves: list[int], page_bytes: int
) -> None:
    base = OneSet([f"{number:06}" for number in range(1500)])
    left, touched = list(moves), set()

    def disturb(base: OneSet) -> None:
        ends = sorted(base.rows, key=lambda row: row["Code"])[base.pages * 60 - 1 :: 100]
        for row in [*ends[:3], base.rows[left.pop() % len(base.rows)]] if left else []:
            touched.add(row["Ref_Key"])
            if int(row["Code"][-1]) % 2:
                base.rows.remove(row) if row in base.rows else None
            else:
                row["Code"], row["DataVersion"] = f"z{row['Code']}", "BBB="

    base.between = disturb
    refs = set(read(base, keyset=True, page_bytes=page_bytes, carried=False))
    assert {str(UUID(int=number)) for number in range(1500)} - touched <= refs


@pytest.mark.long
def test_an_order_that_never_holds_is_an_error_and_no_snapshot() -> None:
    base = OneSet([f"{number:06}" for number in range(5000)])

    def shuffle(base: OneSet) -> None:
        for number, row in enumerate(base.rows):
            row["Ref_Key"] = str(UUID(int=base.pages * 10**6 + number))

    base.between = shuffle
    with pytest.raises(failures.UnstableOrderError):
        read(base, keyset=False, page_bytes=10_000)


def test_pages_aim_at_the_bytes_wanted() -> None:
    base = OneSet([f"{number:06}" for number in range(20_000)])
    read(base, keyset=True, page_bytes=200_000)
    assert base.pages < 12


def test_a_page_too_heavy_for_1c_is_asked_for_smaller() -> None:
    base = OneSet([f"{number:06}" for number in range(3000)], too_many=150)
    assert len(read(base, keyset=True, page_bytes=10**9)) == 3000


@pytest.mark.parametrize("too_many", range(20, 60, 3))
def test_pages_no_larger_than_the_overlap_still_move_on(too_many: int) -> None:
    """Pages of 20 came, pages of 40 did not: the same 20 rows were asked for without end."""
    base = OneSet([f"{number:06}" for number in range(300)], too_many)
    assert len(read(base, keyset=False, page_bytes=10**9)) == 300
    assert base.pages < 60


class Deaf(OneSet):
    """A publication that ignores some query options."""

    def __init__(self, count: int, *ignored: str) -> None:
        super().__init__([f"{number:06}" for number in range(count)])
        self.ignored = ignored

    def get(self, path: str, params: Mapping[str, str], **options: Any) -> Any:
        kept = {name: value for name, value in params.items() if name not in self.ignored}
        assert self.pages < 200, "reading goes on without end"
        return super().get(path, kept, **options)


@pytest.mark.parametrize(("keyset", "ignored"), [(True, "$filter"), (False, "$skip")])
def test_a_position_that_1c_ignores_is_an_error_and_no_endless_loop(
    keyset: bool, ignored: str
) -> None:
    with pytest.raises(failures.UnstableOrderError):
        read(Deaf(60_000, ignored), keyset=keyset, page_bytes=4000)


@pytest.mark.parametrize("seed", range(5))
def test_an_order_that_1c_ignores_comes_to_an_end(seed: int) -> None:
    """What is read then may lack rows; the count that preflight took tells."""
    base = OneSet([f"{number:06}" for number in range(3000)])
    base.ordered = False
    random.Random(seed).shuffle(base.rows)
    with suppress(failures.UnstableOrderError):
        read(base, keyset=True, page_bytes=10_000)
    assert base.pages < 200


def test_a_comparison_that_1c_refuses_is_replaced_by_skip() -> None:
    class NoCompare(OneSet):
        def get(self, path: str, params: Mapping[str, str], **options: Any) -> Any:
            if " ge " in params.get("$filter", ""):
                raise failures.QueryRefusedError(code="14", status=400)
            return super().get(path, params, **options)

    base = NoCompare([f"{number:06}" for number in range(1000)])
    assert set(read(base, keyset=True, page_bytes=10_000)) == {r["Ref_Key"] for r in base.rows}


def test_an_object_that_was_not_asked_for_is_an_error() -> None:
    class Other(OneSet):
        def get(self, path: str, params: Mapping[str, str], **options: Any) -> Any:
            return super().get(path, {"$top": "1"}, **options)

    reader = PageReader(Other(["a", "b"]), Queries(SCHEMA), page_bytes=10_000, max_url=2000)  # type: ignore[arg-type]
    shape = RowDecoder(entity(), ["Ref_Key"])
    with pytest.raises(failures.FilterIgnoredError):
        list(reader.by_keys(shape, [str(UUID(int=1))]))


def test_the_smallest_page_failing_is_an_error() -> None:
    base = OneSet(["a"] * 100, too_many=0)
    with pytest.raises(failures.ServerFailureError):
        read(base, keyset=True, page_bytes=10**6)


@given(st.lists(st.uuids(), max_size=60, unique=True), st.integers(300, 4000))
def test_keys_are_asked_for_in_urls_that_fit(keys: list[UUID], max_url: int) -> None:
    asked: list[int] = []

    class Keys(OneSet):
        def get(self, path: str, params: Mapping[str, str], **options: Any) -> Any:
            asked.append(len(self.address(path, params)))
            return []

    reader = PageReader(Keys([]), Queries(SCHEMA), page_bytes=10_000, max_url=max_url)  # type: ignore[arg-type]
    shape = RowDecoder(entity(), ["Ref_Key"])
    refs = list(map(str, keys))
    batches = [batch for batch, _ in reader.by_keys(shape, refs, where="IsFolder eq false")]
    assert [ref for batch in batches for ref in batch] == refs
    assert all(
        length <= max_url or len(batch) == 1 for length, batch in zip(asked, batches, strict=True)
    )
