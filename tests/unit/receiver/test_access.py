"""Who may come in, and with what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvirka.errors import SettingsError
from zvirka.net import address_of, is_loopback
from zvirka.receiver.access import Tokens, check_type, tokens_of
from zvirka.receiver.payload import PayloadRefusal
from zvirka.settings.service_tables import ReceiverSettings


@given(st.lists(st.from_regex(r"[!-~]{1,30}", fullmatch=True), min_size=1, max_size=3), st.data())
def test_every_token_set_passes_and_a_changed_one_does_not(
    tokens: list[str], data: st.DataObject
) -> None:
    checked = Tokens(tokens)
    token = data.draw(st.sampled_from(tokens))
    checked.check(f"Bearer {token}")
    checked.check(f"bearer  {token}")
    for wrong in (None, "", "Bearer", f"Bearer {token}x", f"Basic {token}", token):
        if wrong is not None and wrong.partition(" ")[2] in tokens and wrong[:6] == "Bearer":
            continue
        with pytest.raises(PayloadRefusal):
            checked.check(wrong)


def test_without_tokens_everybody_on_this_machine_passes() -> None:
    tokens_of(ReceiverSettings()).check(None)


def test_an_empty_token_would_let_everybody_in_and_is_refused() -> None:
    with pytest.raises(SettingsError, match="token of the receiver is empty"):
        tokens_of(ReceiverSettings.model_validate({"tokens": ["good", " "]}))


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:8791", "127.0.0.1", 8791), ("[::1]:80", "::1", 80), ("erp:1", "erp", 1)],
)
def test_an_address_is_host_and_port(listen: str, host: str, port: int) -> None:
    assert address_of(listen, "receiver.listen") == (host, port)


@pytest.mark.parametrize("listen", ["8791", ":8791", "127.0.0.1", "127.0.0.1:port", "a:70000"])
def test_what_is_no_address_is_told_with_its_place(listen: str) -> None:
    with pytest.raises(SettingsError) as told:
        address_of(listen, "receiver.listen")
    assert told.value.place == "receiver.listen"


def test_loopback_is_this_machine_only() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.1.2.3", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "erp.example.com"]))


@pytest.mark.parametrize(
    "good",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_json_in_utf8_passes(good: str) -> None:
    check_type(good)


@pytest.mark.parametrize(
    "wrong", [None, "", "text/json", "application/json; charset=cp1251", "multipart/form-data"]
)
def test_anything_else_is_415(wrong: str | None) -> None:
    with pytest.raises(PayloadRefusal) as refused:
        check_type(wrong)
    assert refused.value.status == 415
