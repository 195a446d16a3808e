"""Users that a reverse proxy has signed in, and nobody else who sends the header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.unit.report.sample import held_run
from tests.unit.web.page_client import PageClient, open_page, token_of
from zvirka.net import NotedPeer

PROXY = "10.1.2.3"
HEADER = "X-Remote-User"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path, trusted_header=HEADER, trusted_proxies=["10.1.2.0/24"]) as made:
        yield made


def client(page: PageClient, address: str) -> TestClient:
    return TestClient(
        NotedPeer(page.client.app, ["10.1.2.0/24"]),
        base_url="http://localhost:8792",
        follow_redirects=False,
        client=(address, 5000),
    )


def test_a_user_of_the_proxy_is_signed_in(page: PageClient) -> None:
    answer = client(page, PROXY).get("/", headers={HEADER: "taras"})
    assert answer.status_code == 200
    assert "taras" in answer.text


def test_the_header_of_anybody_else_is_ignored(page: PageClient) -> None:
    for address in ("10.1.3.3", "127.0.0.1", "::1", "testclient"):
        answer = client(page, address).get("/", headers={HEADER: "taras"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), address


def test_a_name_that_is_no_user_is_nobody(page: PageClient) -> None:
    assert client(page, PROXY).get("/", headers={HEADER: "mallory"}).status_code == 303


def test_the_roles_and_the_tokens_of_forms_hold_behind_a_proxy_too(page: PageClient) -> None:
    run = held_run(page.journal)
    taras, path = client(page, PROXY), f"/runs/{run}/reject"
    fields = {"digest": page.journal.plan_digest(run), "reason": "ні"}
    header = {HEADER: "taras"}
    assert taras.post(path, data={**fields, "token": "x"}, headers=header).status_code == 403
    token = token_of(taras.get(f"/runs/{run}", headers=header).text)
    olena = {HEADER: "olena"}
    assert taras.post(path, data={**fields, "token": token}, headers=olena).status_code == 403
    assert page.performed.asked == []
    assert taras.post(path, data={**fields, "token": token}, headers=header).status_code == 303
    [request] = page.performed.asked
    assert request.who == "taras"


def test_without_the_setting_no_header_signs_anybody_in(tmp_path: Path) -> None:
    with open_page(tmp_path, trusted_proxies=["10.1.2.0/24"]) as made:
        assert client(made, PROXY).get("/", headers={HEADER: "taras"}).status_code == 303
