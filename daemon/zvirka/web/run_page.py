"""Runs the web page, alone or in one process with the receiver."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from loguru import logger
from starlette.applications import Starlette

from zvirka.errors import SettingsError, ZvirkaError
from zvirka.fleet.performing import perform_at_worker, workers_of
from zvirka.joined_apps import below_paths
from zvirka.journal.standing import flow_state
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.net import address_of, serve_applications
from zvirka.reconcile.environment import Environment, open_environment
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of
from zvirka.web.request_context import FlowLink
from zvirka.web.site import create_app, sign_ins_of


@contextmanager
def page(
    settings: Settings, mapping: Mapping, origins: abc.Mapping[str, str] | None = None
) -> Iterator[Starlette]:
    """Yield the page's application; the journals are closed on leaving.

    Further flows have their pages below ``/flows/NAME``, with the same users and sign-ins. One
    whose journal cannot be opened does not stop the rest.

    Raises:
        SettingsError: there are no users, or there is no secret to sign the cookies.
        JournalError: the journal cannot be opened.
    """
    if len(settings.flows) == 1:
        with open_environment(settings, mapping) as environment:
            yield create_app(
                environment,
                performed=perform_at_worker,
                origins=origins,
                workers=workers_of(settings),
            )
        return
    with ExitStack() as opened:
        first = opened.enter_context(open_environment(settings, mapping))
        environments = {settings.name: first, **dict(_further(settings, opened))}
        sign_ins = sign_ins_of(settings.web, first.now)

        def links() -> list[FlowLink]:
            return [_link(name, settings.name, environments.get(name)) for name in settings.flows]

        apps = {
            name: create_app(
                environment,
                performed=perform_at_worker,
                origins=origins if name == settings.name else None,
                sign_ins=sign_ins,
                flow=name,
                flows=links,
                workers=workers_of(settings),
            )
            for name, environment in environments.items()
        }
        others = {_address(name): app for name, app in apps.items() if name != settings.name}
        yield below_paths(apps[settings.name], others)


def _further(settings: Settings, opened: ExitStack) -> Iterator[tuple[str, Environment]]:
    for name, further in settings.flows.items():
        if name == settings.name:
            continue
        try:
            environment = open_environment(further, mapping_of(further))
            yield name, opened.enter_context(environment)
        except ZvirkaError as error:
            logger.error("the page of a flow is out", flow=name, error=str(error))


def _address(name: str) -> str:
    return f"/flows/{name}"


def _link(name: str, first: str, environment: Environment | None) -> FlowLink:
    address = "/" if name == first else f"{_address(name)}/"
    if environment is None:
        return FlowLink(name, address)
    now, journal = environment.now(), environment.journal
    try:
        waiting = bool(journal.held(now))
        with journal.reading() as connection:
            state = flow_state(connection, now)
    except ZvirkaError:
        return FlowLink(name, address)
    stale_after = environment.settings.schedule.stale_after
    return FlowLink(name, address, state.standing(now, waiting=waiting, stale_after=stale_after))


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
