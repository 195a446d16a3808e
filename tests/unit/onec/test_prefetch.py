"""One item ahead, in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka.prefetch import prefetch


@given(st.lists(st.integers()))
def test_the_items_come_in_their_order(items: list[int]) -> None:
    assert list(prefetch(iter(items))) == items


def test_the_next_item_is_made_while_the_last_is_processed() -> None:
    second_made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second_made.set()
        yield 2

    pages = prefetch(items())
    assert next(pages) == 1
    assert second_made.wait(5)
    assert list(pages) == [2]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    pages = prefetch(items())
    assert next(pages) == 1
    with pytest.raises(OSError, match="gone"):
        next(pages)


def test_who_stops_early_leaves_no_thread_behind() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    pages = prefetch(items())
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert len(made) < 5
    assert not [t for t in threading.enumerate() if t.name == "zvirka-ahead"]


@given(st.lists(st.lists(st.integers()), min_size=1, max_size=3))
def test_several_sources_come_whole_each_in_its_order(sources: list[list[int]]) -> None:
    marked = [[(place, item) for item in items] for place, items in enumerate(sources)]
    got = list(prefetch(*map(iter, marked)))
    for place, items in enumerate(marked):
        assert [pair for pair in got if pair[0] == place] == items


def test_an_error_of_one_source_ends_the_others() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    def broken() -> Iterator[int]:
        raise OSError("gone")
        yield 2

    with pytest.raises(OSError, match="gone"):
        for _ in prefetch(endless(), broken()):
            pass
    assert not [t for t in threading.enumerate() if t.name == "zvirka-ahead"]


def test_work_of_the_callers_own_is_done_while_the_first_item_is_made() -> None:
    done = threading.Event()
    caller: list[threading.Thread] = []

    def items() -> Iterator[int]:
        assert done.wait(5)
        yield 1

    def work() -> None:
        caller.append(threading.current_thread())
        done.set()

    assert list(prefetch(items(), meanwhile=work)) == [1]
    assert caller == [threading.current_thread()]
