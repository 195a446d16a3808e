"""Runs the receiver: opens store and journal, and serves until asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from fastapi import FastAPI
from loguru import logger
from sqlalchemy import Engine

from zvirka.database_address import database_identity
from zvirka.erp.open_store import open_layout
from zvirka.erp.references import references_of
from zvirka.erp.sharing import sharing_of
from zvirka.erp.sql.engines import database_of
from zvirka.errors import LockHeldError, SettingsError, ZvirkaError
from zvirka.joined_apps import Unavailable, by_exact_path
from zvirka.journal.engine import journal_url, open_engine, schema_of
from zvirka.journal.receiver_turns import receiver_turns
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.net import address_of, serve_applications
from zvirka.now import Now, utc_now
from zvirka.policy import Policy
from zvirka.receiver.access import tokens_of
from zvirka.receiver.api import create_app
from zvirka.receiver.ingest import Ingest
from zvirka.receiver.payload import PayloadReader
from zvirka.receiver.signature import signatures_of
from zvirka.reconcile.links import Links
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

T = TypeVar("T")

_WHO = "zvirka"


def serve(
    settings: Settings,
    mapping: Mapping,
    *,
    further: Sequence[Settings] = (),
    web_app: Any = None,
    who: str = _WHO,
    clock: Now = utc_now,
    on_ready: Callable[[], None] | None = None,
    on_taken: Callable[[int], None] | None = None,
) -> None:
    """Serve webhooks, and the web page where its application is given, until SIGTERM or SIGINT.

    ``further`` are the settings of further flows, each of which has its own path on the same port.
    What waits is taken in and answered before this returns. ``who`` is named to a second receiver
    that finds this one at work. ``on_ready`` is called once every port is open, ``on_taken`` with
    the size of each batch taken in.

    Raises:
        SettingsError: no token on an open address, or a store the receiver must not write.
        JournalError, StoreError: a database cannot be used.
        LockHeldError: another receiver works on this journal, which is on SQLite.
        ZvirkaError: a port cannot be opened.
    """
    with receiver_apps(settings, mapping, further, who=who, clock=clock, on_taken=on_taken) as app:
        applications = [(app, address_of(settings.receiver.listen, "receiver.listen"))]
        if web_app is not None:
            applications.append((web_app, address_of(settings.web.listen, "web.listen")))
        serve_applications(applications, on_ready, trusted_proxies=settings.web.trusted_proxies)


@contextmanager
def receiver_apps(
    settings: Settings,
    mapping: Mapping,
    further: Sequence[Settings],
    *,
    who: str = _WHO,
    clock: Now = utc_now,
    on_taken: Callable[[int], None] | None = None,
) -> Iterator[Any]:
    """The receivers of several flows as one application, each on its own path.

    A further flow whose receiver cannot be opened answers 503, and does not stop the rest.

    Raises:
        SettingsError, JournalError, StoreError, LockHeldError: as :func:`serve`, of the first flow.
    """
    with ExitStack() as opened:
        first = opened.enter_context(
            receiver_app(settings, mapping, who=who, clock=clock, on_taken=on_taken)
        )
        apps: dict[str, Any] = {}
        for flow in further:
            if flow.erp.writer == "webhook":
                continue  # 1C posts to the ERP itself
            try:
                of_flow = mapping_of(flow)
                if not of_flow.is_pushed:
                    continue
                app = receiver_app(flow, of_flow, who=who, clock=clock)
                apps[flow.receiver.path] = opened.enter_context(app)
            except ZvirkaError as error:
                logger.error("the receiver of a flow is out", flow=flow.name, error=str(error))
                apps[flow.receiver.path] = Unavailable("the receiver of this flow is out")
        yield by_exact_path(first, apps)


@contextmanager
def receiver_app(
    settings: Settings,
    mapping: Mapping,
    *,
    who: str = _WHO,
    clock: Now = utc_now,
    on_taken: Callable[[int], None] | None = None,
) -> Iterator[FastAPI]:
    """The receiver's application over the settings' store and journal, closed on leaving.

    What an interrupted receiver left open is settled before the application is given.

    Raises:
        SettingsError, JournalError, StoreError, LockHeldError: as :func:`serve`.
    """
    tokens = tokens_of(settings.receiver)
    if not mapping.is_pushed:
        raise SettingsError(
            coded(
                "ZV3308",
                "the push module does not tell of the catalogue {catalog}",
                catalog=mapping.catalog,
            ),
            place="onec.profile",
            remedy=Message("serve the page alone: zvirka serve --only web"),
        )
    if settings.erp.writer == "webhook":
        raise SettingsError(
            coded(
                "ZV3308",
                "the receiver writes the store itself, and erp.writer says that only the ERP may",
            ),
            place="erp.writer",
            remedy=Message('let 1C post to the ERP, or set erp.writer = "sql"'),
        )
    references, referring = references_of(settings.name, settings.flows)
    opened = partial(
        open_layout, references=references, referring=referring, sharing=sharing_of(settings)
    )
    with (
        receiver_turns(settings, who=who, now=clock) as turns,
        # The store first: where both are one SQLite file, an embedded store creates it.
        _disposed(opened(settings.erp, mapping)) as (store, layout),
        _disposed(open_engine(settings)) as (journal, _),
    ):
        policy = Policy.of(settings.policy, soft_delete=layout.soft is not None)
        address = journal_url(settings)
        # A journal in a schema of its own does not see the ERP's tables.
        same = database_identity(address) == database_of(settings.erp)
        shared = same and not schema_of(address)
        ingest = Ingest(
            journal,
            store,
            layout,
            mapping,
            policy,
            clock,
            shared=shared,
            turns=turns,
            linked_flow=lambda row: Links(settings).flow_of(row),
        )
        with suppress(LockHeldError):  # then it is settled in the first turn
            ingest.recover()
        yield create_app(
            ingest,
            PayloadReader(mapping),
            tokens,
            signatures=signatures_of(settings.receiver),
            path=settings.receiver.path,
            max_body=settings.receiver.max_body,
            clock=clock,
            on_taken=on_taken,
        )


@contextmanager
def _disposed(opened: tuple[Engine, T]) -> Iterator[tuple[Engine, T]]:
    try:
        yield opened
    finally:
        opened[0].dispose()
