"""The queue before the page: batches, order, and answers only after the batch is through."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from zvirka.errors import StoreError, ZvirkaError
from zvirka.message import coded
from zvirka.receiver import batching as intake_module
from zvirka.receiver.batching import Batcher, BusyError, Draw
from zvirka.receiver.earlier_messages import IngestResult
from zvirka.receiver.payload import WebhookMessage

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def message(key: str) -> WebhookMessage:
    return WebhookMessage(
        received_at=NOW,
        action="create",
        key=key,
        ref="",
        marked=None,
        values={},
        message_id=None,
        stamp=None,
        digest="",
        extra={},
    )


class Slow:
    """A page that waits until it is let go; keeps the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()
        self.error: Exception | None = None
        self.poison = ""
        self.looks = 0

    def take_drawn(self, draw: Draw) -> list[IngestResult]:
        keys = [m.key for m in draw()]
        self.batches.append(keys)
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        if self.poison in keys:
            raise KeyError(self.poison)
        return [IngestResult(f"done {key}") for key in keys]

    def look(self) -> None:
        self.looks += 1
        if self.error is not None:
            raise self.error


async def posted(page: Slow, keys: list[str]) -> list[IngestResult | BaseException]:
    async with Batcher(page) as intake:
        tasks = [asyncio.create_task(intake.submit(message(key))) for key in keys]
        while not page.batches:
            await asyncio.sleep(0.001)
        page.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_came_while_a_batch_was_under_way_is_the_next_batch_and_each_gets_its_own() -> None:
    async def story() -> None:
        page = Slow()
        async with Batcher(page) as intake:
            first = asyncio.create_task(intake.submit(message("1")))
            while not page.batches:
                await asyncio.sleep(0.001)
            rest = [asyncio.create_task(intake.submit(message(key))) for key in "234"]
            await asyncio.sleep(0.01)
            assert not first.done()
            assert intake.waiting == 3
            page.go.set()
            results = await asyncio.gather(first, *rest)
        assert page.batches == [["1"], ["2", "3", "4"]]
        assert [result.outcome for result in results] == [f"done {key}" for key in "1234"]

    asyncio.run(story())


def test_an_unusable_database_fails_the_batch_and_is_told_until_one_goes_through() -> None:
    async def story() -> None:
        page = Slow()
        page.go.set()
        async with Batcher(page) as intake:
            page.error = StoreError(coded("ZV0000", "the store is gone"))
            with pytest.raises(StoreError):
                await intake.submit(message("1"))
            assert intake.trouble == "the store is gone"
            page.error = None
            await intake.submit(message("2"))
            assert intake.trouble == ""

    asyncio.run(story())


def test_trouble_that_is_over_is_found_without_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer that asks for the health sends no messages while it is bad."""
    monkeypatch.setattr(intake_module, "LOOK_SECONDS", 0.01)

    async def looked(page: Slow, times: int) -> None:
        async with asyncio.timeout(10):
            while page.looks < times:
                await asyncio.sleep(0.005)

    async def story() -> None:
        page = Slow()
        page.go.set()
        async with Batcher(page) as intake:
            page.error = StoreError(coded("ZV0000", "the store is gone"))
            with pytest.raises(StoreError):
                await intake.submit(message("1"))
            await looked(page, 2)
            assert intake.trouble == "the store is gone"
            page.error = None
            await looked(page, page.looks + 1)
            assert intake.trouble == ""
            seen = page.looks
            await asyncio.sleep(0.05)
            assert page.looks == seen, "nothing is looked at while all is well"
            await intake.submit(message("2"))

    asyncio.run(story())


def test_a_message_nobody_thought_of_does_not_take_the_others_down() -> None:
    page = Slow()
    page.poison = "2"
    outcomes = asyncio.run(posted(page, ["1", "2", "3"]))
    assert [getattr(outcome, "outcome", "") for outcome in outcomes] == ["done 1", "", "done 3"]
    error = outcomes[1]
    assert isinstance(error, ZvirkaError)
    assert "KeyError" in error.cause
    assert "test_intake.py" in error.place


def test_leaving_answers_what_waits_and_turns_away_what_comes_after() -> None:
    async def story() -> None:
        page = Slow()
        page.go.set()
        async with Batcher(page) as intake:
            tasks = [asyncio.create_task(intake.submit(message(str(n)))) for n in range(5)]
            await asyncio.sleep(0)
        assert len(await asyncio.gather(*tasks)) == 5
        with pytest.raises(BusyError):
            await intake.submit(message("late"))

    asyncio.run(story())


def test_more_than_may_wait_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "WAITING", 2)
    page = Slow()
    outcomes = asyncio.run(posted(page, ["1", "2", "3"]))
    assert [type(outcome) for outcome in outcomes] == [IngestResult, IngestResult, BusyError]


def test_a_client_that_hung_up_does_not_disturb_the_batch() -> None:
    async def story() -> None:
        page = Slow()
        async with Batcher(page) as intake:
            gone = asyncio.create_task(intake.submit(message("1")))
            stays = asyncio.create_task(intake.submit(message("2")))
            while not page.batches:
                await asyncio.sleep(0.001)
            gone.cancel()
            await asyncio.sleep(0)
            page.go.set()
            assert (await stays).outcome == "done 2"

    asyncio.run(story())
