"""Who may sign in: the users of the settings, their roles, and their passwords' argon2 hashes."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Literal

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from zvirka.errors import SettingsError
from zvirka.message import Message, coded
from zvirka.settings.service_tables import UserSettings

Role = Literal["auditor", "admin"]

LONGEST_PASSWORD = 1024
"""In characters; a longer one is refused before it costs a hash."""

_AT_ONCE = 2
"""Passwords checked at the same time: each takes 64 MiB and a core."""
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class User:
    """One who may sign in. ``mark`` changes with the password: it ends the sessions before."""

    name: str
    role: Role
    mark: str

    @property
    def acts(self) -> bool:
        """Whether the user may do more than read."""
        return self.role == "admin"


def normalized(name: str) -> str:
    """A user name as it is compared: a keyboard may compose «й» in one character or in two."""
    return unicodedata.normalize("NFC", name.strip())


class CrowdedError(Exception):
    """Too many passwords are being checked at this moment."""


class Users:
    """The users of the settings.

    Raises:
        SettingsError: there are no users, or a hash is not an argon2 hash.
    """

    def __init__(self, users: Sequence[UserSettings]) -> None:
        if not users:
            raise SettingsError(
                coded("ZV3412", "nobody could sign in to the page"),
                place="web.users",
                remedy=Message("add [[web.users]] with a name, a role and a password_hash"),
            )
        self._users: dict[str, User] = {}
        self._hashes: dict[str, str] = {}
        for place, settings in enumerate(users):
            hashed = settings.password_hash.get_secret_value()
            _check_hash(hashed, f"web.users.{place}.password_hash")
            mark = sha256(hashed.encode()).hexdigest()[:16]
            name = normalized(settings.name)
            self._users[name] = User(name, settings.role, mark)
            self._hashes[name] = hashed
        # As dear as a real one, so that the time of an answer does not tell who exists.
        parameters = extract_parameters(next(iter(self._hashes.values())))
        self._dummy = PasswordHasher.from_parameters(parameters).hash(token_urlsafe(32))
        self._hasher = PasswordHasher()
        self._turnstile = threading.BoundedSemaphore(_AT_ONCE)

    def get(self, name: str) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    def check(self, name: str, password: str) -> User | None:
        """The user when the password is theirs; takes as long for a name that nobody has.

        Raises:
            CrowdedError: too many others are signing in; nothing was checked.
        """
        if len(password) > LONGEST_PASSWORD:
            password = ""
        if not self._turnstile.acquire(timeout=_PATIENCE_SECONDS):
            raise CrowdedError
        try:
            self._hasher.verify(self._hashes.get(name, self._dummy), password)
        except VerificationError:
            return None
        finally:
            self._turnstile.release()
        return self._users.get(name)


def _check_hash(hashed: str, place: str) -> None:
    try:
        extract_parameters(hashed)
    except InvalidHashError:
        raise SettingsError(
            coded("ZV3412", "a password hash is not an argon2 hash"),
            place=place,
            remedy=Message("take the line that `zvirka web hash-password` prints"),
        ) from None
