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
)


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
        assert abs(height - bar.night.total * HEIGHT / top) < 0.1
        assert height <= HEIGHT + 0.1


@given(COUNTS)
def test_the_legend_counts_what_the_bars_show(causes: list[dict[Cause, int]]) -> None:
    chart = chart_of([night(run, counts) for run, counts in enumerate(causes, start=1)])
    assert chart is not None
    assert sum(count for _, count in chart.causes) == sum(sum(c.values()) for c in causes)


def test_no_nights_no_chart_and_a_failed_night_is_marked() -> None:
    assert chart_of([]) is None
    chart = chart_of([night(1, {}, "failed"), night(2, {Cause.CONFLICT: 2})])
    assert chart is not None
    assert [bar.failed for bar in chart.bars] == [True, False]
