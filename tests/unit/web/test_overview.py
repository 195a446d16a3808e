"""The front page says how things stand, from the journal alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import html

from tests.unit.report.sample import (
    STORY,
    facts,
    failed_run,
    held_run,
    quiet_run,
    seal_run,
)
from tests.unit.web.page_client import PageClient, open_page
from zvirka.domain import Command, Trigger
from zvirka.journal.beats import BeatName, put_beat, read_beats


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path) as made:
        made.sign_in("taras")
        yield made


def beat(page: PageClient, name: BeatName, ago: float = 0, **detail: object) -> None:
    with page.journal.writing() as connection:
        put_beat(connection, name, page.clock() - timedelta(minutes=ago), detail)


def text_of(page: PageClient, path: str = "/") -> str:
    tree = html.fromstring(page.get(path).text)
    return " ".join(tree.xpath("//main")[0].text_content().split())


def standing(page: PageClient) -> str:
    return str(
        html.fromstring(page.get("/").text).xpath("//p[contains(@class,'verdict')]//b")[0].text
    )


def test_an_empty_journal_has_a_front_page(page: PageClient) -> None:
    text = text_of(page)
    assert "There are no runs yet." in text
    assert standing(page) == "Stale"


def test_a_good_night_is_healthy_and_its_age_is_told(page: PageClient) -> None:
    quiet_run(page.journal)
    due = page.clock() + timedelta(hours=15)
    beat(page, BeatName.DAEMON, 3, next=due.isoformat())
    text = text_of(page)
    assert standing(page) == "Healthy"
    assert "№ 1 · 24 Nov 2026 02:31:35 · 1 day ago" in text
    assert "Next run26 Nov 2026 02:00:00" in text
    assert "alive 3 minutes ago" in text
    assert text.count("answered 24 Nov 2026 02:31:35") == 2


def test_a_night_that_failed_is_failing_with_its_cause(page: PageClient) -> None:
    quiet_run(page.journal)
    failed_run(page.journal)
    assert standing(page) == "Failing"
    assert "1C answered 503 four times" in text_of(page)


def test_a_held_plan_needs_a_decision(page: PageClient) -> None:
    quiet_run(page.journal)
    held_run(page.journal)
    assert standing(page) == "Decision needed"
    assert "1 run waits for a decision" in text_of(page)


def test_two_days_without_a_good_run_are_stale(page: PageClient) -> None:
    quiet_run(page.journal)
    page.clock.forward(days=2)
    page.sign_in("taras")
    assert standing(page) == "Stale"


def test_a_daemon_that_is_not_heard_of_is_not_alive(page: PageClient) -> None:
    quiet_run(page.journal)
    beat(page, BeatName.DAEMON, 30, next=page.clock().isoformat())
    text = text_of(page)
    assert "silent since" in text
    assert "not known while the daemon is not alive" in text


def test_a_daemon_that_was_stopped_is_paused(page: PageClient) -> None:
    quiet_run(page.journal)
    beat(page, BeatName.DAEMON, 30)
    assert standing(page) == "Paused"


def test_the_missed_webhooks_are_a_share_of_the_changes_with_a_trend(page: PageClient) -> None:
    seal_run(page.journal, STORY[:3], mode="light", seen=facts(fetched=100))
    seal_run(page.journal, (), mode="light", seen=facts(fetched=100))
    assert "1 % of the changes in 2 runs · falling: 2 % → 0 %" in text_of(page)


def test_a_run_under_way_shows_phase_counts_and_rate_and_can_be_stopped(page: PageClient) -> None:
    run = page.journal.begin(
        command=Command.RECONCILE,
        trigger=Trigger.SCHEDULE,
        who="zvirka daemon",
        reason="",
        now=page.clock(),
    )
    since = (page.clock() - timedelta(minutes=1)).isoformat()
    beat(page, BeatName.RUN, run=run, phase="pull", done=6000, total=24000, since=since)
    text = text_of(page)
    assert standing(page) == "Run under way"
    assert "reading 1C · 6,000 of 24,000 · 100 a second" in text
    assert page.post(f"/runs/{run}/stop").status_code == 303
    with page.journal.reading() as connection:
        wish = read_beats(connection)[BeatName.STOP]
    assert wish.detail == {"run": run, "who": "taras"}
    assert page.post(f"/runs/{run + 1}/stop").status_code == 409


def test_an_auditor_sees_no_button_to_stop_a_run(page: PageClient) -> None:
    run = page.journal.begin(
        command=Command.PLAN, trigger=Trigger.MANUAL, who="ira", reason="", now=page.clock()
    )
    beat(page, BeatName.RUN, run=run, phase="pull", done=1, total=2, since=page.clock().isoformat())
    assert "/stop" in page.get("/").text
    page.post("/sign-out")
    page.sign_in("olena")
    assert "/stop" not in page.get("/").text
    assert page.post(f"/runs/{run}/stop").status_code == 403
