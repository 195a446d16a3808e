"""Who may send webhooks, and how much at a time: checked before a body is read or decoded."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from starlette.requests import ClientDisconnect, Request

from zvirka.errors import SettingsError
from zvirka.message import Message, coded
from zvirka.net import address_of, is_loopback
from zvirka.receiver.payload import PayloadRefusal
from zvirka.settings.service_tables import ReceiverSettings

SHORTEST_TOKEN = 20
"""Characters of a token that can be tried from other machines."""


class Tokens:
    """The bearer tokens that are good: several, so that one can be replaced without a gap."""

    def __init__(self, tokens: Sequence[str]) -> None:
        # Digests have one length, so comparing them tells nothing about a token's own.
        self._digests = [sha256(token.encode()).digest() for token in tokens]

    @property
    def needed(self) -> bool:
        """Whether a request needs a token at all."""
        return bool(self._digests)

    def check(self, authorization: str | None) -> None:
        """Let the request pass when ``Authorization`` holds a good token, or no token is set.

        Raises:
            PayloadRefusal: 401.
        """
        if not self._digests:
            return
        scheme, _, token = (authorization or "").partition(" ")
        given = sha256(token.strip(" \t").encode("latin-1")).digest()  # as Starlette decoded it
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]
        if scheme.lower() != "bearer" or not any(matches):
            raise PayloadRefusal(401, "a valid bearer token is needed", "Authorization")


def tokens_of(settings: ReceiverSettings) -> Tokens:
    """The tokens of the settings.

    Raises:
        SettingsError: none is set, or one is easy to guess, and other machines reach the address.
    """
    host, _ = address_of(settings.listen, "receiver.listen")
    tokens = [token.get_secret_value() for token in settings.tokens]
    if any(not token.strip() for token in tokens):
        raise SettingsError(
            coded("ZV3406", "a token of the receiver is empty"),
            place="receiver.tokens",
            remedy=Message("write it or drop it"),
        )
    if not tokens and not is_loopback(host):
        raise SettingsError(
            coded("ZV3407", "the receiver would take webhooks from anybody"),
            place="receiver.tokens",
            remedy=Message("set a token (receiver.tokens_file), or listen on 127.0.0.1 only"),
        )
    if not is_loopback(host) and any(len(token) < SHORTEST_TOKEN for token in tokens):
        raise SettingsError(
            coded(
                "ZV3406",
                "a token of the receiver has fewer than {shortest_token} characters",
                shortest_token=SHORTEST_TOKEN,
            ),
            place="receiver.tokens",
            remedy=Message("make a long one: openssl rand -hex 32; or listen on 127.0.0.1 only"),
        )
    return Tokens(tokens)


def check_type(content_type: str | None) -> None:
    """Let JSON in UTF-8 pass.

    Raises:
        PayloadRefusal: 415.
    """
    kind, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    charset = next((p.partition("=")[2] for p in parameters if p.startswith("charset=")), "utf-8")
    if kind != "application/json" or charset.strip('"') not in {"utf-8", "utf8"}:
        raise PayloadRefusal(415, "the body is application/json in UTF-8", "Content-Type")


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, read no further than the limit in bytes.

    Raises:
        PayloadRefusal: 413, or 422 when the sender is gone midway.
    """
    declared = request.headers.get("content-length", "0")
    size = 0
    parts: list[bytes] = []
    if not declared.isdecimal() or int(declared) > limit:
        raise PayloadRefusal(413, f"the body has more than {limit} bytes", "body")
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise PayloadRefusal(413, f"the body has more than {limit} bytes", "body")
            parts.append(part)
    except ClientDisconnect:
        raise PayloadRefusal(422, "the body was cut off", "body") from None
    return b"".join(parts)
