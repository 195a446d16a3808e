"""Reports, acts, a verification, runs started and plans answered in part: from the page alone."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from tests.unit.report.sample import held_run, ref, seal_run, story_run
from tests.unit.web.page_client import SECRET, PageClient, open_page
from zvirka.domain import Command
from zvirka.reconcile.request import Targets
from zvirka.report import render
from zvirka.report.embedded_data import SHEET


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path) as made:
        made.sign_in("taras")
        yield made


@pytest.mark.parametrize("form", ["html", "xlsx", "csv", "json", "md"])
def test_a_report_is_downloaded_in_every_form(page: PageClient, form: str) -> None:
    run = story_run(page.journal)
    assert f'href="/runs/{run}/report.{form}"' in page.get(f"/runs/{run}").text
    answer = page.get(f"/runs/{run}/report.{form}")
    made = io.BytesIO()
    render(page.journal, run, form, "en", made)
    assert answer.content == made.getvalue()
    name = f'attachment; filename="zvirka-run-000001.{form}"'
    assert answer.headers["content-disposition"] == name
    assert answer.headers["cache-control"] == "no-store"


def test_a_form_or_run_that_is_not_there_is_not_downloaded(page: PageClient) -> None:
    run = story_run(page.journal)
    assert page.get(f"/runs/{run}/report.exe").status_code == 404
    assert page.get("/runs/99/report.json").status_code == 404


def test_an_auditor_exports_a_period(page: PageClient) -> None:
    story_run(page.journal)
    page.post("/sign-out")
    page.sign_in("olena")
    answer = page.get("/export?from=2026-11-01&to=2026-11-30&format=xlsx")
    assert openpyxl.load_workbook(io.BytesIO(answer.content)).sheetnames == [
        "Act",
        "Clients",
        "Runs",
        SHEET,
    ]
    report = json.loads(page.get("/export?from=2026-11-01&to=2026-11-30&format=json").text)
    assert [one["run"]["number"] for one in report["reports"]] == [1]
    assert page.get("/export?from=x&to=2026-11-30").status_code == 422
    assert page.get("/export?from=2026-11-30&to=2026-11-01").status_code == 422


def test_the_chain_is_verified_and_the_page_says_what_that_proves(
    page: PageClient, tmp_path: Path
) -> None:
    story_run(page.journal)
    story_run(page.journal)
    text = page.post("/verify").text
    assert "All sealed runs are as they were sealed: 2, from № 1 to № 2." in text
    assert "Runs that carry a signature: 0 of 2." in text
    with sqlite3.connect(tmp_path / "journal.db") as door:
        door.execute("UPDATE difference SET name = 'X' WHERE run_id = 1 AND number = 3")
    text = page.post("/verify").text
    assert "1 contradiction was found." in text
    assert "run 1" in text
    assert "All sealed runs" not in text


def test_a_plan_is_started_with_a_reason_by_an_admin(page: PageClient) -> None:
    assert page.post("/start", command="plan", reason=" ").status_code == 422
    assert page.post("/start", command="plan", reason="перед зміною полів").status_code == 303
    page.post("/start", command="reconcile", reason="після зміни")
    asked = [(one.command, one.who, one.reason) for one in page.performed.asked]
    assert asked == [
        (Command.PLAN, "taras", "перед зміною полів"),
        (Command.RECONCILE, "taras", "після зміни"),
    ]


def test_a_run_is_undone_with_a_reason(page: PageClient) -> None:
    run = story_run(page.journal)
    assert "Undo this run" in page.get(f"/runs/{run}").text
    assert page.post(f"/runs/{run}/undo", reason="").status_code == 422
    page.post(f"/runs/{run}/undo", reason="хибний відбір")
    [request] = page.performed.asked
    assert (request.command, request.parent, request.reason) == (
        Command.UNDO,
        run,
        "хибний відбір",
    )


def decide(page: PageClient, run: int, what: str, **fields: str) -> int:
    digest = page.journal.plan_digest(run)
    answer = page.post(f"/runs/{run}/{what}", digest=digest, reason="звірено", **fields)
    return answer.status_code


def test_a_plan_is_approved_whole_by_cause_or_by_ticked_rows(page: PageClient) -> None:
    run = held_run(page.journal)
    text = page.get(f"/runs/{run}").text
    assert 'name="pick-3"' in text
    assert decide(page, run, "approve") == 303
    assert decide(page, run, "approve", part="missed_delete") == 303
    assert decide(page, run, "approve", part="ticked", **{"pick-2": "on", "pick-x": "on"}) == 303
    assert decide(page, run, "approve", part="ticked") == 422
    targets = [request.targets for request in page.performed.asked]
    assert targets == [
        Targets(),
        Targets(refs=(ref(1), ref(2), ref(3))),
        Targets(refs=(ref(2),)),
    ]


def test_a_part_is_rejected_for_good(page: PageClient) -> None:
    run = held_run(page.journal)
    assert decide(page, run, "reject", part="ticked", for_good="on", **{"pick-1": "on"}) == 303
    [request] = page.performed.asked
    assert request.for_good
    assert request.targets == Targets(refs=(ref(1),))


def test_the_settings_are_shown_with_their_secrets_masked(page: PageClient) -> None:
    text = page.get("/settings").text
    assert "web.public_url" in text
    assert SECRET not in text
    assert "argon2" not in text


def test_an_auditor_starts_and_changes_nothing(page: PageClient) -> None:
    run = seal_run(page.journal, ())
    page.post("/sign-out")
    page.sign_in("olena")
    for path in ("/start", f"/runs/{run}/undo", f"/runs/{run}/stop"):
        assert page.post(path, reason="так", command="plan").status_code == 403, path
    assert page.get("/settings").status_code == 403
    assert page.get("/start").status_code == 403
    assert page.performed.asked == []
