"""``make bench``: every claim about speed and memory, as ratios against a floor of the same run.

``python -m tests.benchmarks [--quick] [PART …]``: parts are reconciliation, writer, receiver,
holding, fleet, capacity; ``--quick`` leaves the million and most of the bases out. Nothing here
passes or fails; the targets are printed beside.
"""

from __future__ import annotations

import sys
from typing import Any

from loguru import logger
from rich.console import Console
from rich.table import Table

from tests.benchmarks import capacity, fleet, holding, receiver, reconciliation, writer

SIZES = (100_000, 1_000_000)
ROUNDS = {100_000: 5, 1_000_000: 1}
CORRECTIONS = 100_000
RECEIVER_SECONDS = 10
BASES = 50
SLOW_NIGHTS = ((12, 1), (100, 4))
CAPACITY = (100, 1000)
QUEUED = (100, 1000, 10_000)
PARTS = {"reconciliation", "writer", "receiver", "holding", "fleet", "capacity"}


def main() -> None:
    """Measure the parts asked for, all of them by default."""
    logger.remove()
    given = set(sys.argv[1:])
    quick = "--quick" in given
    parts = given - {"--quick"} or PARTS
    console = Console()
    if "reconciliation" in parts:
        peaks: dict[int, dict[str, float]] = {}
        for size in SIZES[:1] if quick else SIZES:
            found = reconciliation.measure(size, with_script=size == SIZES[0], rounds=ROUNDS[size])
            peaks[size] = {name: counts["peak_mb"] for name, counts in found.items()}
            console.print(_reconciliation(size, found))
        if len(peaks) > 1:
            small, large = (peaks[size]["full"] for size in SIZES)
            console.print(f"peak memory grows by {large - small:.0f} MB (target < 50 MB)\n")
    if "writer" in parts:
        title = f"{CORRECTIONS:,} updates by SQL on PostgreSQL (target: ratio ≤ 2)"
        console.print(_plain(title, writer.measure(CORRECTIONS)))
    if "receiver" in parts:
        console.print(_plain("webhooks into SQLite", receiver.measure(RECEIVER_SECONDS)))
        for number in (1, 2):
            found = receiver.measure(RECEIVER_SECONDS, receivers=number, postgresql=True)
            console.print(_plain("webhooks into PostgreSQL (target of two: ≥ 0.8 × one)", found))
    if "holding" in parts:
        bases = BASES // 5 if quick else BASES
        title = f"a holding: {bases} bases, counterparties and contracts of each"
        console.print(_plain(title, holding.measure(bases)))
    if "fleet" in parts:
        nights = SLOW_NIGHTS[:1] if quick else SLOW_NIGHTS
        console.print(_plain("two workers against one", fleet.measure(nights, QUEUED)))
    if "capacity" in parts:
        flows = CAPACITY[:1] if quick else CAPACITY
        console.print(_plain("nights of many flows at one worker", capacity.measure(flows)))


def _reconciliation(size: int, found: dict[str, Any]) -> Table:
    title = f"{size:,} counterparties, 0.1 % different, median of {ROUNDS[size]}"
    table = Table(title=title, title_justify="left")
    for heading in ("", "seconds", "× floor", "peak MB", "MB asked", "requests", "target"):
        table.add_column(heading, justify="left" if not heading else "right")
    floor = found["floor"]["seconds"]
    full = found["full"]
    targets = {
        "full": "≤ 2 × floor, ≤ 300 MB",
        "light": "≤ 25 % of full's time, ≤ 10 % of its bytes",
    }
    for name in ("floor", "full", "light", "script"):
        if name not in found:
            continue
        counts = found[name]
        asked = f"{counts['bytes'] / 1e6:.1f}" if "bytes" in counts else ""
        shown = [f"{counts['seconds']:.2f}", f"{counts['seconds'] / floor:.2f}"]
        table.add_row(
            name,
            *shown,
            f"{counts['peak_mb']:.0f}",
            asked,
            str(counts.get("requests", "")),
            targets.get(name, ""),
        )
    light = found["light"]
    table.caption = (
        f"light: {light['seconds'] / full['seconds']:.0%} of full's time,"
        f" {light['bytes'] / full['bytes']:.0%} of its bytes;"
        f" phases of full: {full['phases']}"
    )
    return table


def _plain(title: str, counts: dict[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, min_width=len(title))
    for name, value in counts.items():
        table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else str(value))
    return table


if __name__ == "__main__":
    main()
