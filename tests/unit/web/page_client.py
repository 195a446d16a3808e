"""A page over a journal of sample runs, and a client that signs in as a browser would."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from zvirka.domain import RunStatus
from zvirka.fleet.status_lines import FleetStatus
from zvirka.journal.journal import Journal
from zvirka.reconcile.environment import Environment, open_environment
from zvirka.reconcile.request import Request, Summary
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.web.site import create_app

PASSWORD = "пароль-для-перевірки"
_CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HASH = _CHEAP.hash(PASSWORD)
SECRET = "s" * 40
USERS = [
    {"name": "olena", "role": "auditor", "password_hash": HASH},
    {"name": "taras", "role": "admin", "password_hash": HASH},
]


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


class Never:
    """Performs nothing, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def __call__(self, environment: Environment, request: Request) -> Summary:
        self.asked.append(request)
        return Summary(run=1, command=request.command, status=RunStatus.FINISHED, exit_code=0)


@dataclass
class PageClient:
    """A page to be asked."""

    journal: Journal
    environment: Environment
    clock: Clock
    performed: Any
    client: TestClient

    def get(self, path: str) -> httpx.Response:
        answer: httpx.Response = self.client.get(path)
        return answer

    def token(self, path: str = "/counterparty") -> str:
        """The CSRF token of the forms of a page."""
        return token_of(self.get(path).text)

    def post(self, path: str, token: str | None = None, **fields: str) -> httpx.Response:
        """Send a form with the token of this session, or another one."""
        given = self.token() if token is None else token
        answer: httpx.Response = self.client.post(path, data={"token": given, **fields})
        return answer

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """The page an answer leads to, or the answer itself."""
        return self.get(answer.headers["location"]) if answer.is_redirect else answer

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/sign-in", token=self.token("/sign-in"), name=name, password=password)


def token_of(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    return found[1] if found else ""


def settings_of(
    directory: Path, *, policy: Mapping[str, Any] | None = None, **web: Any
) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": directory,
            "onec": {"url": "https://1c.example.ua/bas/odata/standard.odata"},
            "erp": {"url": "sqlite:///erp.db"},
            "report": {"language": "en"},
            "policy": policy or {},
            "web": {"enabled": True, "secret": SECRET, "users": USERS, **web},
        }
    )


@contextmanager
def open_page(
    directory: Path,
    *,
    performed: Callable[[Environment, Request], Summary] | None = None,
    base_url: str = "http://localhost:8792",
    policy: Mapping[str, Any] | None = None,
    workers: Callable[[], FleetStatus] | None = None,
    **web: Any,
) -> Iterator[PageClient]:
    """The page over an empty journal, which the test fills."""
    settings = settings_of(directory, policy=policy, **web)
    clock, performing = Clock(), performed or Never()
    with open_environment(settings, mapping_of(settings)) as opened:
        environment = replace(opened, now=clock)
        app = create_app(environment, performed=performing, workers=workers)
        with TestClient(app, base_url=base_url, follow_redirects=False) as client:
            yield PageClient(environment.journal, environment, clock, performing, client)
