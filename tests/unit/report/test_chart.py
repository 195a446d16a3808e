"""The chart's geometry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from zvirka.domain import Cause, RunStatus
from zvirka.report.chart import HEIGHT, WIDTH, chart_of, nice_step
from zvirka.report.content import Night

START = datetime(2026, 11, 1, tzinfo=UTC)
COUNTS = st.lists(
    st.dictionaries(st.sampled_from(Cause), st.integers(1, 200_000)), min_size=1, max_size=90
).filter(any)


def night(run: int, causes: dict[Cause, int], status: str = "finished") -> Night:
    return Night(run, START + timedelta(days=run), RunStatus(status), causes)


@given(st.floats(0, 1e9))
def test_a_step_is_a_round_number_not_below_what_is_asked(smallest: float) -> None:
    step = nice_step(smallest)
    assert step >= smallest
    assert str(step).rstrip("0") in {"1", "2", "5"}


@given(COUNTS)
def test_every_bar_is_as_high_as_its_night_and_within_the_drawing(
    causes: list[dict[Cause, int]],
) -> None:
    nights = [night(run, counts) for run, counts in enumerate(causes, start=1)]
    chart = chart_of(nights)
    assert chart is not None
    top = chart.ticks[-1][1]
    last = 0.0
    for bar in chart.bars:
        assert last <= bar.x
        assert bar.x + bar.width <= WIDTH + 0.01
        last = bar.x + bar.width
        height = sum(segment.height for segment in bar.segments)
        assert bar.cut == (bar.night.total > top)
        assert abs(height - min(bar.night.total, top) * HEIGHT / top) < 0.1
        assert height <= HEIGHT + 0.1


@given(COUNTS)
def test_the_legend_counts_what_the_bars_show(causes: list[dict[Cause, int]]) -> None:
    chart = chart_of([night(run, counts) for run, counts in enumerate(causes, start=1)])
    assert chart is not None
    assert sum(count for _, count in chart.causes) == sum(sum(c.values()) for c in causes)


def test_a_first_load_does_not_flatten_the_nights_after_it() -> None:
    load = night(1, {Cause.UNKNOWN: 1500})
    usual = [night(run, {Cause.MISSED_UPDATE: run % 6}) for run in range(2, 12)]
    chart = chart_of([load, *usual])
    assert chart is not None
    assert [bar.cut for bar in chart.bars] == [True, *[False] * 10]
    assert max(s.height for bar in chart.bars[1:] for s in bar.segments) > HEIGHT / 2


def test_nights_that_grow_are_not_cut() -> None:
    chart = chart_of([night(run, {Cause.CONFLICT: count}) for run, count in enumerate((1, 9, 30))])
    assert chart is not None
    single = chart_of([night(1, {Cause.UNKNOWN: 1500})])
    assert single is not None
    assert single.ticks[-1][1] == 1500
    grown = chart_of([night(run, {Cause.CONFLICT: 20 + run * 5}) for run in range(20)])
    assert grown is not None
    assert not any(bar.cut for bar in grown.bars)


def test_no_differences_no_chart_and_a_failed_night_is_marked() -> None:
    assert chart_of([]) is None
    assert chart_of([night(1, {}, "failed"), night(2, {})]) is None
    chart = chart_of([night(1, {}, "failed"), night(2, {Cause.CONFLICT: 2})])
    assert chart is not None
    assert [bar.failed for bar in chart.bars] == [True, False]
