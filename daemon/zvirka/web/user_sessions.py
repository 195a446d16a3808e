"""Sessions in a signed cookie, and the CSRF token bound to each.

The cookie holds a random id, the user's name, the mark of the password and when it ends; nothing
is kept on the server but the ids of sessions that were ended by signing out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from itsdangerous import BadSignature, Signer, URLSafeSerializer

from zvirka.web.users import User, Users

ANONYMOUS_FOR = timedelta(hours=1)
"""How long a sign-in form is good."""


@dataclass(frozen=True, slots=True)
class UserSession:
    """One browser; ``user`` is ``None`` before signing in. ``ends`` is aware."""

    sid: str
    user: User | None
    ends: datetime


class UserSessions:
    """Makes and reads cookies.

    Args:
        secret: signs them.
        users: whose names are in the cookies.
        lasting: how long a session is good after signing in.
        now: the clock, aware.
    """

    def __init__(
        self, secret: str, users: Users, lasting: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._cookies = URLSafeSerializer(
            secret, salt="zvirka.session", signer_kwargs={"digest_method": sha256}
        )
        self._tokens = Signer(
            secret, salt="zvirka.csrf", key_derivation="hmac", digest_method=sha256
        )
        self._devices = URLSafeSerializer(
            secret, salt="zvirka.device", signer_kwargs={"digest_method": sha256}
        )
        self._users = users
        self._lasting = lasting
        self._now = now
        self._ended: dict[str, datetime] = {}

    def begin(self, user: User | None = None) -> UserSession:
        """A new session with an unpredictable id."""
        lasting = self._lasting if user else ANONYMOUS_FOR
        return UserSession(token_urlsafe(24), user, self._now() + lasting)

    def of_proxy(self, name: str) -> UserSession | None:
        """The session of a user that a trusted proxy has signed in; ``None`` for an unknown one."""
        user = self._users.get(name)
        if user is None:
            return None
        return UserSession(f"proxy {name} {user.mark}", user, self._now() + self._lasting)

    def read(self, cookie: str | None) -> UserSession | None:
        """The session of a cookie, when it is ours, not over, and its user still the same."""
        if not cookie:
            return None
        try:
            sid, name, mark, ends = self._cookies.loads(cookie)
            until = datetime.fromisoformat(ends)
        except (BadSignature, ValueError, TypeError):
            return None
        if until <= self._now() or sid in self._ended:
            return None
        user = self._users.get(name) if name else None
        if name and (user is None or user.mark != mark):
            return None
        return UserSession(sid, user, until)

    def cookie(self, session: UserSession) -> str:
        """The cookie's value."""
        name, mark = (session.user.name, session.user.mark) if session.user else ("", "")
        signed = self._cookies.dumps([session.sid, name, mark, session.ends.isoformat()])
        return signed if isinstance(signed, str) else signed.decode()

    def end(self, session: UserSession) -> None:
        """End the session for good."""
        now = self._now()
        self._ended = {sid: ends for sid, ends in self._ended.items() if ends > now}
        self._ended[session.sid] = session.ends

    def device_cookie(self, user: User) -> str:
        """The value of a cookie that marks a browser its user has signed in with."""
        signed = self._devices.dumps([token_urlsafe(16), user.name])
        return signed if isinstance(signed, str) else signed.decode()

    def device_of(self, cookie: str | None, name: str) -> str:
        """The id of the browser when that user has signed in with it before, else empty."""
        if not cookie:
            return ""
        try:
            device, owner = self._devices.loads(cookie)
        except (BadSignature, ValueError, TypeError):
            return ""
        return str(device) if owner == name else ""

    def token(self, session: UserSession) -> str:
        """The CSRF token of the session's forms."""
        return self._tokens.get_signature(session.sid).decode()

    def good(self, session: UserSession, token: str) -> bool:
        """Whether the token is that of the session; compared in constant time."""
        return self._tokens.verify_signature(session.sid, token)
