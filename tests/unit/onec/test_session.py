"""The conversation with 1C, against a real HTTP server that follows a script."""

from __future__ import annotations

import base64
import gzip
import random
import time
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from tests.unit.onec.scripted import Reply, served, session, sleeper
from zvirka.onec import failures
from zvirka.onec.session import OnecSession
from zvirka.onec.transport import Limits

START = Reply(headers={"Set-Cookie": "ibsession=5f0e2a; HttpOnly; Path=/base"})
FORGOTTEN = "Сеанс отсутствует или удален".encode()


def test_credentials_go_as_base64_of_utf8_bytes() -> None:
    with served(Reply()) as script, session(script.url) as talk:
        talk.get("Catalog_Контрагенты", decode=bytes)
    header = script.asked[0].headers["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == "Обмін:пароль"


def test_no_user_means_no_credentials() -> None:
    with served(Reply()) as script, OnecSession(script.url) as talk:
        talk.get("x", decode=bytes)
    assert "Authorization" not in script.asked[0].headers


def test_a_session_is_started_carried_and_finished() -> None:
    with served(START, Reply()) as script:
        closing = ("Catalog_Контрагенты", {"$top": "1"})
        with session(script.url, closing=closing) as talk:
            talk.get("a", decode=bytes)
            assert talk.held
            talk.get("b", decode=bytes)
    first, second, last = script.asked
    assert first.headers["IBSession"] == "start"
    assert "Cookie" not in first.headers
    assert second.headers["Cookie"] == "ibsession=5f0e2a"
    assert "IBSession" not in second.headers
    assert last.headers["IBSession"] == "finish"
    assert last.headers["Cookie"] == "ibsession=5f0e2a"
    assert last.target.endswith("?$top=1")


def test_a_session_is_finished_even_on_an_error() -> None:
    refusal = Reply(b'{"odata.error":{"code":"14","message":{"value":"x"}}}', 400)
    with (
        served(START, refusal, Reply()) as script,
        pytest.raises(failures.QueryRefusedError),
        session(script.url) as talk,
    ):
        talk.get("a", decode=bytes)
        talk.post("b")
    assert script.asked[-1].headers["IBSession"] == "finish"


def test_a_publication_that_pools_sessions_gives_no_cookie_and_that_is_no_error() -> None:
    with served(Reply()) as script, session(script.url) as talk:
        talk.get("a", decode=bytes)
        talk.get("b", decode=bytes)
        assert not talk.held
    assert [asked.headers.get("IBSession") for asked in script.asked] == ["start", None]


def test_sessions_can_be_switched_off() -> None:
    with served(START) as script, session(script.url, sessions=False) as talk:
        talk.get("a", decode=bytes)
    assert "IBSession" not in script.asked[0].headers


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_forgotten_session_is_replaced_by_another(status: int) -> None:
    lost = Reply(FORGOTTEN, status, "text/plain; charset=utf-8")
    again = Reply(b"found", headers={"Set-Cookie": "ibsession=second"})
    with (
        served(START, lost, lost, lost, again, Reply()) as script,
        session(script.url, closing=("cheap", {})) as talk,
    ):
        talk.get("a", decode=bytes)
        assert talk.get("b", decode=bytes) == b"found"
        assert talk.traffic.retries == 0
    assert [(one.path, one.headers.get("IBSession")) for one in script.asked] == [
        ("a", "start"),
        ("b", None),
        ("cheap", None),
        ("cheap", "finish"),
        ("b", "start"),
        ("cheap", "finish"),
    ]
    assert script.asked[-1].headers["Cookie"] == "ibsession=second"


def test_a_session_that_lives_is_kept_through_server_errors() -> None:
    """Each 500 took a further licence: the old session stayed open on 1C's side."""
    failed = Reply(b'{"odata.error":{"code":"-1","message":{"value":"No space left"}}}', 500)
    with (
        served(START, failed, Reply(), failed, Reply(), Reply(b"found"), Reply()) as script,
        session(script.url) as talk,
    ):
        talk.get("a", decode=bytes)
        assert talk.get("b", decode=bytes) == b"found"
    starts = [one.headers.get("IBSession") for one in script.asked]
    assert starts.count("start") == starts.count("finish") == 1


def test_a_session_is_replaced_only_once_a_request() -> None:
    lost = Reply(FORGOTTEN, 400, "text/plain; charset=utf-8")
    with (
        served(START, lost) as script,
        pytest.raises(failures.OnecError),
        session(script.url, closing=("cheap", {})) as talk,
    ):
        talk.get("a", decode=bytes)
        talk.get("b", decode=bytes)
    assert [one.path for one in script.asked] == ["a", "b", "cheap", "cheap", "b"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"{" + b" " * 64, drip=0.1),
        Reply(b"{}", head_drip=0.1, headers={"X-Long": "x" * 200}),
    ],
    ids=["body", "head"],
)
def test_an_answer_that_never_ends_in_time_is_given_up(reply: Reply) -> None:
    began = time.monotonic()
    with (
        served(reply) as script,
        pytest.raises(failures.TimedOutError, match="did not finish"),
        session(script.url, retries=0, limits=Limits(2, 2, 0.5)) as talk,
    ):
        talk.get("a", decode=bytes)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("packed", [False, True], ids=["endless", "bomb"])
def test_an_answer_is_read_up_to_its_limit_only(packed: bool) -> None:
    spaces = b" " * 30_000_000
    reply = Reply(gzip.compress(spaces), headers={"Content-Encoding": "gzip"}) if packed else None
    tracemalloc.start()
    with (
        served(reply or Reply(spaces)) as script,
        pytest.raises(failures.TooLargeError),
        session(script.url, limits=Limits(2, 2, 5, 2_000_000)) as talk,
    ):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        talk.get("a", decode=bytes)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_byte_order_mark_is_no_part_of_an_answer() -> None:
    decode = msgspec.json.Decoder(dict[str, int]).decode
    with served(Reply(b'\xef\xbb\xbf{"a":1}')) as script, session(script.url) as talk:
        assert talk.get("a", decode=decode) == {"a": 1}


def test_neither_proxies_nor_netrc_of_the_environment_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login stranger password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with served(Reply()) as script, OnecSession(script.url) as talk:
        talk.get("x", decode=bytes)
    assert "Authorization" not in script.asked[0].headers


def test_a_proxy_that_does_not_answer_is_named() -> None:
    with (
        served(Reply()) as script,
        pytest.raises(failures.UnreachableError, match="proxy"),
        session(script.url, retries=0, proxy="http://user:secret@127.0.0.1:1") as talk,
    ):
        talk.get("x", decode=bytes)


def test_the_password_never_comes_back_in_a_message() -> None:
    body = r'{"odata.error":{"code":"\u001b[31m","message":{"value":"Ошибка для пароль"}}}'
    with (
        served(Reply(body.encode(), 400)) as script,
        pytest.raises(failures.OnecError) as caught,
        session(script.url) as talk,
    ):
        talk.get("x", decode=bytes)
    assert "пароль" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert caught.value.internal_code == "?"


def test_an_object_that_is_not_there_is_no_forgotten_session() -> None:
    gone = Reply(b'{"odata.error":{"code":"9","message":{"value":"x"}}}', 404)
    with (
        served(START, gone) as script,
        pytest.raises(failures.ObjectNotFoundError),
        session(script.url) as talk,
    ):
        talk.get("a", decode=bytes)
        talk.get("b", decode=bytes)
    assert len(script.asked) == 3  # a, b, finish


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_repeated_with_growing_waits(status: int) -> None:
    slept, sleep = sleeper()
    bad = Reply(b"", status)
    with served(bad, bad, bad, Reply(b"at last")) as script:
        talk = session(script.url, sleep=sleep, rng=random.Random(7))
        assert talk.get("a", decode=bytes) == b"at last"
    assert len(script.asked) == 4
    assert talk.traffic.retries == 3
    assert [base * 0.5 <= wait <= base * 1.5 for base, wait in zip((0.5, 1, 2), slept, strict=True)]
    assert slept == [base * (0.5 + rng) for base, rng in zip((0.5, 1, 2), _randoms(), strict=True)]


def _randoms() -> list[float]:
    rng = random.Random(7)
    return [rng.random() for _ in range(3)]


def test_repeating_ends_with_the_error_itself() -> None:
    with served(Reply(b"", 503)) as script, pytest.raises(failures.ServerFailureError):
        session(script.url, retries=2).get("a", decode=bytes)
    assert len(script.asked) == 3


def test_the_server_may_ask_for_a_longer_wait() -> None:
    slept, sleep = sleeper()
    busy = Reply(b"", 429, headers={"Retry-After": "17"})
    with served(busy, Reply()) as script:
        session(script.url, sleep=sleep).get("a", decode=bytes)
    assert slept == [17.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_not_repeated(status: int) -> None:
    with served(Reply(b"", status)) as script, pytest.raises(failures.OnecError) as caught:
        session(script.url).get("a", decode=bytes)
    assert len(script.asked) == 1
    assert not caught.value.passing


def test_a_call_with_side_effects_is_never_repeated() -> None:
    with served(Reply(b"", 503)) as script, pytest.raises(failures.ServerFailureError):
        session(script.url).post("NotifyChangesReceived", {"MessageNo": "3"})
    assert len(script.asked) == 1


def test_a_body_cut_short_is_read_again() -> None:
    whole = b'{"value":[1,2,3]}'
    decode = msgspec.json.Decoder(dict[str, list[int]]).decode
    with served(Reply(whole, cut=9), Reply(whole[:9]), Reply(dropped=True), Reply(whole)) as script:
        talk = session(script.url)
        assert talk.get("a", decode=decode) == {"value": [1, 2, 3]}
        assert talk.traffic.retries == 3


def test_an_answer_of_another_shape_is_not_read_again() -> None:
    decode = msgspec.json.Decoder(dict[str, list[int]]).decode
    with (
        served(Reply(b'{"value":null}')) as script,
        pytest.raises(failures.UnexpectedAnswerError, match=r"\$\[\.\.\.\]"),
    ):
        session(script.url).get("a", decode=decode)
    assert len(script.asked) == 1


def test_a_web_page_is_no_answer() -> None:
    page = Reply(b"<html><body>login</body></html>", 200, "text/html")
    with served(page) as script, pytest.raises(failures.NotOdataError):
        session(script.url).get("a", decode=bytes)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://elsewhere.example/x?token=1", r"elsewhere\.example/x.*final address"),
        ("/login?next=/base", "login page"),
        ("https://127.0.0.1/base/odata/standard.odata/a", "https:// instead of http://"),
    ],
)
def test_a_redirect_is_told_with_its_target_and_not_followed(location: str, said: str) -> None:
    with (
        served(Reply(b"", 301, headers={"Location": location})) as script,
        pytest.raises(failures.RedirectedError, match=said) as caught,
    ):
        session(script.url).get("a", decode=bytes)
    assert len(script.asked) == 1
    assert "token" not in str(caught.value)


def test_nobody_listening_is_told_with_the_address() -> None:
    with served(Reply()) as script:
        url = script.url
    with pytest.raises(failures.UnreachableError) as caught:
        session(url, retries=1).get("a", decode=bytes)
    assert url in str(caught.value)
    assert "пароль" not in str(caught.value)


def test_queries_hold_no_plus_and_no_raw_space() -> None:
    with served(Reply()) as script, session(script.url, sessions=False) as talk:
        talk.get("Catalog_X(guid'1')", {"$filter": "Code ge 'А+Б &В#'"}, decode=bytes)
    target = script.asked[0].target
    assert target.endswith(
        "Catalog_X(guid'1')?$filter=Code%20ge%20'%D0%90%2B%D0%91%20%26%D0%92%23'"
    )


def test_traffic_counts_requests_and_body_bytes() -> None:
    with served(Reply(b"12345")) as script, session(script.url) as talk:
        talk.get("a", decode=bytes)
        talk.get("a", decode=bytes)
        assert (talk.traffic.requests, talk.traffic.bytes) == (2, 10)


def test_a_cookie_that_is_no_token_is_not_sent_back() -> None:
    odd = Reply(headers={"Set-Cookie": 'ibsession="a b"; Path=/'})
    with served(odd, Reply()) as script, session(script.url) as talk:
        talk.get("a", decode=bytes)
        talk.get("b", decode=bytes)
    assert "Cookie" not in script.asked[1].headers
