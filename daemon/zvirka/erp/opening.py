"""Opening a store and its writer from the settings."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from zvirka.erp.embedded import TABLE, create_embedded, embedded_settings
from zvirka.erp.engines import store_engine, store_name, store_url
from zvirka.erp.layout import Layout, read_layout
from zvirka.erp.sqlstore import SqlStore
from zvirka.erp.sqlwriter import SqlWriter
from zvirka.erp.store import Store, Writer
from zvirka.mapping import Mapping
from zvirka.settings import ErpSettings


def effective(erp: ErpSettings, mapping: Mapping) -> ErpSettings:
    """The settings as the SQL code reads them: the embedded store's preset without a table."""
    return embedded_settings(erp, mapping) if erp.table is None else erp


def open_store(erp: ErpSettings, mapping: Mapping) -> Store:
    """Open the store for reading; the embedded one is created where its file does not exist.

    Raises:
        SettingsError: the URL or the mapping does not fit.
        StoreError: the database cannot be reached, or a table does not exist.
    """
    engine, layout = open_layout(erp, mapping)
    return SqlStore(engine, layout)


def open_writer(erp: ErpSettings, mapping: Mapping) -> Writer:
    """Open the writer the settings name.

    Raises:
        SettingsError: the URL or the mapping does not fit, or ``[erp.webhook]`` is missing.
        StoreError: the database cannot be reached, or a table does not exist.
    """
    engine, layout = open_layout(erp, mapping)
    return SqlWriter(engine, layout, erp.batch)


def open_layout(erp: ErpSettings, mapping: Mapping) -> tuple[Engine, Layout]:
    """Engine and layout of the store, for whoever writes it within a transaction of their own.

    Raises:
        SettingsError: the URL or the mapping does not fit.
        StoreError: the database cannot be reached, or a table does not exist.
    """
    _ensure_embedded(erp, mapping)
    return _open(effective(erp, mapping), mapping)


def _open(erp: ErpSettings, mapping: Mapping) -> tuple[Engine, Layout]:
    engine = store_engine(erp)
    try:
        return engine, read_layout(
            engine, erp, mapping, store_name(store_url(erp), erp.table or TABLE)
        )
    except BaseException:
        engine.dispose()
        raise


def _ensure_embedded(erp: ErpSettings, mapping: Mapping) -> None:
    url = store_url(erp)
    if erp.table is None and url.database and not Path(url.database).exists():
        create_embedded(erp.url, mapping)
