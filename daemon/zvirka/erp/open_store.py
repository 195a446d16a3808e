"""Opening a store and its writer from the settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, Engine

from zvirka.domain import Correction
from zvirka.erp.embedded import TABLE, create_embedded, effective
from zvirka.erp.protocol import Store, Writer
from zvirka.erp.references import NO_REFERENCES, References, ReferringTable
from zvirka.erp.sharing import ALONE, Sharing
from zvirka.erp.sql.engines import store_engine, store_name, store_url
from zvirka.erp.sql.store import SqlStore
from zvirka.erp.sql.table_layout import TableLayout, read_layout
from zvirka.erp.sql.writer import SqlWriter
from zvirka.erp.webhook.endpoint import Endpoint
from zvirka.erp.webhook.rate import RequestRate
from zvirka.erp.webhook.writer import WebhookWriter
from zvirka.errors import SettingsError
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings


def open_store(
    erp: ErpSettings,
    mapping: Mapping,
    *,
    references: References = NO_REFERENCES,
    referring: Sequence[ReferringTable] = (),
    sharing: Sharing = ALONE,
) -> Store:
    """Open the store for reading; the embedded one is created where its file does not exist.

    ``references`` and ``referring`` are what :func:`zvirka.erp.references.references_of` gives,
    ``sharing`` what :func:`zvirka.erp.sharing.sharing_of` does.

    Raises:
        SettingsError: the URL or the mapping does not fit.
        StoreError: the database cannot be reached, or a table does not exist.
    """
    engine, layout = open_layout(
        erp, mapping, references=references, referring=referring, sharing=sharing
    )
    return SqlStore(engine, layout)


def open_writer(
    erp: ErpSettings,
    mapping: Mapping,
    *,
    confirm: Callable[[Correction], bool] | None = None,
    references: References = NO_REFERENCES,
    referring: Sequence[ReferringTable] = (),
) -> Writer:
    """Open the writer the settings name.

    ``confirm`` asks 1C, just before the webhook writer posts, whether a correction is still
    wanted; it is called from threads, one at a time. The SQL writer does not need it.

    Raises:
        SettingsError: the URL or the mapping does not fit, or ``[erp.webhook]`` is missing.
        StoreError: the database cannot be reached, or a table does not exist.
    """
    endpoint = _endpoint(erp) if erp.writer == "webhook" else None
    engine, layout = open_layout(erp, mapping, references=references, referring=referring)
    if endpoint is None or erp.webhook is None:
        return SqlWriter(engine, layout, erp.batch)
    return WebhookWriter(
        SqlStore(engine, layout),
        endpoint,
        mapping,
        confirm=confirm or _always,
        rate=RequestRate(erp.webhook.per_second, time.monotonic, time.sleep),
        concurrency=erp.webhook.concurrency,
        settle=erp.webhook.timeout.total_seconds(),
        clock=time.monotonic,
        sleep=time.sleep,
        new_id=lambda: str(uuid4()),
    )


def _endpoint(erp: ErpSettings) -> Endpoint:
    if erp.webhook is None:
        raise SettingsError(
            coded("ZV3301", 'writer = "webhook" needs to know where the webhook is'),
            place="erp.webhook",
            remedy=Message("add [erp.webhook] with its url, and its token or user if it has one"),
        )
    return Endpoint(erp.webhook)


def _always(_correction: Correction) -> bool:
    return True


def open_layout(
    erp: ErpSettings,
    mapping: Mapping,
    *,
    references: References = NO_REFERENCES,
    referring: Sequence[ReferringTable] = (),
    sharing: Sharing = ALONE,
) -> tuple[Engine, TableLayout]:
    """Engine and layout of the store, for callers that write within their own transaction.

    Raises:
        SettingsError: the URL or the mapping does not fit.
        StoreError: the database cannot be reached, or a table does not exist.
    """
    _ensure_embedded(erp, mapping)
    erp = effective(erp, mapping)
    engine = store_engine(erp)
    try:
        return engine, read_layout(
            engine,
            erp,
            mapping,
            store_name(store_url(erp), erp.table or TABLE),
            references=references,
            referring=referring,
            sharing=sharing,
        )
    except BaseException:
        engine.dispose()
        raise


def _ensure_embedded(erp: ErpSettings, mapping: Mapping) -> None:
    if erp.table is not None:
        return
    url = store_url(erp)
    require_embeddable(url)
    if url.database and not Path(url.database).exists():
        create_embedded(erp.url, mapping)


def require_embeddable(url: URL) -> None:
    """Make sure that the embedded store can be at an address.

    Raises:
        SettingsError: it is not SQLite, or a directory that does not exist.
    """
    if url.get_backend_name() != "sqlite":
        raise SettingsError(
            coded("ZV3302", "no table is named, and the embedded store lives in SQLite only"),
            place="erp.table",
            remedy=Message("name the ERP's table, or set erp.url to sqlite:////path/file.db"),
        )
    if url.database and not Path(url.database).parent.is_dir():
        raise SettingsError(
            coded("ZV2101", "the directory of the embedded store does not exist"),
            place=url.database,
            remedy=Message("create it, or set erp.url to a file in an existing directory"),
        )
