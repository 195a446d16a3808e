"""One conversation with 1C: transport, authentication, one 1C session, bounded retries.

Without a session every request opens and closes one of 1C's, which is slow and takes a licence
each time. ``IBSession: start`` on the first request brings the cookie ``ibsession``, which goes
with the rest; ``IBSession: finish`` ends it. A publication that pools sessions by itself ignores
the header: no cookie is no error. A session that 1C forgot answers 400, 404 or 500 and is started
anew, once a request.
"""

from __future__ import annotations

import base64
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from http.cookies import CookieError, SimpleCookie
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec
import requests
import tenacity
from loguru import logger
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from zvirka.onec import failures
from zvirka.onec.protocol import SourceTraffic
from zvirka.onec.responses import error_in

T = TypeVar("T")

_COOKIE = "ibsession"
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]+")
_FORGETFUL = frozenset({400, 404, 500})
HEAVY = (failures.ServerFailureError, failures.TimedOutError, failures.CutShortError)
"""What a smaller page may avoid."""

_LONGEST_WAIT = 60.0
_CLOSING_TIMEOUTS = (5.0, 20.0)
_SAFE = "/(),':;="
"""What 1C and IIS take as it is in a query; everything else, spaces above all, as %XX, never +."""


class Basic(AuthBase):
    """Basic authentication of UTF-8 bytes: `requests` takes a str for latin-1 and raises.

    Being an ``auth`` and not a header it also keeps a stray .netrc out.
    """

    def __init__(self, user: str, password: str) -> None:
        token = base64.b64encode(f"{user}:{password}".encode())
        self._header = b"Basic " + token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the header on the request."""
        request.headers["Authorization"] = self._header.decode()
        return request


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds to connect and to wait for bytes. The first request after idle takes 11–30 s."""

    connect: float = 60.0
    read: float = 180.0


class OnecSession:
    """One session with one publication. A context manager: leaving it ends the session.

    Safe to use from two threads, which is as many requests at a time as 1C should get.

    Args:
        url: the base, ending in ``/odata/standard.odata/``; the slash is added when missing.
        user: the user name, usually Cyrillic; empty for a publication without authentication.
        password: its password.
        timeouts: of connecting and reading, in seconds.
        retries: repetitions of a read after a passing error.
        verify: whether to verify TLS, or the path of a file with the authority's certificate.
        sessions: whether to hold one 1C session for all requests.
        closing: a cheap path with its query, to ask with ``IBSession: finish``.
        sleep: how to wait between repetitions.
        rng: where jitter comes from.
    """

    def __init__(
        self,
        url: str,
        user: str = "",
        password: str = "",
        *,
        timeouts: Timeouts | None = None,
        retries: int = 4,
        verify: bool | str = True,
        sessions: bool = True,
        closing: tuple[str, Mapping[str, str]] = ("", {}),
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        timeouts = timeouts or Timeouts()
        self.url = url.rstrip("/") + "/"
        self.traffic = SourceTraffic()
        self.retries = retries
        self.held = False
        """Whether 1C gave a session to hold; it does not where it pools them by itself."""
        self._timeouts = (timeouts.connect, timeouts.read)
        self._verify = verify
        self._closing = closing
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 – jitter, not a secret
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._unstarted = sessions
        self._cookie = ""
        self._http = requests.Session()
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._http.auth = Basic(user, password) if user else None
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, HTTPAdapter(pool_maxsize=2, max_retries=0))

    def __enter__(self) -> OnecSession:
        return self

    def __exit__(self, *exc: object) -> None:
        """End the session on 1C's side and close the connections; never raises."""
        self.finish()
        self._http.close()

    # -- what others ask -------------------------------------------------------------------------

    def address(self, path: str, params: Mapping[str, str] | None = None) -> str:
        """The full URL of a path below the base, with its query, encoded the way 1C reads it."""
        query = urlencode(params or {}, safe=_SAFE + "$", quote_via=quote)
        return self.url + quote(path, safe=_SAFE + "$") + (f"?{query}" if query else "")

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        decode: Callable[[bytes], T],
        patient: bool = True,
    ) -> T:
        """Read and decode; a passing error, a body cut short included, is tried again.

        Args:
            path: below the base, not encoded.
            params: the query, not encoded.
            decode: makes of the body what is wanted, or raises ``msgspec.DecodeError``.
            patient: whether to repeat on a failure that a smaller page may avoid.

        Raises:
            OnecError: the cause, after the last attempt.
        """
        url = self.address(path, params)

        def attempt() -> T:
            body = self._exchange("GET", url, place=self.url + path)
            return decoded(body, decode, place=self.url + path)

        return self._repeat(attempt, patient)

    def post(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        """Call a function with side effects: repeated only where 1C had forgotten the session.

        Raises:
            OnecError: the cause; whether 1C did it may be unknown then.
        """
        return self._exchange("POST", self.address(path, params), place=self.url + path)

    def pause(self, attempt: int) -> None:
        """Wait as before repetition number ``attempt`` (from 1), and count it."""
        with self._lock:
            self.traffic.retries += 1
        self._sleep(self._wait(attempt, None))

    def finish(self) -> None:
        """Give the 1C session back; an error in it is logged only: the work is done or failed."""
        with self._lock:
            cookie, self._cookie, self.held = self._cookie, "", False
        if not cookie:
            return
        headers = {"IBSession": "finish", **_carry(cookie)}
        try:
            self._send("GET", self.address(*self._closing), headers, _CLOSING_TIMEOUTS)
        except failures.OnecError as error:
            logger.debug("the 1C session could not be finished", reason=type(error).__name__)

    # -- repeating ---------------------------------------------------------------------------------

    def _wait(self, attempt: int, asked: float | None) -> float:
        grown = min(_LONGEST_WAIT, 0.5 * 2.0 ** (attempt - 1)) * (0.5 + self._rng.random())
        return min(_LONGEST_WAIT, max(grown, asked or 0.0))

    def _repeat(self, attempt: Callable[[], T], patient: bool) -> T:
        def again(error: BaseException) -> bool:
            heavy = isinstance(
                error, failures.ServerFailureError | failures.TimedOutError | failures.CutShortError
            )
            return (
                isinstance(error, failures.OnecError) and error.passing and (patient or not heavy)
            )

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return self._wait(state.attempt_number, getattr(error, "retry_after", None))

        def note(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            with self._lock:
                self.traffic.retries += 1
            logger.info(
                "1C did not serve a read, asking again",
                reason=type(error).__name__,
                attempt=state.attempt_number,
            )

        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.retries + 1),
            retry=tenacity.retry_if_exception(again),
            wait=wait,
            sleep=self._sleep,
            before_sleep=note,
            reraise=True,
        )(attempt)

    # -- one exchange ------------------------------------------------------------------------------

    def _exchange(self, method: str, url: str, *, place: str) -> bytes:
        """One request within the 1C session, which is started first or, if forgotten, anew."""
        cookie = self._cookie
        response = self._within_session(method, url)
        error = self._judge(response, place)
        if error is None:
            return response.content
        if cookie and response.status_code in _FORGETFUL and error.code in ("", "-1"):
            with self._starting:
                if self._cookie == cookie:
                    logger.info("1C forgot the session, starting anew", status=error.status)
                    self._cookie, self._unstarted = "", True
            response = self._within_session(method, url)
            error = self._judge(response, place)
            if error is None:
                return response.content
        raise error

    def _within_session(self, method: str, url: str) -> requests.Response:
        if self._unstarted:
            with self._starting:
                if self._unstarted:
                    response = self._send(method, url, {"IBSession": "start"})
                    self._adopt(response)
                    return response
        return self._send(method, url, _carry(self._cookie))

    def _adopt(self, response: requests.Response) -> None:
        """Take over the session that the answer offers; an answer that failed offers none."""
        found = ""
        try:
            jar = SimpleCookie(response.headers.get("Set-Cookie", ""))
            found = jar[_COOKIE].value if _COOKIE in jar else ""
        except CookieError:
            found = ""
        self._cookie = found if _COOKIE_VALUE.fullmatch(found) else ""
        self.held = bool(self._cookie)
        self._unstarted = not self.held and not response.ok

    def _judge(self, response: requests.Response, place: str) -> failures.OnecError | None:
        wait = response.headers.get("Retry-After", "")
        return error_in(
            response.status_code,
            response.headers.get("Content-Type", ""),
            response.content,
            place=place,
            retry_after=float(wait) if wait.isascii() and wait.isdigit() else None,
        )

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        timeouts: tuple[float, float] | None = None,
    ) -> requests.Response:
        place = url.partition("?")[0]
        with self._lock:
            self.traffic.requests += 1
        try:
            response = self._http.request(
                method,
                url,
                headers={"Accept": "application/json, application/xml, */*", **headers},
                timeout=timeouts or self._timeouts,
                verify=self._verify,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise failures.TlsRefusedError(place=self.url) from error
        except requests.exceptions.Timeout as error:
            raise failures.TimedOutError(place=self.url) from error
        except (
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            raise failures.CutShortError(place=place) from error
        except requests.exceptions.ConnectionError as error:
            raise failures.UnreachableError(place=self.url) from error
        except (requests.exceptions.RequestException, ValueError) as error:
            raise failures.NotOdataError(
                cause="the address of the publication cannot be asked", place=self.url
            ) from error
        with self._lock:
            self.traffic.bytes += len(response.content)
        return response


def _carry(cookie: str) -> dict[str, str]:
    """The header that names the session; none without one."""
    return {"Cookie": f"{_COOKIE}={cookie}"} if cookie else {}


def decoded(body: bytes, decode: Callable[[bytes], T], *, place: str) -> T:
    """Decode a body; what is not well-formed was cut short, what is but differs is unexpected.

    Raises:
        CutShortError: not the JSON it should be; asking again may help.
        UnexpectedAnswerError: well-formed, of another shape.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise failures.UnexpectedAnswerError(place=place, cause=_shape(error)) from None
    except msgspec.DecodeError as error:
        cause = f"{failures.CutShortError.says} ({error})"
        raise failures.CutShortError(cause=cause, place=place) from error
    except UnicodeDecodeError:
        cause = f"{failures.CutShortError.says} (it is not UTF-8)"
        raise failures.CutShortError(cause=cause, place=place) from None


def _shape(error: msgspec.ValidationError) -> str:
    """The validation error without values: msgspec names types and places only."""
    return f"{failures.UnexpectedAnswerError.says}: {error}"
