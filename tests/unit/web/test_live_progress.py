"""Server-sent events of the run under way, and which pages may use a script for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.report.sample import quiet_run
from tests.unit.web.page_client import PageClient, open_page
from zvirka.domain import Command, Trigger
from zvirka.journal.beats import BeatName, put_beat
from zvirka.web import live_progress
from zvirka.web.response_headers import LIVE_POLICY, POLICY


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageClient]:
    monkeypatch.setattr(live_progress, "STREAM_SECONDS", 0.3)
    monkeypatch.setattr(live_progress, "EVERY_SECONDS", 0.05)
    with open_page(tmp_path) as made:
        made.sign_in("olena")
        yield made


def begin(page: PageClient, **detail: Any) -> int:
    run = page.journal.begin(
        command=Command.RECONCILE,
        trigger=Trigger.SCHEDULE,
        who="zvirka",
        reason="",
        now=page.clock(),
    )
    if detail:
        since = (page.clock() - timedelta(seconds=10)).isoformat()
        with page.journal.writing() as connection:
            put_beat(connection, BeatName.RUN, page.clock(), {"run": run, "since": since, **detail})
    return run


def events(page: PageClient) -> list[Any]:
    answer = page.get("/progress")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines]


def test_a_run_under_way_is_told_once_until_it_gets_further(page: PageClient) -> None:
    run = begin(page, phase="pull", done=600, total=24000)
    assert events(page) == [
        {
            "run": run,
            "text": "reading 1C · 600 of 24,000 · 60 a second",
            "done": 600,
            "total": 24000,
        }
    ]


def test_without_a_run_there_is_nothing_to_follow(page: PageClient) -> None:
    quiet_run(page.journal)
    assert events(page) == [None]


def test_a_run_that_has_not_told_anything_yet_is_under_way(page: PageClient) -> None:
    run = begin(page)
    assert [one["run"] for one in events(page)] == [run]


def test_only_pages_of_a_run_under_way_may_use_the_script(page: PageClient) -> None:
    for path in ("/", "/runs", "/work"):
        answer = page.get(path)
        assert answer.headers["content-security-policy"] == POLICY
        assert "<script" not in answer.text
    run = begin(page, phase="pull", done=1, total=None)
    for path in ("/", f"/runs/{run}"):
        answer = page.get(path)
        assert answer.headers["content-security-policy"] == LIVE_POLICY
        assert answer.text.count("<script") == 1
        assert 'data-live="/progress"' in answer.text
    assert page.get("/runs").headers["content-security-policy"] == POLICY


def test_strangers_get_no_events(page: PageClient) -> None:
    page.client.cookies.clear()
    assert page.get("/progress").headers["location"] == "/sign-in"


def test_the_script_is_kept_by_browsers_and_asks_nobody_else(page: PageClient) -> None:
    answer = page.get("/live.js?mark")
    assert "immutable" in answer.headers["cache-control"]
    assert "http" not in answer.text
