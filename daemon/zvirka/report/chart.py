"""The chart an auditor looks at first: differences by cause, night by night, as geometry.

Only numbers are computed here; the template draws them as inline SVG, with classes for colours
so that one drawing serves light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from zvirka.domain import Cause
from zvirka.report.content import CHART_RUNS, Night

WIDTH = 900.0
HEIGHT = 200.0
_LEFT = 52.0
_TOP = 16.0
_TICKS = 5
_FAR = 5


@dataclass(frozen=True, slots=True)
class Segment:
    """One cause's part of a bar."""

    cause: Cause
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One night. ``x`` is its left edge; ``failed`` nights have no known differences.

    A ``cut`` bar is as high as the drawing and no longer to scale.
    """

    night: Night
    x: float
    width: float
    failed: bool
    cut: bool
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole drawing, in units of its view box."""

    width: float
    height: float
    left: float
    top: float
    base: float
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, int], ...]
    causes: tuple[tuple[Cause, int], ...]


def chart_of(nights: Sequence[Night]) -> Chart | None:
    """The drawing of these nights, ``None`` when none of them has a difference."""
    highest = _ceiling([night.total for night in nights])
    if not highest:
        return None
    step = nice_step(highest / _TICKS)
    steps = max(ceil(highest / step), 1)
    top = step * steps
    base = _TOP + HEIGHT
    slot = (WIDTH - _LEFT) / max(len(nights), min(CHART_RUNS, 30))
    width = min(slot * 0.78, 22.0)
    start = WIDTH - slot * len(nights) if len(nights) >= 30 else _LEFT
    totals = dict.fromkeys(Cause, 0)
    for night in nights:
        for cause, count in night.causes.items():
            totals[cause] += count
    return Chart(
        width=WIDTH,
        height=base + 26,
        left=_LEFT,
        top=_TOP,
        base=base,
        bars=tuple(
            Bar(
                night,
                round(start + index * slot + (slot - width) / 2, 2),
                round(width, 2),
                night.status.broke_off,
                night.total > top,
                _segments(night, base, HEIGHT / max(top, night.total)),
            )
            for index, night in enumerate(nights)
        ),
        ticks=tuple((round(base - HEIGHT * n / steps, 2), step * n) for n in range(steps + 1)),
        causes=tuple((cause, count) for cause, count in totals.items() if count),
    )


def _ceiling(totals: Sequence[int]) -> int:
    """The highest total the scale has to hold.

    A first load of 1,500 would make slivers of all the nights of 5 beside it: what is more than
    five times the upper quartile is cut.
    """
    counted = sorted(total for total in totals if total)
    if not counted:
        return 0
    usual = counted[(len(counted) - 1) * 3 // 4]
    return max(total for total in counted if total <= usual * _FAR)


def nice_step(smallest: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 … that is not below ``smallest``."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= smallest:
                return factor * power
        power *= 10


def _segments(night: Night, base: float, scale: float) -> tuple[Segment, ...]:
    segments = []
    y = base
    for cause, count in night.causes.items():
        height = count * scale
        y -= height
        segments.append(Segment(cause, count, round(y, 2), round(height, 2)))
    return tuple(segments)
