"""Roles, tokens, hosts and headers: what stands before every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.report.sample import held_run, story_run
from tests.unit.web.page_client import PageClient, open_page

ACTIONS = ("/runs/1/approve", "/runs/1/reject", "/resync")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path) as made:
        held_run(made.journal)
        yield made


def plan(page: PageClient) -> str:
    return page.journal.get(1).plan_digest


def deed(page: PageClient) -> dict[str, str]:
    """A form that would be taken from an admin."""
    return {"digest": plan(page), "reason": "звірено", "key": "000000001"}


@pytest.mark.parametrize("path", ACTIONS)
def test_an_auditor_may_not_act(page: PageClient, path: str) -> None:
    page.sign_in("olena")
    answer = page.post(path, **deed(page))
    assert answer.status_code == 403
    assert "Only an admin may do that" in answer.text
    assert page.performed.asked == []


def test_an_auditor_is_shown_no_buttons_for_it(page: PageClient) -> None:
    page.sign_in("olena")
    assert "/approve" not in page.get("/runs/1").text
    assert "/resync" not in page.get("/runs/1/1").text


@pytest.mark.long
@pytest.mark.parametrize("path", [*ACTIONS, "/sign-out", "/counterparty", "/runs/1/search"])
@pytest.mark.parametrize("token", ["", "x", "None"])
def test_a_form_without_the_token_of_its_session_does_nothing(
    page: PageClient, path: str, token: str
) -> None:
    page.sign_in("taras")
    answer = page.post(path, token=token, **deed(page))
    assert answer.status_code == 403
    assert page.performed.asked == []
    assert page.get("/runs").status_code == 200


def test_a_token_of_another_session_does_nothing(page: PageClient) -> None:
    page.sign_in("taras")
    other = page.token()
    page.client.cookies.clear()
    page.sign_in("taras")
    assert page.post("/resync", token=other, **deed(page)).status_code == 403
    assert page.performed.asked == []


def test_signing_in_needs_the_token_of_the_form_too(page: PageClient) -> None:
    token = page.token("/sign-in")
    page.client.cookies.clear()
    answer = page.post("/sign-in", token=token, name="taras", password="x")
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ACTIONS)
def test_a_stranger_does_nothing(page: PageClient, path: str) -> None:
    answer = page.post(path, token=page.token("/sign-in"), **deed(page))
    assert answer.status_code == 403
    assert page.performed.asked == []


def test_nothing_is_done_by_following_a_link(page: PageClient) -> None:
    page.sign_in("taras")
    for path in ACTIONS:
        assert page.get(path).status_code == 405
    assert page.performed.asked == []


def test_a_form_that_is_too_large_or_of_another_kind_is_not_read(page: PageClient) -> None:
    page.sign_in("taras")
    fields = {"token": page.token(), **deed(page)}
    assert page.client.post("/resync", data={**fields, "x": "y" * 70_000}).status_code == 403
    assert page.client.post("/resync", json=fields).status_code == 403
    assert page.client.post("/resync", files={"token": b"x"}).status_code == 403
    assert page.performed.asked == []


@pytest.mark.parametrize(
    ("path", "status"),
    [("/sign-in", 200), ("/runs", 303), ("/style.css", 200), ("/nothing", 404), ("/healthz", 200)],
)
def test_every_answer_forbids_scripts_frames_and_everything_from_elsewhere(
    page: PageClient, path: str, status: int
) -> None:
    answer = page.get(path)
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert ("no-store" in answer.headers["cache-control"]) is (path != "/style.css")


def test_no_page_names_anything_from_elsewhere_or_runs_anything(page: PageClient) -> None:
    story_run(page.journal)
    page.sign_in("taras")
    for path in ("/sign-in", "/runs", "/runs/1", "/runs/2", "/runs/2/1", "/held", "/work"):
        text = page.get(path).text
        assert not re.findall(r'(?:src|href|action)="(?!/|#)', text), path
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", text), path


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io"])
def test_another_host_name_is_not_answered(page: PageClient, host: str) -> None:
    assert page.client.get("/sign-in", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8792", "[::1]:8792", "LOCALHOST:1"])
def test_its_own_names_are_answered(page: PageClient, host: str) -> None:
    assert page.client.get("/sign-in", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/runs/99", "/runs/1/99", "/runs/99999999999999999999", "/nothing", "/runs/x", "/runs/-1"],
)
def test_what_is_not_there_is_said_in_a_page(page: PageClient, path: str) -> None:
    page.sign_in("olena")
    answer = page.get(path)
    assert answer.status_code == 404
    assert "There is no such" in answer.text
    assert "/runs" in answer.text


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/%5Cevil.example"])
def test_no_address_makes_a_link_to_elsewhere(page: PageClient, path: str) -> None:
    answer = page.client.get(f"http://localhost:8792{path}")
    assert answer.status_code == 404
    links = re.findall(r'href="([^"]*)"', answer.text)
    assert links
    assert not [link for link in links if re.match(r"/[/\\]|\w+:", link)]


def test_a_journal_in_trouble_is_said_with_its_remedy(page: PageClient) -> None:
    page.sign_in("olena")
    with page.journal.writing() as connection:
        connection.exec_driver_sql("DROP TABLE correction")
        connection.exec_driver_sql("DROP TABLE difference")
    answer = page.get("/runs/1")
    assert answer.status_code == 503
    assert "select" not in answer.text.lower()
