"""Who works and what waits: the command, the metrics and the alert."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from tests.integration.fleet_world import fleet
from tests.integration.test_fleet_daemon import cli
from tests.integration.test_fleet_worker import a_night, place
from tests.integration.test_json_output import shape
from zvirka.fleet.fleet_status import fleet_status
from zvirka.fleet.fleet_watch import FleetWatch
from zvirka.fleet.order_queue import order_queue
from zvirka.settings.service_tables import AlertSettings

LATER = timedelta(minutes=5)


@pytest.mark.long
def test_a_due_flow_that_nothing_takes_is_shown_counted_and_announced_once(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path) as world:
        file = world.file
        file.write_text(file.read_text().replace("[fleet]", '[fleet]\nalert_after = "0s"'))
        settings = world.settings()["f0"]
        alerts = AlertSettings(urls=[SecretStr("json://localhost")], language="en")
        settings = settings.model_copy(update={"alerts": alerts})
        sent: list[str] = []
        now = datetime(2026, 11, 29, tzinfo=UTC)

        def send(*message: Any) -> bool:
            sent.append(message[1])
            return True

        watch = FleetWatch(settings, lambda: now, send)
        with order_queue(settings) as queue:
            watch.look(queue.status)
            assert sent == []
            number = place(world, queue, a_night())
            for _ in range(2):
                now += LATER
                watch.look(queue.status)
            assert sent == ["zvirka, f0: no worker takes a due flow"]
            shown = generate_latest(watch.registry).decode()
            assert "zvirka_fleet_late 1.0" in shown
            assert "zvirka_fleet_workers 0.0" in shown
            (line,) = queue.status().queues
            assert (line.workers, line.waiting, line.late) == (0, ["f0"], ["f0"])
            done = cli(world, "fleet", "status", "--json")
            assert done.returncode == 2, done.stderr
            content = json.loads(done.stdout)
            shape("fleet status").validate(content)
            assert content["queues"][0]["waiting"] == ["f0"]
            world.bases[0].faults.latency = 1.0
            world.worker()
            world.wait(lambda: queue.states([number])[number].place == "runs", "nothing takes it")
            (worker,) = fleet_status(settings).workers
            assert (worker.flows, worker.alive, worker.queues) == (["f0"], True, None)
            (begun,) = (run.since for run in worker.runs)
            assert begun is not None
            assert timedelta(0) <= datetime.now(UTC) - begun < timedelta(minutes=1)
            now += LATER
            watch.look(queue.status)
            assert sent[1:] == ["zvirka, f0: workers take due flows again"]
