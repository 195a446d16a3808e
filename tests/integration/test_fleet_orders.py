"""Orders in the queue: each trap of the engine that needs no worker to be shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate import App
from procrastinate.worker import Worker

from tests.integration.fleet_world import Fleet, fleet
from tests.integration.test_fleet_worker import a_night
from zvirka.fleet.fleet_worker import Employment, FleetWorker
from zvirka.fleet.order_queue import OrderQueue, order_queue
from zvirka.fleet.orders import Order
from zvirka.fleet.queue_database import asynchronous_queue, migrations, prepare, queue_of
from zvirka.reconcile.request import Request

PEOPLE = Request(who="olena", reason="the client called")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, flows=4, servers=2, own=["sessions = 1"]) as made:
        yield made


@pytest.fixture
def queue(world: Fleet) -> Iterator[OrderQueue]:
    with order_queue(world.settings()["f0"], connections=4) as opened:
        yield opened


def fetched(world: Fleet) -> list[str]:
    """The flows that workers would run now, one after another without finishing any."""

    async def take() -> list[str]:
        app = asynchronous_queue(world.settings()["f0"], connections=2)
        async with app.open_async():
            worker = await app.job_manager.register_worker()
            taken = []
            while job := await app.job_manager.fetch_job(None, worker):
                taken.append(str(job.task_kwargs["flow"]))
            return taken

    return asyncio.run(take())


def test_a_night_that_two_daemons_order_is_ordered_once(world: Fleet, queue: OrderQueue) -> None:
    settings = world.settings()["f0"]
    with ThreadPoolExecutor(4) as daemons:
        numbers = set(daemons.map(lambda _: queue.place(a_night(), settings), range(8)))
    assert len(numbers) == 1
    assert fetched(world) == ["f0"]
    assert {queue.place(a_night(), settings)} == numbers, "an order under way is taken up, too"


def test_people_go_first_and_one_run_reads_a_server_with_one_licence(
    world: Fleet, queue: OrderQueue
) -> None:
    flows = world.settings()
    for name in ("f0", "f1", "f2", "f3"):
        queue.place(a_night(name), flows[name])
    queue.place(Order.of(flows["f2"], PEOPLE), flows["f2"])
    assert fetched(world) == ["f2", "f1"], "f0 and f2 share a server, as do f1 and f3"


def test_no_order_has_a_time_to_begin_at(world: Fleet, queue: OrderQueue) -> None:
    """A scheduled job blocks all later ones of its lane until its time."""
    flows = world.settings()
    queue.place(a_night(), flows["f0"])
    queue.place(Order.of(flows["f0"], PEOPLE), flows["f0"])
    assert world.queue("SELECT DISTINCT scheduled_at FROM procrastinate_jobs") == [(None,)]


def test_nothing_is_ordered_by_the_engine_itself(world: Fleet, queue: OrderQueue) -> None:
    """It skips periodic jobs that are ten minutes late; the daemon catches a night up."""
    app: Any = asynchronous_queue(world.settings()["f0"], connections=1)
    assert not app.periodic_registry.periodic_tasks


def test_an_order_put_back_beside_its_twin_does_not_block_the_lane(
    world: Fleet, queue: OrderQueue
) -> None:
    settings = world.settings()["f0"]
    queue.place(a_night(), settings)
    assert fetched(world) == ["f0"]
    world.queue(
        """
        INSERT INTO procrastinate_jobs(queue_name, task_name, lock, queueing_lock, args)
        SELECT queue_name, task_name, lock, queueing_lock, args FROM procrastinate_jobs
        """
    )
    world.queue("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")

    async def sweep() -> None:
        worker = FleetWorker(settings, Employment(), launch=None)  # type: ignore[arg-type]
        app = asynchronous_queue(settings, connections=3)
        async with app.open_async():
            await worker._sweep(app)

    asyncio.run(sweep())
    states = world.queue("SELECT status::text FROM procrastinate_jobs ORDER BY id")
    assert states == [("failed",), ("todo",)]
    assert fetched(world) == ["f0"]


def test_the_queue_is_looked_after_again_after_an_error(
    world: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker outlives a moment without its database; what it does beside the orders has to."""
    settings = world.settings()["f0"]
    prepare(settings)

    async def look() -> int:
        worker = FleetWorker(settings, Employment(), launch=None)  # type: ignore[arg-type]
        app, looks, again = asynchronous_queue(settings, connections=3), 0, asyncio.Event()

        async def sweep(_: App) -> None:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise psycopg.OperationalError("the connection is lost")
            again.set()

        monkeypatch.setattr(worker, "_sweep", sweep)
        async with app.open_async():
            engine = Worker(app)
            engine.worker_id = await app.job_manager.register_worker()
            looking = asyncio.create_task(worker._look_after(app, engine, lambda: None))
            await asyncio.wait({looking, asyncio.create_task(again.wait())}, timeout=20)
            looking.cancel()
            return looks

    assert asyncio.run(look()) >= 2


def test_the_queue_of_a_long_host_name_can_be_announced(world: Fleet, queue: OrderQueue) -> None:
    """PostgreSQL refuses a channel of 64 bytes, and with it the order."""
    server = f"{'a-long-name.' * 9}example.com:8080"
    flow = world.settings()["f0"]
    onec = flow.onec.model_copy(update={"url": f"http://{server}/base/"})
    queue.place(a_night(), flow.model_copy(update={"onec": onec}))
    ((name,),) = world.queue("SELECT queue_name FROM procrastinate_jobs")
    assert name == queue_of(server)
    assert queue_of(server) != queue_of(server.replace("8080", "8081"))
    assert queue_of("1c.example.com:8080") == "1c.example.com:8080"


def test_the_schema_is_made_once_by_workers_that_begin_together(world: Fleet) -> None:
    settings = world.settings()["f0"]
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(lambda _: prepare(settings), range(3)))
    known = world.queue("SELECT name FROM fleet_migrations ORDER BY name")
    assert [name for (name,) in known] == migrations()
