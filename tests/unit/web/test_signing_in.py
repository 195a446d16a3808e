"""Who comes in, who does not, and what a stranger learns from it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from loguru import logger

from tests.unit.web.page_client import (
    HASH,
    PASSWORD,
    SECRET,
    USERS,
    PageClient,
    open_page,
    settings_of,
)
from zvirka.errors import SettingsError
from zvirka.reconcile.environment import open_environment
from zvirka.settings.checks import cross_problems
from zvirka.settings.profiles import mapping_of
from zvirka.web.sign_in_limits import SignInLimits
from zvirka.web.site import create_app

PAGES = ("/runs", "/runs/1", "/runs/1/1", "/held", "/counterparty", "/work")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[PageClient]:
    with open_page(tmp_path) as made:
        yield made


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_led_to_the_door_from_every_page(page: PageClient, path: str) -> None:
    answer = page.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_user_with_the_password_comes_in(page: PageClient) -> None:
    answer = page.sign_in("olena")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "olena" in page.get("/runs").text


@pytest.mark.parametrize(
    ("name", "password"), [("olena", "wrong"), ("nobody", PASSWORD), ("", ""), ("olena", "")]
)
def test_a_refusal_is_the_same_whatever_was_wrong(
    page: PageClient, name: str, password: str
) -> None:
    answer = page.sign_in(name, password)
    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert page.get("/runs").status_code == 303


def test_an_unknown_name_costs_the_same_work(
    page: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, hashed: str, password: str) -> bool:
        verified.append(hashed.rpartition("$")[0].rpartition("$")[0])
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    page.sign_in("nobody", "x")
    page.sign_in("olena", "x")
    assert len(verified) == 2
    assert len(set(verified)) == 1  # the same parameters: the same time and memory


def test_the_sixth_failure_in_a_quarter_of_an_hour_is_not_even_looked_at(page: PageClient) -> None:
    for _ in range(5):
        assert page.sign_in("olena", "wrong").status_code == 401
    assert page.sign_in("olena").status_code == 429
    assert page.sign_in("taras").status_code == 303
    page.client.cookies.clear()
    page.clock.forward(minutes=16)
    assert page.sign_in("olena").status_code == 303


def test_many_names_from_one_address_are_too_many(page: PageClient) -> None:
    answers = [page.sign_in(f"name{number}", "x").status_code for number in range(21)]
    assert answers == [401] * 20 + [429]


def test_strangers_do_not_lock_out_a_browser_that_signed_in_before(page: PageClient) -> None:
    """120 bad attempts from invented addresses locked everybody out, again and again."""
    assert page.sign_in("olena").status_code == 303
    device = page.client.cookies["zvirka-device"]
    page.client.cookies.clear()
    for number in range(21):
        page.sign_in(f"name{number}", "x")
    for _ in range(5):
        page.sign_in("olena", "wrong")
    assert page.sign_in("olena").status_code == 429, "another browser waits"
    page.client.cookies.set("zvirka-device", device)
    assert page.sign_in("taras").status_code == 429, "it is marked for one user only"
    assert page.sign_in("olena").status_code == 303


def test_a_browser_that_signed_in_before_has_a_limit_of_its_own(page: PageClient) -> None:
    page.sign_in("olena")
    device = page.client.cookies["zvirka-device"]
    page.client.cookies.clear()
    page.client.cookies.set("zvirka-device", device)
    answers = [page.sign_in("olena", "wrong").status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


def test_refused_attempts_do_not_fill_the_memory() -> None:
    limits = SignInLimits(lambda: datetime(2026, 11, 28, tzinfo=UTC))
    for number in range(12_000):
        limits.allow(f"name{number}", "203.0.113.9")
    assert len(limits._failed) < 100


def test_a_name_is_the_same_however_its_letters_are_composed(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "Андрій")
    with open_page(tmp_path, users=[{**USERS[0], "name": composed}]) as page:
        assert page.sign_in(unicodedata.normalize("NFD", composed)).status_code == 303


def test_a_session_ends_in_time(tmp_path: Path) -> None:
    with open_page(tmp_path, session_for="8h") as page:
        page.sign_in("olena")
        page.clock.forward(hours=7, minutes=59)
        assert page.get("/runs").status_code == 200
        page.clock.forward(minutes=2)
        assert page.get("/runs").status_code == 303


def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(page: PageClient) -> None:
    page.sign_in("olena")
    stolen = page.client.cookies["zvirka"]
    assert page.post("/sign-out").headers["location"] == "/sign-in"
    page.client.cookies.clear()
    page.client.cookies.set("zvirka", stolen)
    assert page.get("/runs").status_code == 303


def test_signing_in_gives_another_session_than_the_form_had(page: PageClient) -> None:
    page.get("/sign-in")
    before = page.client.cookies["zvirka-door"]
    page.sign_in("olena")
    assert page.client.cookies["zvirka"] != before
    page.client.cookies.clear()
    for name in ("zvirka", "zvirka-door"):
        page.client.cookies.set(name, before)
    assert page.get("/runs").status_code == 303


def test_looking_at_the_door_ends_no_session(page: PageClient) -> None:
    page.sign_in("olena")
    cookie = page.client.cookies["zvirka"]
    page.client.cookies.clear()  # as a browser does that comes by a link from elsewhere
    page.get("/sign-in")
    assert "zvirka" not in page.client.cookies
    page.client.cookies.set("zvirka", cookie)
    assert page.get("/runs").status_code == 200


def test_who_comes_by_a_link_from_elsewhere_comes_once_more_with_the_cookie(
    page: PageClient,
) -> None:
    sent = {"Sec-Fetch-Site": "cross-site"}
    answer = page.client.get("/runs/7?kind=extra", headers=sent)
    assert answer.status_code == 200
    assert answer.headers["refresh"] == "0; url=/runs/7?kind=extra"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("change", ["password", "gone", "secret"])
def test_a_cookie_is_good_only_for_the_same_user_password_and_secret(
    tmp_path: Path, change: str
) -> None:
    with open_page(tmp_path / "one") as page:
        page.sign_in("olena")
        cookie = page.client.cookies["zvirka"]
    other = HASH[:-4] + "AAAA"
    changes: dict[str, dict[str, Any]] = {
        "password": {"users": [{**USERS[0], "password_hash": other}]},
        "gone": {"users": USERS[1:]},
        "secret": {"secret": "t" * 40},
    }
    with open_page(tmp_path / "one") as page:
        page.client.cookies.set("zvirka", cookie)
        assert page.get("/runs").status_code == 200
    with open_page(tmp_path / "one", **changes[change]) as page:
        page.client.cookies.set("zvirka", cookie)
        assert page.get("/runs").status_code == 303


@pytest.mark.parametrize(
    "cookie", ["", "x", "a.b", "W10.x", "WyJzIiwib2xlbmEiLCIiLCIiXQ.AAAA", "'; --", "." * 5000]
)
def test_a_made_up_cookie_opens_nothing(page: PageClient, cookie: str) -> None:
    page.client.cookies.set("zvirka", cookie)
    assert page.get("/runs").status_code == 303


def test_the_cookie_is_kept_from_scripts_and_other_sites(page: PageClient) -> None:
    cookie = page.sign_in("olena").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie


def test_over_https_the_cookie_is_secure_and_of_this_very_host(tmp_path: Path) -> None:
    url = "https://zvirka.example.com"
    with open_page(tmp_path, base_url=url, public_url=url) as page:
        answer = page.sign_in("olena")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-zvirka=")
        assert "Secure" in cookie
        assert "Path=/;" in cookie
        assert "Domain" not in cookie
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert page.get("/runs").status_code == 200


def test_a_forwarded_header_makes_nothing_secure_by_itself(page: PageClient) -> None:
    answer = page.client.get("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert "secure" not in answer.headers["set-cookie"].lower()
    assert "strict-transport-security" not in answer.headers


def test_neither_password_nor_unknown_name_is_in_the_log(page: PageClient) -> None:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(f"{message} {message.record['extra']}"))
    try:
        page.sign_in("olena", "hunter2-wrong")
        page.sign_in("my-password-in-the-wrong-field", "x")
        page.sign_in("olena")
    finally:
        logger.remove(sink)
    log = "".join(lines)
    assert "sign-in refused" in log
    assert "olena" in log
    for secret in ("hunter2-wrong", "my-password", PASSWORD):
        assert secret not in log


@pytest.mark.parametrize(
    ("web", "place"),
    [
        ({"users": []}, "web.users"),
        ({"secret": None}, "web.secret_file"),
        ({"secret": "short"}, "web.secret_file"),
        (
            {"users": [{"name": "a", "role": "admin", "password_hash": "$argon2id$x"}]},
            "web.users.0.password_hash",
        ),
    ],
)
def test_the_page_does_not_begin_without_users_and_a_secret(
    tmp_path: Path, web: dict[str, Any], place: str
) -> None:
    settings = settings_of(tmp_path, **web)
    with (
        open_environment(settings, mapping_of(settings)) as environment,
        pytest.raises(SettingsError) as raised,
    ):
        create_app(environment)
    assert raised.value.place == place
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("web", "key"),
    [
        ({"secret": None}, "web.secret"),
        ({"listen": "0.0.0.0:8792"}, "web.public_url"),
        ({"public_url": "zvirka.example.com"}, "web.public_url"),
    ],
)
def test_check_tells_the_same_before_anything_is_served(
    tmp_path: Path, web: dict[str, Any], key: str
) -> None:
    assert key in [place for place, _ in cross_problems(settings_of(tmp_path, **web))]
    assert list(cross_problems(settings_of(tmp_path, secret=SECRET))) == []
