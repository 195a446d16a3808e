"""Runs the web page, alone or in one process with the receiver."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.applications import Starlette

from zvirka.errors import SettingsError
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.net import address_of, serve_applications
from zvirka.reconcile.environment import open_environment
from zvirka.settings.model import Settings
from zvirka.web.site import create_app


@contextmanager
def page(
    settings: Settings, mapping: Mapping, origins: abc.Mapping[str, str] | None = None
) -> Iterator[Starlette]:
    """Yield the page's application; the journal is closed on leaving.

    Raises:
        SettingsError: there are no users, or there is no secret to sign the cookies.
        JournalError: the journal cannot be opened.
    """
    with open_environment(settings, mapping) as environment:
        yield create_app(environment, origins=origins)


def serve_page(
    settings: Settings,
    mapping: Mapping,
    *,
    origins: abc.Mapping[str, str] | None = None,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve the page alone until SIGTERM or SIGINT.

    Raises:
        SettingsError: the page is disabled, or as :func:`page`.
        JournalError: the journal cannot be opened.
        ZvirkaError: its port cannot be opened.
    """
    if not settings.web.enabled:
        raise SettingsError(
            coded("ZV3410", "the page is disabled"),
            place="web.enabled",
            remedy=Message("set web.enabled = true and add users"),
        )
    with page(settings, mapping, origins) as app:
        address = address_of(settings.web.listen, "web.listen")
        serve_applications([(app, address)], on_ready, trusted_proxies=settings.web.trusted_proxies)
