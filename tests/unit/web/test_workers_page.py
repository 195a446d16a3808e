"""The page of the workers: who performs what, what waits, and where a run was performed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.report.sample import facts, seal_run
from tests.unit.web.page_client import Clock, open_page
from zvirka.errors import JournalError
from zvirka.fleet.status_lines import FleetStatus, QueueLine, RunAtWorker, WorkerLine
from zvirka.message import coded

NOW = Clock().moment


def busy_fleet() -> FleetStatus:
    """Two machines, one of which is gone, and a queue that nothing takes."""
    workers = [
        WorkerLine(
            host=host,
            pid=pid,
            queues=queues,
            concurrency=4,
            since=NOW - timedelta(days=2),
            heard=NOW - timedelta(seconds=silent),
            alive=silent < 30,
            runs=runs,
        )
        for host, pid, queues, silent, runs in (
            ("node-1", 41, None, 3, [RunAtWorker("kyiv", NOW - timedelta(minutes=12))]),
            ("node-2", 42, ["1c.example.ua"], 900, []),
        )
    ]
    queues = [
        QueueLine(
            server="1c.example.ua",
            workers=1,
            running=["kyiv"],
            waiting=[f"shop-{number}" for number in range(7)],
            since=datetime(2026, 11, 25, 8, 30, tzinfo=UTC),
            late=["shop-0"],
        ),
        QueueLine(
            server="other.example.ua", workers=0, running=[], waiting=[], since=None, late=[]
        ),
    ]
    return FleetStatus(workers, queues)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "en",
            ["node-1 · 41", "for 12 minutes", "silent since", "since 25 Nov 2026 10:30:00", "all"],
        ),
        (
            "uk",
            ["node-1 · 41", "уже 12 хвилин", "не озивається з", "від 25.11.2026 10:30:00", "усі"],
        ),
    ],
)
def test_workers_their_runs_and_queues_are_shown(
    tmp_path: Path, language: str, texts: list[str]
) -> None:
    with open_page(tmp_path, workers=busy_fleet) as page:
        page.sign_in("olena")
        page.client.headers["Accept-Language"] = language
        shown = page.get("/workers")
        assert shown.status_code == 200
        for text in [*texts, "shop-4", "1c.example.ua", "other.example.ua"]:
            assert text in shown.text, text
        assert "shop-5" not in shown.text, "a queue of a thousand does not fill the page"
        assert 'href="/workers" aria-current="page"' in shown.text


def test_without_workers_there_is_neither_the_page_nor_a_link_to_it(tmp_path: Path) -> None:
    with open_page(tmp_path) as page:
        page.sign_in("olena")
        assert page.get("/workers").status_code == 404
        assert "/workers" not in page.get("/").text


def test_a_queue_that_cannot_be_read_is_told_with_its_remedy(tmp_path: Path) -> None:
    def away() -> FleetStatus:
        raise JournalError(
            coded("ZV5701", "the queue of the workers cannot be used ({kind})", kind="X")
        )

    with open_page(tmp_path, workers=away) as page:
        page.sign_in("olena")
        shown = page.get("/workers")
        assert shown.status_code == 503
        assert "queue of the workers" in shown.text


def test_a_run_tells_the_machine_that_performed_it(tmp_path: Path) -> None:
    with open_page(tmp_path, workers=busy_fleet) as page:
        page.sign_in("olena")
        seal_run(page.journal, [], seen=facts(machine="node-7"))
        seal_run(page.journal, [], seen=facts())
        assert "node-7" in page.get("/runs/1").text
        assert "Machine" not in page.get("/runs/2").text
        assert "node-7" in page.get("/runs").text
