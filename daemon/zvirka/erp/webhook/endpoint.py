"""The ERP's webhook as an HTTP endpoint: one post, and what its answer is worth.

The answer is only a hint (a status proves nothing about the store). No body, sent or received,
ever goes into a log or an exception: it is personal data.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from zvirka.deadline_session import DeadlineSession, verified_by
from zvirka.errors import NOT_JSON, SettingsError, wrapped_errors
from zvirka.message import Message, coded
from zvirka.settings.model import WebhookSettings

LONGEST_ANSWER = 65_536
"""Bytes of an answer that are read."""

LONGEST_PAUSE = 60.0
"""Seconds; a longer Retry-After is cut to this."""


DEFAULT_PAUSE = 5.0
"""Seconds to wait where the answer asks for a pause and does not say how long."""


HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Accept": "application/json",
    "User-Agent": "zvirka",
    "Connection": "close",
}


class EndpointAnswer(StrEnum):
    """What an answer says about whether the ERP took the message."""

    ACCEPTED = "accepted"  # it says so
    REFUSED = "refused"  # it says no, and has ended
    LATER = "later"  # 429: not now
    BROKEN = "broken"  # it failed on the way; some of it may have been done, and has ended
    UNCLEAR = "unclear"  # no answer, or a gateway's: it may still be at work
    UNREACHABLE = "unreachable"  # nothing was sent


class Reply(msgspec.Struct, frozen=True):
    """An answer, with a text for reports that holds no data, and how long to wait (seconds)."""

    answer: EndpointAnswer
    text: Message
    pause: float = 0.0
    unauthorised: bool = False


class _Bearer(AuthBase):
    """A bearer token, or none."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Endpoint:
    """Posts messages as the push module does. One of them may be used by several threads.

    Raises:
        SettingsError: the address is not http or https, or ``ca_file`` holds no certificate.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        if not settings.url.startswith(("http://", "https://")):
            raise SettingsError(
                coded("ZV3306", "the address of the ERP's webhook is not http or https"),
                place="erp.webhook.url",
                remedy=Message("write it as https://erp.example.ua/api/webhook/1c/clients"),
            )
        self._url = settings.url
        self.place = place_of(settings.url)
        self._timeout = settings.timeout.total_seconds()
        self._proxy = settings.proxy
        self._auth = _auth(settings)
        self._verify = verified_by(
            settings.ca_file, "erp.webhook.ca_file", verify=settings.verify_tls
        )

    def post(self, message: Mapping[str, Any]) -> Reply:
        """Send one message once; no redirect is followed, nothing is repeated.

        Each goes over a connection of its own: a kept one that the server has just closed would
        look like an unclear answer.
        """
        return self._send("POST", msgspec.json.encode(message))

    def probe(self) -> Reply:
        """Ask what the address takes: proves name, port, certificate and access, writes nothing."""
        return self._send("OPTIONS", b"")

    def _send(self, method: str, body: bytes) -> Reply:
        expired = threading.Event()
        try:
            with (
                DeadlineSession(auth=self._auth, proxy=self._proxy) as http,
                http.deadline(self._timeout) as expired,
                http.request(
                    method,
                    self._url,
                    data=body,
                    headers=HEADERS,
                    timeout=self._timeout,
                    verify=self._verify,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                answer = response.raw.read(LONGEST_ANSWER, decode_content=True)
                if expired.is_set():
                    raise requests.Timeout
                return judge(response.status_code, response.headers, answer)
        except requests.ConnectTimeout:
            return Reply(
                EndpointAnswer.UNREACHABLE, Message("the webhook could not be connected to in time")
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            return _no_answer(error, self._timeout, late=expired.is_set())


def place_of(url: str) -> str:
    """The address without user, password, query and fragment, for messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What an HTTP answer is worth."""
    text = Message("HTTP {status}", status=str(status))
    if status == 429:
        return Reply(EndpointAnswer.LATER, text, _pause(headers.get("Retry-After", "")))
    if status in {502, 504, 408}:
        return Reply(EndpointAnswer.UNCLEAR, text)
    if status >= 500:
        return Reply(EndpointAnswer.BROKEN, text, _pause(headers.get("Retry-After", "0")))
    if status in {401, 407}:
        return Reply(EndpointAnswer.REFUSED, text, unauthorised=True)
    if status >= 300:
        return Reply(EndpointAnswer.REFUSED, text)
    if body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        return Reply(
            EndpointAnswer.REFUSED, Message("{answer} with a page instead of JSON", answer=text)
        )
    if _says_no(body):
        return Reply(
            EndpointAnswer.REFUSED, Message("{answer} whose JSON says that it failed", answer=text)
        )
    return Reply(EndpointAnswer.ACCEPTED, text)


def _says_no(body: bytes) -> bool:
    try:
        content = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except NOT_JSON:
        return False
    if not isinstance(content, dict):
        return False
    return content.get("success") is False or content.get("ok") is False


def _no_answer(error: BaseException, timeout: float, *, late: bool) -> Reply:
    reasons = [type(reason) for reason in wrapped_errors(error)]
    if any(issubclass(kind, ssl.SSLCertVerificationError) for kind in reasons):
        return Reply(
            EndpointAnswer.UNREACHABLE, Message("the TLS certificate of the webhook is not trusted")
        )
    if any(issubclass(kind, NewConnectionError) for kind in reasons):
        return Reply(EndpointAnswer.UNREACHABLE, Message("the webhook could not be connected to"))
    timeouts = requests.Timeout | TimeoutError | ReadTimeoutError
    if late or any(issubclass(kind, timeouts) for kind in reasons):
        return Reply(
            EndpointAnswer.UNCLEAR, Message("no answer within {seconds} s", seconds=f"{timeout:g}")
        )
    return Reply(
        EndpointAnswer.UNCLEAR, Message("the connection was cut before the answer was whole")
    )


def _pause(retry_after: str) -> float:
    """Seconds of a Retry-After; the form with a date is not worth a clock here."""
    wait = retry_after.strip()
    if not (wait.isascii() and wait.isdigit()):
        return DEFAULT_PAUSE
    return min(float(wait), LONGEST_PAUSE)


def _auth(settings: WebhookSettings) -> AuthBase:
    if settings.token is not None:
        return _Bearer(settings.token.get_secret_value())
    if settings.user:
        password = settings.password.get_secret_value() if settings.password else ""
        return HTTPBasicAuth(settings.user.encode(), password.encode())
    return _Bearer("")
