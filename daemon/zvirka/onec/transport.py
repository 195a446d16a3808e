"""One HTTP exchange with 1C, bounded in bytes and in total time.

Every exchange has a deadline, see :mod:`zvirka.deadline_session`; and a body is counted after
decompression while it arrives.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec
import requests
from loguru import logger
from requests.auth import AuthBase
from urllib3.exceptions import InsecureRequestWarning, NameResolutionError

from zvirka.deadline_session import DeadlineSession
from zvirka.errors import wrapped_errors
from zvirka.message import Message, coded
from zvirka.onec import failures

_CHUNK = 65536
_BOM = b"\xef\xbb\xbf"


class HttpAnswer(msgspec.Struct, frozen=True):
    """A whole answer; ``body`` is decompressed, without the byte order mark 1C may put first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Limits(msgspec.Struct, frozen=True):
    """Seconds to connect, to wait for the next bytes, for a whole exchange; bytes of one answer.

    The first request after idle takes 11–30 s; a whole ``$metadata`` weighs 17 MB.
    """

    connect: float = 60.0
    read: float = 180.0
    total: float = 600.0
    answer_bytes: int = 200_000_000


class BasicAuth(AuthBase):
    """Basic authentication of UTF-8 bytes: ``requests`` encodes a str as latin-1 and raises."""

    def __init__(self, user: str, password: str) -> None:
        self._header = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the header on the request."""
        request.headers["Authorization"] = self._header
        return request


_CERTIFICATE = {
    10: failures.CertificateExpiredError,
    62: failures.CertificateNameError,
    64: failures.CertificateNameError,  # an address instead of a name
}
"""Verify codes of OpenSSL; all others mean that the authority is not trusted."""
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


class Transport:
    """Sends requests to one publication; safe to use from two threads.

    Neither cookies, nor proxies and ``.netrc`` of the environment are used, unless ``proxy`` is
    ``"environment"``, which takes the proxies of the environment.

    Args:
        url: the base of the publication, for messages.
        limits: of each exchange.
        auth: the credentials; ``None`` without.
        verify: whether to verify TLS, or the path of a file with the authority's certificate.
        proxy: the URL of a proxy, ``"environment"``, or empty for none.
    """

    def __init__(
        self,
        url: str,
        limits: Limits,
        *,
        auth: AuthBase | None = None,
        verify: bool | str = True,
        proxy: str = "",
    ) -> None:
        self._url = url
        self._limits = limits
        self._verify = verify
        self._http = DeadlineSession(auth=auth, proxy=proxy)
        if verify is False and url.startswith("https://"):
            # Once a run, in words; urllib3 would say it with each request.
            warnings.simplefilter("ignore", InsecureRequestWarning)
            logger.warning("the certificate of 1C is not verified (onec.verify_tls)")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], limits: Limits | None = None
    ) -> HttpAnswer:
        """Send one request and receive its answer whole; redirects are not followed.

        Raises:
            OnecError: there was no answer, or not a whole one within the limits.
        """
        bounds = limits or self._limits
        with self._http.deadline(bounds.total) as expired, self._translated(url, bounds, expired):
            response = self._http.request(
                method,
                url,
                headers={"Accept": "application/json, application/xml, */*", **headers},
                timeout=(bounds.connect, bounds.read),
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = _received(response, url, bounds.answer_bytes)
            if expired.is_set():
                raise requests.exceptions.Timeout
            return HttpAnswer(response.status_code, response.headers, body.removeprefix(_BOM))
        raise AssertionError("unreachable")

    @contextmanager
    def _translated(self, url: str, limits: Limits, expired: threading.Event) -> Iterator[None]:
        """Turn the exceptions of ``requests`` into causes with a remedy."""
        place = url.partition("?")[0]
        try:
            yield
        except (requests.exceptions.RequestException, ValueError) as error:
            if expired.is_set():
                raise failures.TimedOutError(
                    cause=coded(
                        "ZV1105",
                        "1C did not finish its answer within {total} s",
                        total=round(limits.total),
                    ),
                    place=self._url,
                    remedy=Message(
                        "raise onec.total_timeout, or look at the load of the 1C server"
                    ),
                ) from error
            raise self._failure(error, place) from error

    def _failure(self, error: Exception, place: str) -> failures.OnecError:
        errors = requests.exceptions
        match error:
            case errors.ProxyError():
                proxy = self._http.proxies.get(urlsplit(self._url).scheme, "")
                return failures.UnreachableError(
                    cause=coded("ZV1109", "the proxy does not connect to 1C"),
                    place=f"{self._url} by the proxy {urlsplit(proxy).hostname or '?'}",
                    remedy=Message("correct onec.proxy, or leave it empty to connect directly"),
                )
            case errors.SSLError():
                return _tls_failure(error, self._url)
            case errors.Timeout():
                return failures.TimedOutError(place=self._url)
            case errors.ChunkedEncodingError() | errors.ContentDecodingError():
                return failures.CutShortError(place=place)
            case errors.ConnectionError():
                return _no_connection(error, self._url)
            case _:
                return failures.NotOdataError(
                    cause=coded("ZV1107", "the address of the publication cannot be asked"),
                    place=self._url,
                )


def _received(response: requests.Response, url: str, limit: int) -> bytes:
    """The body, read while it stays within the limit."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(_CHUNK):
        size += len(part)
        if size > limit:
            raise failures.TooLargeError(
                cause=coded("ZV1403", "an answer of 1C is larger than {limit} bytes", limit=limit),
                place=url.partition("?")[0],
            )
        parts.append(part)
    return b"".join(parts)


def _tls_failure(error: BaseException, place: str) -> failures.OnecError:
    """What is wrong with the certificate, or with TLS at all."""
    for seen in wrapped_errors(error):
        if isinstance(seen, ssl.SSLCertVerificationError):
            kind = _CERTIFICATE.get(seen.verify_code, failures.UntrustedAuthorityError)
            return kind(place=place)
        if isinstance(seen, ssl.SSLError) and seen.reason in _NO_TLS:
            return failures.PlainPortError(place=place)
        if isinstance(seen, ssl.SSLError) and seen.reason:
            return failures.TlsRefusedError(seen.reason.replace("_", " ").lower(), place=place)
    return failures.TlsRefusedError(place=place)


def _no_connection(error: BaseException, place: str) -> failures.OnecError:
    for seen in wrapped_errors(error):
        if isinstance(seen, socket.gaierror | NameResolutionError):
            return failures.UnknownHostError(place=place)
        if isinstance(seen, ConnectionRefusedError):
            return failures.PortRefusedError(place=place)
    return failures.UnreachableError(place=place)
