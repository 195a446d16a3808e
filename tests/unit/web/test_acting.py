"""What an admin asks for becomes one request with who and why; one at a time."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.unit.report.sample import STORY, held_run, ref, seal_run, story_run
from tests.unit.web.page_client import PageClient, open_page
from zvirka.domain import Command, RunStatus, Trigger
from zvirka.errors import LockHeldError, RunInterrupted
from zvirka.message import coded
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path) as made:
        made.sign_in("taras")
        yield made


def worker_of(page: PageClient) -> Any:
    """What performs the requests of the page."""
    app: Any = page.client.app
    return app.state.web.worker


def test_an_approval_names_who_why_and_the_very_plan(page: PageClient) -> None:
    run = held_run(page.journal)
    digest = page.journal.get(run).plan_digest
    answer = page.post(f"/runs/{run}/approve", digest=digest, reason=" філію\r\n закрито ")
    assert answer.status_code == 303
    assert page.performed.asked == [
        Request(
            command=Command.APPROVE,
            trigger=Trigger.WEB,
            who="taras",
            reason="філію закрито",
            parent=run,
            digest=digest,
            wait=0,
        )
    ]


def test_a_rejection_is_asked_for_the_same_way(page: PageClient) -> None:
    run = held_run(page.journal)
    digest = page.journal.get(run).plan_digest
    page.post(f"/runs/{run}/reject", digest=digest, reason="стара копія 1С")
    [request] = page.performed.asked
    assert (request.command, request.parent, request.reason) == ("reject", run, "стара копія 1С")


@pytest.mark.long
@pytest.mark.parametrize("reason", ["", "   ", "\n"])
@pytest.mark.parametrize("deed", ["approve", "reject"])
def test_without_a_reason_nothing_is_done(page: PageClient, deed: str, reason: str) -> None:
    run = held_run(page.journal)
    digest = page.journal.get(run).plan_digest
    answer = page.post(f"/runs/{run}/{deed}", digest=digest, reason=reason)
    assert answer.status_code == 422
    assert "Say why" in answer.text
    assert page.performed.asked == []


@pytest.mark.parametrize("digest", ["", "f" * 64])
def test_another_plan_than_the_one_shown_is_not_approved(page: PageClient, digest: str) -> None:
    run = held_run(page.journal)
    answer = page.post(f"/runs/{run}/approve", digest=digest, reason="так")
    assert answer.status_code == 409
    assert page.performed.asked == []


def test_a_plan_shown_in_part_is_not_approved_as_the_whole(page: PageClient) -> None:
    run = held_run(page.journal)
    hide = "UPDATE difference SET disposition = :now WHERE run_id = :run AND number = 2"
    for now in ("reported", "held"):
        with page.journal.writing() as connection:
            connection.execute(text(hide), {"now": now, "run": run})
        if now == "reported":
            shown = re.search(r'name="digest" value="(\w+)"', page.get(f"/runs/{run}").text)
    assert shown is not None
    answer = page.post(f"/runs/{run}/approve", digest=shown[1], reason="так")
    assert answer.status_code == 409
    assert page.performed.asked == []


def test_a_run_that_is_not_held_cannot_be_approved(page: PageClient) -> None:
    run = story_run(page.journal)
    assert page.post(f"/runs/{run}/approve", digest="", reason="так").status_code == 409
    assert page.post("/runs/77/approve", digest="", reason="так").status_code == 409
    assert page.performed.asked == []


def test_a_resync_goes_by_ref_key_where_there_is_one(page: PageClient) -> None:
    page.post("/resync", key="000000317", ref=ref(2), reason="дзвонив клієнт")
    [request] = page.performed.asked
    assert request.command == "resync"
    assert request.targets == Targets(refs=(ref(2),))
    assert (request.who, request.trigger, request.reason) == ("taras", "web", "дзвонив клієнт")


def test_a_resync_goes_by_code_where_there_is_no_ref_key(page: PageClient) -> None:
    page.post("/resync", key="000000999", ref="", reason="новий")
    [request] = page.performed.asked
    assert request.targets == Targets(codes=("000000999",))


def test_a_resync_without_reason_or_target_does_nothing(page: PageClient) -> None:
    assert page.post("/resync", key="1", ref="", reason=" ").status_code == 422
    assert page.post("/resync", key="", ref="", reason="так").status_code == 422
    assert page.performed.asked == []


def test_a_code_with_characters_nobody_sees_reaches_the_request_unchanged(page: PageClient) -> None:
    odd = STORY[0].key + "\u00a0\u202ex"
    text = page.post("/counterparty", q=odd).text
    assert f'name="key" value="{odd}"' in text
    assert "⟨U+202E⟩" in text


class Slow:
    """A run that waits until it is told to end."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.environment: Environment | None = None

    def __call__(self, environment: Environment, request: Request) -> Summary:
        self.environment = environment
        environment.progress.phase("apply", 10)
        environment.progress.advance(4)
        while not self.go.wait(0.02):
            environment.tick()
        return Summary(run=1, command=request.command, status=RunStatus.FINISHED, exit_code=0)


@pytest.mark.long
def test_one_run_at_a_time_and_everybody_sees_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zvirka.web.actions._AT_ONCE_SECONDS", 0.2)
    slow = Slow()
    with open_page(tmp_path, performed=slow) as page:
        run = seal_run(page.journal, ())
        page.sign_in("taras")
        assert page.post("/resync", key="1", reason="перше").headers["location"] == "/work"
        text = page.get("/work").text
        assert "correcting" in text
        assert "4 of 10" in text
        assert "перше" in text
        second = page.post("/resync", key="2", reason="друге")
        assert second.status_code == 409
        assert "перше" in second.text
        assert "refresh" not in page.get("/work").headers
        assert page.get("/work?follow=1").headers["refresh"] == "3"
        slow.go.set()
        worker_of(page).wait(5)
        assert page.get("/work").headers["location"] == f"/runs/{run}"
        assert page.post("/resync", key="3", reason="третє").status_code == 303


def test_the_page_that_ends_asks_its_run_to_leave_at_a_safe_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zvirka.web.actions._AT_ONCE_SECONDS", 0.2)
    slow = Slow()
    with open_page(tmp_path, performed=slow) as page:
        page.sign_in("taras")
        page.post("/resync", key="1", reason="довге")
        worker = worker_of(page)
    assert isinstance(worker.work.error, RunInterrupted)


def test_who_holds_the_lock_is_said(tmp_path: Path) -> None:
    def locked(_environment: Environment, _request: Request) -> Summary:
        raise LockHeldError(
            coded("ZV0000", "another run is under way"),
            place="reconcile by zvirka.service since 02:30",
        )

    with open_page(tmp_path, performed=locked) as page:
        page.sign_in("taras")
        assert page.post("/resync", key="1", reason="так").headers["location"] == "/work"
        text = page.get("/work").text
        assert "another run is under way" in text
        assert "reconcile by zvirka.service since 02:30" in text


def test_a_run_that_breaks_is_said_and_the_next_one_can_be_asked_for(tmp_path: Path) -> None:
    def broken(_environment: Environment, _request: Request) -> Summary:
        raise RuntimeError("ТОВ «Особисте»")

    with open_page(tmp_path, performed=broken) as page:
        page.sign_in("taras")
        page.post("/resync", key="1", reason="так")
        text = page.get("/work").text
        assert "an unexpected error ended the run" in text
        assert "Особисте" not in text
        assert page.post("/resync", key="1", reason="так").status_code == 303


def test_a_first_approval_is_shown_and_its_part_can_be_chosen(tmp_path: Path) -> None:
    with open_page(tmp_path, performed=perform, policy={"approvals": 2}) as page:
        page.sign_in("taras")
        run = held_run(page.journal)
        digest = page.journal.get(run).plan_digest
        answer = page.post(
            f"/runs/{run}/approve",
            digest=digest,
            reason="так",
            part="ticked",
            **{"pick-1": "on"},
        )
        assert answer.headers["location"] == f"/runs/{run + 1}"
        assert "The first of two approvals" in page.follow(answer).text
        for path in (f"/runs/{run}", "/held"):
            assert "Approvals: 1 of 2, by taras" in page.get(path).text
        assert f'value="as-{run + 1}"' in page.get(f"/runs/{run}").text
        fields = {"digest": digest, "reason": "ще раз", "part": f"as-{run + 1}"}
        again = page.post(f"/runs/{run}/approve", **fields)
        assert again.status_code == 409
        assert "a second person must approve" in again.text
        assert len(page.journal.runs()) == run + 1, "nothing was begun"


def test_who_started_a_run_on_the_page_does_not_approve_it(tmp_path: Path) -> None:
    with open_page(tmp_path, policy={"approvals": 2}) as page:
        page.sign_in("taras")
        run = held_run(page.journal, who="taras")
        digest = page.journal.get(run).plan_digest
        answer = page.post(f"/runs/{run}/approve", digest=digest, reason="так")
        assert (answer.status_code, page.performed.asked) == (409, [])
        assert "other people approve it" in answer.text


def test_a_client_is_never_corrected_up_to_a_day(page: PageClient) -> None:
    fields = {"key": "000123", "ref": ref(1), "until": "2026-12-31", "reason": "суд"}
    assert page.post("/suppress", **fields).status_code == 303
    page.post("/suppress", key="000123", until="", reason="наш")
    dated, endless = page.performed.asked
    assert (dated.command, dated.reason, dated.until) == ("suppress", "суд", date(2026, 12, 31))
    assert dated.targets == Targets(refs=(ref(1),))
    assert (endless.targets, endless.until) == (Targets(codes=("000123",)), None)


@pytest.mark.parametrize(
    ("until", "reason", "why"),
    [
        ("2026-11-24", "суд", "The last day has passed"),
        ("31.12", "суд", "The last day is not a date"),
        ("2026-12-31", " ", "Say why"),
    ],
)
def test_a_wrong_last_day_or_no_reason_suppresses_nothing(
    page: PageClient, until: str, reason: str, why: str
) -> None:
    answer = page.post("/suppress", key="000123", until=until, reason=reason)
    assert (answer.status_code, page.performed.asked) == (422, [])
    assert why in answer.text
    assert "<details open><summary>Never correct this client" in answer.text


def test_the_page_of_a_client_says_who_stopped_its_corrections_and_until_when(
    tmp_path: Path,
) -> None:
    with open_page(tmp_path, performed=perform) as page:
        page.sign_in("taras")
        story_run(page.journal)
        fields = {"ref": STORY[1].ref, "key": STORY[1].key, "reason": "суд триває"}
        page.post("/suppress", until="2026-12-31", **fields)
        shown = page.get("/runs/1/2").text
        assert "not corrected up to 31 Dec 2026: a person decided so" in shown
        assert "taras: суд триває" in shown
        page.clock.forward(days=40)
        page.sign_in("taras")
        assert "corrected again by the next run" in page.get("/runs/1/2").text
