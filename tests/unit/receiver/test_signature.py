"""The signature of a webhook: what it covers, how long it is good, what it gives away."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from zvirka.errors import SettingsError
from zvirka.receiver.access import Tokens
from zvirka.receiver.api import create_app
from zvirka.receiver.batching import Draw
from zvirka.receiver.earlier_messages import IngestResult
from zvirka.receiver.payload import PayloadReader, PayloadRefusal
from zvirka.receiver.signature import HEADER, WINDOW, Signatures, sign, signatures_of
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.settings.service_tables import ReceiverSettings

NOW = datetime(2026, 1, 31, 22, 15, 7, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
BODY = '{"action": "update", "clientData": {"Код": "1", "Наименование": "А"}}'.encode()
KEY = "a shared key"


def refused(
    header: str | None, *, keys: tuple[str, ...] = (KEY,), body: bytes = BODY
) -> PayloadRefusal:
    with pytest.raises(PayloadRefusal) as caught:
        Signatures(keys).check(header, body, NOW)
    assert caught.value.status == 401
    assert caught.value.field == HEADER
    return caught.value


def test_the_header_is_what_the_guide_describes() -> None:
    digest = hmac.new(KEY.encode(), b"%d." % SECONDS + BODY, hashlib.sha256).hexdigest()
    assert sign(KEY, SECONDS, BODY) == f"t={SECONDS},v1={digest}"


def test_without_a_key_every_request_passes() -> None:
    signatures = Signatures(())
    assert not signatures.needed
    signatures.check(None, BODY, NOW)


@pytest.mark.parametrize("keys", [(KEY,), ("old", KEY), (KEY, "new")])
def test_any_of_the_keys_will_do(keys: tuple[str, ...]) -> None:
    signatures = Signatures(keys)
    assert signatures.needed
    signatures.check(sign(KEY, SECONDS, BODY), BODY, NOW)


def test_of_several_signatures_one_good_is_enough() -> None:
    other = sign("another", SECONDS, BODY).partition(",")[2]
    Signatures((KEY,)).check(f"{sign(KEY, SECONDS, BODY)}, {other}", BODY, NOW)


@pytest.mark.parametrize("seconds", [-WINDOW, 0, WINDOW])
def test_a_signature_is_good_within_the_window(seconds: int) -> None:
    header = sign(KEY, SECONDS, BODY)
    Signatures((KEY,)).check(header, BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-WINDOW - 1, WINDOW + 1])
def test_a_signature_outside_the_window_is_refused(seconds: int) -> None:
    assert "too old" in refused(sign(KEY, SECONDS - seconds, BODY)).reason


def test_another_body_another_key_and_another_time_are_refused() -> None:
    header = sign(KEY, SECONDS, BODY)
    for refusal in (
        refused(header, body=BODY + b" "),
        refused(header, keys=("another",)),
        refused(header.replace(f"t={SECONDS}", f"t={SECONDS + 1}")),
    ):
        assert "does not match" in refusal.reason


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "v1=" + "0" * 64,
        f"t={SECONDS}",
        f"t={SECONDS},v1=xyz",
        f"t=-1,v1={'0' * 64}",
        f"t={'9' * 13},v1={'0' * 64}",
        f"t={SECONDS},t={SECONDS},v1={'0' * 64}",
        f"t=١٢٣,v1={'0' * 64}",
        f"t={SECONDS}" + "," * 2000 + f"v1={'0' * 64}",
    ],
)
def test_what_is_no_signature_is_refused_without_an_error(header: str | None) -> None:
    assert "is needed" in refused(header).reason


def test_a_refusal_gives_nothing_away() -> None:
    header = sign(KEY, SECONDS, BODY)
    refusal = refused(header, keys=("another",))
    assert KEY not in str(refusal.reason)
    assert header.partition("v1=")[2] not in str(refusal.reason)


def test_the_settings_give_the_key_and_the_window() -> None:
    assert not signatures_of(ReceiverSettings()).needed
    made = signatures_of(
        ReceiverSettings.model_validate({"signature_key": KEY, "signature_window": "10s"})
    )
    made.check(sign(KEY, SECONDS - 10, BODY), BODY, NOW)
    with pytest.raises(PayloadRefusal):
        made.check(sign(KEY, SECONDS - 11, BODY), BODY, NOW)


def test_an_empty_key_is_a_mistake_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="empty"):
        signatures_of(ReceiverSettings.model_validate({"signature_key": " "}))


class Accepting:
    """A page that takes everything in."""

    def take_drawn(self, draw: Draw) -> list[IngestResult]:
        return [IngestResult("updated") for _ in draw()]

    def look(self) -> None:
        """Nothing is wrong."""


@pytest.mark.parametrize(
    ("header", "status"),
    [(sign(KEY, SECONDS, BODY), 200), (sign("another", SECONDS, BODY), 401), (None, 401)],
)
def test_the_receiver_takes_nothing_in_without_a_good_signature(
    header: str | None, status: int
) -> None:
    settings = Settings.model_validate({"onec": {"url": "http://1c"}, "erp": {"url": "sqlite://"}})
    app = create_app(
        Accepting(),
        PayloadReader(mapping_of(settings)),
        Tokens(()),
        signatures=Signatures((KEY,)),
        clock=lambda: NOW,
    )
    headers = {"Content-Type": "application/json"} | ({HEADER: header} if header else {})

    async def posted() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://receiver") as client,
        ):
            return await client.post("/api/webhook/1c/clients", content=BODY, headers=headers)

    assert asyncio.run(posted()).status_code == status
