"""``zvirka check`` for the store: the mapping proven against the live tables, line by line.

What can only be known by trying is tried in :mod:`zvirka.erp.sql.trial`, and rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from zvirka.erp.embedded import TABLE, effective
from zvirka.erp.open_store import require_embeddable
from zvirka.erp.references import NO_REFERENCES, References, ReferringTable
from zvirka.erp.sql.column_check import charset_findings, column_findings, required_findings
from zvirka.erp.sql.database_errors import store_error
from zvirka.erp.sql.engines import store_engine, store_name, store_url
from zvirka.erp.sql.key_column_check import key_column_findings
from zvirka.erp.sql.owned_rows_check import ownership_findings, stored_values_findings
from zvirka.erp.sql.reflection import reflect
from zvirka.erp.sql.table_layout import layout_problems, read_layout
from zvirka.erp.sql.trial import try_writes
from zvirka.erp.webhook.endpoint_check import check_endpoint
from zvirka.errors import SettingsError, StoreError, ZvirkaError
from zvirka.findings import Finding, failed
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.settings.model import ErpSettings


def check_store(
    erp: ErpSettings,
    mapping: Mapping,
    *,
    references: References = NO_REFERENCES,
    referring: Sequence[ReferringTable] = (),
) -> list[Finding]:
    """Everything about the store a run would stumble over, and what is in order.

    Nothing is left in the store: writes are tried in a transaction that is rolled back. Sequences
    of primary keys may advance by it.
    """
    try:
        url = store_url(erp)
        if erp.table is None:
            require_embeddable(url)
            if url.database and not Path(url.database).exists():
                text = coded("ZV2102", "the embedded store is not there yet")
                return [Finding("warning", "store", text, Message("the first run creates it"))]
        engine = store_engine(erp)
    except ZvirkaError as error:
        return [failed("store", error)]
    settings = effective(erp, mapping)
    try:
        return list(_findings(engine, settings, mapping, references, referring))
    finally:
        engine.dispose()


def _findings(
    engine: Engine,
    erp: ErpSettings,
    mapping: Mapping,
    references: References,
    referring: Sequence[ReferringTable],
) -> Iterator[Finding]:
    name = store_name(engine.url, erp.table or TABLE)
    try:
        table, children = reflect(engine, erp, name)
        yield Finding("ok", "store", Message("{name} can be reached", name=name))
        problems = list(layout_problems(erp, mapping, table, children))
        for problem in problems:
            text = coded("ZV2212", "{what}", what=problem)
            yield Finding("failure", "columns", text, Message("correct [erp] in zvirka.toml"))
        if problems:
            return
        layout = read_layout(engine, erp, mapping, name, references=references, referring=referring)
    except (StoreError, SettingsError) as error:
        yield failed("store", error)
        return
    yield Finding(
        "ok",
        "columns",
        Message("all {count} mapped fields have their columns", count=len(mapping.fields)),
    )
    yield from column_findings(layout, mapping)
    if erp.writer == "sql":
        yield from required_findings(layout)
    try:
        with engine.connect() as connection:
            ownership = list(ownership_findings(connection, layout, erp))
            yield from ownership
            if any(finding.level == "failure" for finding in ownership):
                return
            yield from key_column_findings(connection, layout, erp)
            yield from stored_values_findings(connection, layout)
            yield from charset_findings(connection, layout)
    except SQLAlchemyError as error:
        yield failed("store", store_error(error, name))
        return
    if erp.writer == "webhook":
        yield Finding("ok", "rights", Message("reading is enough: the ERP's webhook writes"))
        yield from check_endpoint(erp)
        return
    yield from try_writes(engine, layout)
