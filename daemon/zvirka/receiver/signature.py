"""``X-Zvirka-Signature``: proof that 1C sent this body, and sent it just now.

The header is ``t=SECONDS,v1=HEX``. ``SECONDS`` is the time of sending in seconds since 1970 UTC,
``HEX`` the HMAC-SHA256, in hexadecimal digits, of the canonical bytes: the digits of ``SECONDS``
as written, a full stop, the raw body. A header may hold several ``v1``, so that a key can be
replaced without a gap.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from zvirka.errors import SettingsError
from zvirka.message import Message, coded
from zvirka.receiver.payload import PayloadRefusal
from zvirka.settings.service_tables import ReceiverSettings

HEADER = "X-Zvirka-Signature"
WINDOW = 300
"""Seconds the time of sending may differ from ours, either way."""

_LONGEST = 1024
_TIME = re.compile(r"t=(\d{1,12})", re.ASCII)
_DIGEST = re.compile(r"v1=([0-9a-f]{64})", re.ASCII)


def sign(key: str, seconds: int, body: bytes) -> str:
    """The header for a body sent at ``seconds`` since 1970 UTC."""
    return f"t={seconds},v1={_digest(key.encode(), str(seconds), body)}"


class Signatures:
    """Checks the header against the keys that are good; without a key every request passes.

    ``window`` is in seconds.
    """

    def __init__(self, keys: Sequence[str], window: int = WINDOW) -> None:
        self._keys = [key.encode() for key in keys]
        self._window = window

    @property
    def needed(self) -> bool:
        """Whether a request needs a signature at all."""
        return bool(self._keys)

    def check(self, header: str | None, body: bytes, now: datetime) -> None:
        """Let the request pass when a good key signed it within the window around ``now``.

        Raises:
            PayloadRefusal: 401; the reason names neither the key nor what the signature should be.
        """
        if not self._keys:
            return
        seconds, digests = _parts(header or "")
        if abs(now.timestamp() - int(seconds)) > self._window:
            raise PayloadRefusal(401, "the signature is too old or from the future", HEADER)
        expected = [_digest(key, seconds, body) for key in self._keys]
        matches = [hmac.compare_digest(one, digest) for one in expected for digest in digests]
        if not any(matches):
            raise PayloadRefusal(401, "the signature does not match the body", HEADER)


def signatures_of(settings: ReceiverSettings) -> Signatures:
    """The signatures the settings ask for.

    Raises:
        SettingsError: the key is empty.
    """
    if settings.signature_key is None:
        return Signatures(())
    key = settings.signature_key.get_secret_value()
    if not key.strip():
        raise SettingsError(
            coded("ZV3406", "the signature key of the receiver is empty"),
            place="receiver.signature_key",
            remedy=Message("write it, e.g. from openssl rand -base64 32, or unset it"),
        )
    return Signatures((key,), round(settings.signature_window.total_seconds()))


def _parts(header: str) -> tuple[str, list[str]]:
    parts = [part.strip() for part in header[:_LONGEST].split(",")]
    times = [found[1] for part in parts if (found := _TIME.fullmatch(part))]
    digests = [found[1] for part in parts if (found := _DIGEST.fullmatch(part))]
    if len(times) != 1 or not digests:
        raise PayloadRefusal(401, "a signature t=SECONDS,v1=HEX is needed", HEADER)
    return times[0], digests


def _digest(key: bytes, seconds: str, body: bytes) -> str:
    return hmac.new(key, seconds.encode() + b"." + body, sha256).hexdigest()
