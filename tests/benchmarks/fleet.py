"""Workers: the throughput of two against one where 1C is slow, and what the queue costs."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.integration.fleet_world import Fleet, fleet
from zvirka.domain import Trigger
from zvirka.fleet.order_queue import order_queue
from zvirka.fleet.orders import Order
from zvirka.fleet.queue_database import asynchronous_queue, guarded
from zvirka.reconcile.request import Request

_PAGE_SECONDS = 1.0


def measure(nights: tuple[tuple[int, int], ...], queued: tuple[int, ...]) -> dict[str, str]:
    """Measure both.

    Args:
        nights: numbers of bases, each at a server of its own that takes a second for a page, with
            the number of runs a worker performs at once.
        queued: lengths of the queue at which taking an order is timed.
    """
    shown: dict[str, str] = {}
    for bases, concurrency in nights:
        what = f"{bases} flows, 1 s a page, {concurrency} at once"
        found = {}
        for workers in (1, 2):
            with _world(bases) as world:
                found[workers] = _seconds(world, workers, concurrency)
        shown |= {
            f"{what}, workers: {workers}": f"{taken:.1f} s" for workers, taken in found.items()
        }
        shown[f"{what}, ratio (target ≥ 1.9)"] = f"{found[1] / found[2]:.2f}"
    for length in queued:
        with _world(1) as world:
            shown[f"an order taken from a queue of {length:,}"] = _taking(world, length)
    return shown


def _world(bases: int) -> AbstractContextManager[Fleet]:
    folder = Path(tempfile.mkdtemp(prefix="zvirka-bench-"))
    return fleet(folder, flows=bases, servers=bases, counterparties=8, takeover="30s")


def _seconds(world: Fleet, workers: int, concurrency: int) -> float:
    """Seconds for one night of all flows at so many workers, each with so many runs at once."""
    for base in world.bases:
        base.faults.latency = _PAGE_SECONDS
    flows = world.settings()
    for _ in range(workers):
        world.worker("--concurrency", str(concurrency))
    with order_queue(flows["f0"]) as queue:
        began = time.monotonic()
        numbers = []
        for name, settings in flows.items():
            request = Request(trigger=Trigger.SCHEDULE, who="bench")
            order = Order(flow=name, who="bench", request=request)
            numbers.append(queue.place(order, settings))
        world.wait(
            lambda: all(one.place == "over" for one in queue.states(numbers).values()),
            "the night does not end",
            3600,
        )
        return time.monotonic() - began


def _taking(world: Fleet, length: int) -> str:
    """Milliseconds to take an order while a twentieth of the lanes is busy; the median of 50."""
    settings = world.settings()["f0"]
    with order_queue(settings) as queue, guarded(settings):
        queue.place(Order(flow="f0", who="bench"), settings)
    url = make_url(world.journal).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        connection.execute("SET search_path = zvirka__fleet")
        connection.execute(
            """
            INSERT INTO procrastinate_jobs(queue_name, task_name, lock, status)
            SELECT 'q' || number %% 200, 'zvirka.run', 'lane ' || number %% 200,
                (CASE WHEN number < 10 THEN 'doing' ELSE 'todo' END)::procrastinate_job_status
            FROM generate_series(0, %s) AS number
            """,
            (length,),
        )
        connection.execute("ANALYZE procrastinate_jobs")

    async def take() -> list[float]:
        app = asynchronous_queue(settings, connections=1)
        taken = []
        async with app.open_async():
            worker = await app.job_manager.register_worker()
            for _ in range(50):
                began = time.perf_counter()
                job = await app.job_manager.fetch_job(None, worker)
                taken.append(time.perf_counter() - began)
                assert job is not None
        return sorted(taken)

    taken = asyncio.run(take())
    return f"{taken[25] * 1000:.1f} ms (longest {taken[-1] * 1000:.0f} ms)"
