"""Which contact line counts, by БСП's rule."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka.onec.related_values import _LAST, orders_of

TODAY = date(2026, 11, 28)
ALWAYS = "0001-01-01T00:00:00"


def best(*lines: tuple[int, str | None], today: date = TODAY) -> int | None:
    """The line that counts; ``None`` when none is in force."""
    numbers, since = zip(*lines, strict=True)
    orders = dict(zip(numbers, orders_of(numbers, since, today), strict=True))
    known = {line: order for line, order in orders.items() if order is not None}
    return min(known, key=known.__getitem__) if known else None


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        ([(3, ALWAYS), (5, "2024-05-01T00:00:00")], 5),
        ([(1, ALWAYS), (2, "2099-01-01T00:00:00")], 1),
        ([(4, ALWAYS), (2, ALWAYS)], 2),
        ([(1, "2026-11-28T00:00:00"), (2, "2026-11-27T00:00:00")], 1),
        ([(1, "2026-11-29T00:00:00")], None),
        ([(1, None), (2, "2020-01-01T00:00:00")], 2),
    ],
)
def test_the_latest_beginning_that_is_not_in_the_future_counts(
    lines: list[tuple[int, str | None]], counts: int | None
) -> None:
    assert best(*lines) == counts


@given(
    st.lists(
        st.tuples(st.integers(1, 50_000), st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(str)),
        min_size=1,
        max_size=6,
        unique_by=lambda line: line[0],
    )
)
def test_orders_are_those_of_dates_and_lines_and_fit_their_column(
    lines: list[tuple[int, str]],
) -> None:
    in_force = [line for line in lines if date.fromisoformat(line[1]) <= TODAY]
    newest = (
        min(in_force, key=lambda line: (-date.fromisoformat(line[1]).toordinal(), line[0]))[0]
        if in_force
        else None
    )
    assert best(*lines) == newest
    orders = orders_of([line for line, _ in lines], [since for _, since in lines], TODAY)
    assert all(order is None or 0 <= order < _LAST for order in orders)


def test_a_line_begins_to_count_on_its_day() -> None:
    line = (2, "2027-01-01T00:00:00")
    assert best((1, ALWAYS), line, today=date(2026, 12, 31)) == 1
    assert best((1, ALWAYS), line, today=date(2026, 12, 31) + timedelta(days=1)) == 2
