"""What the queue of the extension does after a failure: it repeats, pauses, or stops a message."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.bsl.values import Array
from tests.bsl.world import (
    Erp,
    World,
    echo,
    extended,
    queued,
    running_erp,
)


@pytest.fixture
def world(erp: Erp, tmp_path: Path) -> World:
    return extended(erp, tmp_path)


def test_a_dead_receiver_keeps_the_message_with_its_error_until_it_answers(
    erp: Erp, world: World
) -> None:
    erp.answer = lambda _: (503, b"")
    queued(world)
    world.send_queue()
    [row] = world.queue
    assert (row["Попыток"], row["КодСостояния"], row["Ошибка"]) == (1, 503, "HTTP 503")
    erp.answer = echo
    world.send_queue()
    assert len(world.queue) == 1
    world.send_queue(after=timedelta(minutes=1))
    assert world.queue == []
    assert erp.messages[0]["messageId"] == erp.messages[1]["messageId"]


def test_the_pause_between_attempts_grows_to_an_hour_and_no_further(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (500, b"")
    queued(world)
    pauses = []
    for _ in range(9):
        before = world.queue[0]["СледующаяПопытка"]
        world.send_queue(after=timedelta(hours=1))
        sent_at = world.names["ТекущаяУниверсальнаяДатаВМиллисекундах()"]()
        assert world.queue[0]["СледующаяПопытка"] != before
        pauses.append((world.queue[0]["СледующаяПопытка"] - sent_at) / 60000)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.long
@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_refusal_of_the_data_stops_the_message_until_a_person_or_a_change(
    erp: Erp, world: World, status: int
) -> None:
    erp.answer = lambda _: (status, b"")
    made = queued(world)
    world.send_queue()
    world.send_queue(after=timedelta(days=1))
    [row] = world.queue
    assert (row["Остановлено"], row["КодСостояния"], row["Попыток"]) == (True, status, 1)
    erp.answer = echo
    world.names["ZvirkaOutbox"].call_exported("Повторить", Array([row["Ссылка"]]))
    assert world.queue == []
    erp.answer = lambda _: (status, b"")
    made.Записать()
    world.send_queue()
    made.Записать()
    erp.answer = echo
    world.send_queue()
    assert world.queue == []
    assert len(erp.messages) == 4


@pytest.mark.long
@pytest.mark.parametrize("status", [401, 403, 404, 429, 502, 503, 504])
def test_a_refusal_common_to_all_ends_the_run(erp: Erp, world: World, status: int) -> None:
    erp.answer = lambda _: (status, b"")
    for number in range(20):
        queued(world, str(number))
    world.send_queue()
    assert len(erp.messages) == 1
    assert not any(row["Остановлено"] for row in world.queue)


def test_a_silent_erp_costs_one_attempt_a_run_and_the_pause_grows(tmp_path: Path) -> None:
    with running_erp() as erp:
        world = extended(erp, tmp_path)
    for number in range(60):
        queued(world, str(number))
    tried = []
    for _ in range(16):
        before = sum(row["Попыток"] for row in world.queue)
        world.send_queue(after=timedelta(minutes=1))
        tried.append(sum(row["Попыток"] for row in world.queue) - before)
    assert tried == [1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_the_first_delivery_lifts_the_pause(erp: Erp, world: World) -> None:
    erp.answer = lambda _: (503, b"")
    queued(world, "1")
    queued(world, "2")
    world.send_queue()
    assert world.settings["Отказов"] == "1"
    erp.answer = echo
    world.send_queue(after=timedelta(minutes=1))
    assert world.queue == []
    assert world.settings["Отказов"] == "0"


def test_a_404_to_a_deletion_stops_this_deletion_only(erp: Erp, world: World) -> None:
    first, second = queued(world, "1"), queued(world, "2")
    world.send_queue()
    first.Удалить()
    second.Записать()
    erp.answer = lambda m: (404, b"") if m["action"] == "delete" else echo(m)
    world.send_queue()
    assert [(row["Действие"], row["Остановлено"]) for row in world.queue] == [("delete", True)]


def test_an_error_before_the_sending_postpones_the_message_and_is_logged(
    erp: Erp, world: World
) -> None:
    made = queued(world)
    world.send_queue()
    made.Удалить()
    world.queue[0]["Данные"] = "{broken"
    world.send_queue()
    assert [row["Попыток"] for row in world.queue] == [1]
    assert world.log_lines()[-1][6] == "not sent; details in the event log"
