"""Workers as processes: an order becomes a run, and what happens to it when the worker goes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fleet_world import Fleet, fleet, is_alive, runs_of
from zvirka.domain import Command, Trigger
from zvirka.fleet.order_queue import OrderQueue, OrderState, order_queue
from zvirka.fleet.orders import Order
from zvirka.message import Message
from zvirka.reconcile.request import Request

pytestmark = pytest.mark.long


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path) as made:
        yield made


def a_night(flow: str = "f0") -> Order:
    request = Request(trigger=Trigger.SCHEDULE, who="zvirka daemon", reason=Message("the night"))
    return Order(flow=flow, who="zvirka daemon", request=request)


def place(world: Fleet, queue: OrderQueue, order: Order) -> int:
    return queue.place(order, world.settings()[order.flow])


def over(world: Fleet, queue: OrderQueue, number: int, seconds: float = 60) -> OrderState:
    world.wait(
        lambda: queue.states([number])[number].place == "over", "the order is not over", seconds
    )
    return queue.states([number])[number]


def test_an_order_becomes_a_run_and_its_result_comes_back(world: Fleet) -> None:
    worker = world.worker()
    settings = world.settings()["f0"]
    with order_queue(settings) as queue:
        assert queue.takers(settings) == 1
        ended = over(world, queue, place(world, queue, a_night()))
    assert ended.result is not None
    (summary,) = ended.result.runs().values()
    assert (summary.status, summary.exit_code) == ("finished", 0)
    assert summary.reports
    assert summary.reports[0].is_file()
    assert world.runs("f0") == [("finished", "schedule", "zvirka daemon")]
    assert world.clients("f0") == 8
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert world.workers() == 0
    assert "the night" not in world.log


def test_another_worker_takes_over_from_one_that_was_killed(world: Fleet) -> None:
    """Procrastinate alone leaves the order with the dead worker, and its lane blocked, for ever."""
    world.bases[0].faults.latency = 1.0
    first = world.worker()
    settings = world.settings()["f0"]
    with order_queue(settings) as queue:
        number = place(world, queue, a_night())
        world.wait(lambda: bool(world.runs("f0")), "no run begins")
        (run,) = runs_of(first)
        second = world.worker()
        first.kill()
        world.wait(lambda: not is_alive(run), "the run outlives its worker", 30)
        world.bases[0].faults.latency = 0.0
        ended = over(world, queue, number)
        follower = over(world, queue, place(world, queue, a_night()))
    assert ended.result is not None
    assert ended.result.runs()["f0"].status == "finished"
    assert follower.result is not None
    assert [run[0] for run in world.runs("f0")] == ["interrupted", "finished", "finished"]
    assert world.clients("f0") == 8
    assert second.poll() is None


def test_a_worker_that_is_told_to_stop_puts_its_order_back(world: Fleet) -> None:
    world.bases[0].faults.latency = 1.0
    first = world.worker()
    with order_queue(world.settings()["f0"]) as queue:
        number = place(world, queue, a_night())
        world.wait(lambda: bool(world.runs("f0")), "no run begins")
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
        assert queue.states([number])[number].place == "waits"
        world.bases[0].faults.latency = 0.0
        world.worker()
        ended = over(world, queue, number)
    assert ended.result is not None
    assert ended.result.runs()["f0"].status == "finished"
    assert [run[0] for run in world.runs("f0")] == ["interrupted", "finished"]


def test_a_person_stops_a_run_and_withdraws_one_that_waits(world: Fleet) -> None:
    world.bases[0].faults.latency = 1.0
    world.worker()
    asked = Order.of(
        world.settings()["f0"], Request(command=Command.PLAN, who="olena", reason="ticket 4711")
    )
    with order_queue(world.settings()["f0"]) as queue:
        running, waiting = (place(world, queue, asked) for _ in range(2))
        world.wait(lambda: bool(world.runs("f0")), "no run begins")
        assert queue.states([waiting])[waiting].ahead == 0
        queue.stop(waiting)
        queue.stop(running)
        ended = over(world, queue, running)
        withdrawn = over(world, queue, waiting)
    assert ended.result is not None
    assert ended.result.runs()["f0"].status == "interrupted"
    assert withdrawn.result is not None
    assert withdrawn.result.refusal is not None
    assert [run[0] for run in world.runs("f0")] == ["interrupted"]
    assert "4711" not in world.log


def test_an_order_whose_end_was_not_noted_does_not_block_its_lane(world: Fleet) -> None:
    """The database says no just when Procrastinate notes that the order is over."""
    world.worker()
    world.queue(
        """
        CREATE SEQUENCE ends;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('zvirka__fleet.ends') = 1 THEN RAISE 'no'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON procrastinate_jobs
        FOR EACH ROW WHEN (NEW.status = 'succeeded') EXECUTE FUNCTION refuse()
        """
    )
    with order_queue(world.settings()["f0"]) as queue:
        number = place(world, queue, a_night())
        ended = over(world, queue, number)
        assert world.queue("SELECT status::text FROM procrastinate_jobs") == [("doing",)]
        asked = Order.of(world.settings()["f0"], Request(who="olena"))
        follower = over(world, queue, place(world, queue, asked))
    assert ended.result is not None
    assert follower.result is not None
    assert [run[:2] for run in world.runs("f0")] == [
        ("finished", "schedule"),
        ("finished", "manual"),
    ], "a run that is over was repeated"
    states = "SELECT status::text FROM procrastinate_jobs ORDER BY id"
    assert world.queue(states) == [("succeeded",), ("succeeded",)]


def test_an_order_that_was_lost_on_the_way_to_its_worker_is_put_back(world: Fleet) -> None:
    """The connection broke after the order was taken and before the worker knew of it."""
    world.worker()
    world.queue(
        """
        CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.status = 'doing';
            NEW.worker_id = (SELECT max(id) FROM procrastinate_workers);
            RETURN NEW;
        END $$;
        CREATE TRIGGER lose BEFORE INSERT ON procrastinate_jobs
        FOR EACH ROW EXECUTE FUNCTION lose()
        """
    )
    with order_queue(world.settings()["f0"]) as queue:
        ended = over(world, queue, place(world, queue, a_night()))
    assert ended.result is not None
    assert world.runs("f0") == [("finished", "schedule", "zvirka daemon")]
