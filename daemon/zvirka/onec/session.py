"""One conversation with 1C: transport, authentication, one 1C session, bounded retries.

Without a session every request opens and closes one of 1C's, which is slow and takes a licence
each time. ``IBSession: start`` on the first request brings the cookie ``ibsession``, which goes
with the rest; ``IBSession: finish`` ends it. A publication that pools sessions by itself ignores
the header: no cookie is no error. A session that 1C forgot answers 400, 404 or 500 and is started
again, once a request.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec
import tenacity
from loguru import logger

from zvirka.message import Coded, Message, coded
from zvirka.onec import failures
from zvirka.onec.protocol import SourceTraffic
from zvirka.onec.responses import error_in
from zvirka.onec.transport import BasicAuth, HttpAnswer, Limits, Transport

T = TypeVar("T")

_COOKIE = "ibsession"
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]+")
_FORGETFUL = frozenset({400, 404, 500})
HEAVY = (
    failures.ServerFailureError,
    failures.TimedOutError,
    failures.CutShortError,
    failures.TooLargeError,
)
"""What a smaller page may avoid."""

_LONGEST_WAIT = 60.0
_CLOSING = Limits(connect=3.0, read=5.0, total=5.0, answer_bytes=1_000_000)
_SAFE = "/(),':;="
"""What 1C and IIS take as it is in a query; everything else, spaces above all, as %XX, never +."""


class OnecSession:
    """One session with one publication. A context manager: leaving it ends the session.

    Safe to use from two threads, which is as many requests at a time as 1C should get.

    Args:
        url: the base, ending in ``/odata/standard.odata/``; the slash is added when missing.
        user: the user name, usually Cyrillic; empty for a publication without authentication.
        password: its password.
        limits: of each exchange, in seconds and bytes.
        retries: repetitions of a read after a passing error.
        verify: whether to verify TLS, or the path of a file with the authority's certificate.
        proxy: see :class:`~zvirka.onec.transport.Transport`.
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
        limits: Limits | None = None,
        retries: int = 4,
        verify: bool | str = True,
        proxy: str = "",
        sessions: bool = True,
        closing: tuple[str, Mapping[str, str]] = ("", {}),
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.url = url.rstrip("/") + "/"
        self.traffic = SourceTraffic()
        self.retries = retries
        self.held = False
        """Whether 1C gave a session to hold; it does not where it pools them by itself."""
        self._closing = closing
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 – jitter, not a secret
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._unstarted = sessions
        self._cookie = ""
        self._secrets = tuple(secret for secret in (password, user) if secret)
        self._transport = Transport(
            self.url,
            limits or Limits(),
            auth=BasicAuth(user, password) if user else None,
            verify=verify,
            proxy=proxy,
        )

    def __enter__(self) -> OnecSession:
        return self

    def __exit__(self, *exc: object) -> None:
        """End the session on 1C's side and close the connections; never raises."""
        self.finish()
        self._transport.close()

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
            decode: converts the body, or raises ``msgspec.DecodeError``.
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
        if cookie:
            self._end(cookie)

    # -- repeating ---------------------------------------------------------------------------------

    def _wait(self, attempt: int, asked: float | None) -> float:
        grown = min(_LONGEST_WAIT, 0.5 * 2.0 ** (attempt - 1)) * (0.5 + self._rng.random())
        return min(_LONGEST_WAIT, max(grown, asked or 0.0))

    def _repeat(self, attempt: Callable[[], T], patient: bool) -> T:
        def again(error: BaseException) -> bool:
            known = isinstance(error, failures.OnecError) and error.passing
            return known and (patient or not isinstance(error, HEAVY))

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
        """One request within the 1C session, which is started first, and again if forgotten."""
        cookie = self._cookie
        answer = self._within_session(method, url)
        error = self._judge(answer, place)
        if error is None:
            return answer.body
        if cookie and answer.status in _FORGETFUL and error.internal_code in ("", "-1"):
            self._replace_forgotten(cookie, error)
            if self._cookie != cookie:
                answer = self._within_session(method, url)
                error = self._judge(answer, place)
                if error is None:
                    return answer.body
        raise error

    def _replace_forgotten(self, cookie: str, error: failures.OnecError) -> None:
        """Drop the session if 1C forgot it; a session that still works is kept.

        400, 404 and 500 mean many things. A cheap request in the same session tells: dropping a
        session that lives would leave it open on 1C's side, with its licence.
        """
        with self._starting:
            if self._cookie != cookie or self._lives(cookie):
                return
            logger.info("1C forgot the session, starting another", status=error.status)
            self._end(cookie)
            self._cookie, self._unstarted = "", True

    def _lives(self, cookie: str) -> bool:
        try:
            answer = self._send("GET", self.address(*self._closing), _carry(cookie), _CLOSING)
        except failures.OnecError:
            return True
        return self._judge(answer, self.url) is None

    def _end(self, cookie: str) -> None:
        """Finish a session on 1C's side; an error is logged only."""
        headers = {"IBSession": "finish", **_carry(cookie)}
        try:
            self._send("GET", self.address(*self._closing), headers, _CLOSING)
        except failures.OnecError as error:
            logger.debug("the 1C session could not be finished", reason=type(error).__name__)

    def _within_session(self, method: str, url: str) -> HttpAnswer:
        if self._unstarted:
            with self._starting:
                if self._unstarted:
                    answer = self._send(method, url, {"IBSession": "start"})
                    self._adopt(answer)
                    return answer
        return self._send(method, url, _carry(self._cookie))

    def _adopt(self, answer: HttpAnswer) -> None:
        """Take over the session that the answer offers; an answer that failed offers none."""
        found = ""
        try:
            jar = SimpleCookie(answer.headers.get("Set-Cookie", ""))
            found = jar[_COOKIE].value if _COOKIE in jar else ""
        except CookieError:
            found = ""
        self._cookie = found if _COOKIE_VALUE.fullmatch(found) else ""
        self.held = bool(self._cookie)
        self._unstarted = not self.held and answer.status >= 400

    def _judge(self, answer: HttpAnswer, place: str) -> failures.OnecError | None:
        return error_in(answer, place=place, secrets=self._secrets)

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], limits: Limits | None = None
    ) -> HttpAnswer:
        with self._lock:
            self.traffic.requests += 1
        answer = self._transport.send(method, url, headers, limits)
        with self._lock:
            self.traffic.bytes += len(answer.body)
        return answer


def _carry(cookie: str) -> dict[str, str]:
    """The header that names the session; none without one."""
    return {"Cookie": f"{_COOKIE}={cookie}"} if cookie else {}


def decoded(body: bytes, decode: Callable[[bytes], T], *, place: str) -> T:
    """Decode a body.

    Raises:
        CutShortError: not the JSON it should be; asking again may help.
        UnexpectedAnswerError: well-formed, of another shape.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise failures.UnexpectedAnswerError(place=place, cause=_shape(error)) from None
    except msgspec.DecodeError as error:
        if body[:512].lstrip().startswith(b"<"):
            raise failures.NotOdataError(
                cause=coded("ZV1107", "1C answered in XML (Atom) though JSON was asked for"),
                place=place,
                remedy=Message(
                    "let the web server or proxy pass $format and the Accept header to 1C"
                ),
            ) from error
        cause = coded(
            "", "{cause} ({details})", cause=failures.CutShortError.says, details=str(error)
        )
        raise failures.CutShortError(cause=cause, place=place) from error
    except (UnicodeDecodeError, RecursionError) as error:
        utf8 = isinstance(error, UnicodeDecodeError)
        reason = Message("it is not UTF-8") if utf8 else Message("nested too deep")
        cause = coded("", "{cause} ({details})", cause=failures.CutShortError.says, details=reason)
        raise failures.CutShortError(cause=cause, place=place) from None


def _shape(error: msgspec.ValidationError) -> Coded:
    """The validation error without values: msgspec names types and places only."""
    says = failures.UnexpectedAnswerError.says
    return coded("", "{cause}: {details}", cause=says, details=str(error))
