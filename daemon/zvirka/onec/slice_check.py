"""What ``zvirka check`` says of a register: its slice is read as a run reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date

from zvirka.findings import Finding, failed
from zvirka.mapping import Mapping
from zvirka.message import Message, plural
from zvirka.onec.failures import OnecError
from zvirka.onec.schema import SchemaCache
from zvirka.onec.session import OnecSession
from zvirka.onec.slice_source import SliceSource
from zvirka.onec.timed_finding import timed
from zvirka.settings.model import OnecSettings


def slice_findings(
    onec: OnecSettings,
    mapping: Mapping,
    session: OnecSession,
    schemas: SchemaCache,
    *,
    today: Callable[[], date] = date.today,
) -> Iterator[Finding]:
    """Read the virtual table: rights, filters, the number of records and the first page."""
    source = SliceSource(
        session,
        mapping,
        schemas,
        page_bytes=onec.page_bytes,
        max_url=onec.max_url,
        allowed_only=onec.allowed_only,
        day=today(),
    )
    started = time.monotonic()
    try:
        count = source.preflight()
        page = next(source.objects(), None)
    except OnecError as error:
        yield failed("slice", error)
        return
    records = plural("{count} record in scope", "{count} records in scope", count=count)
    text = Message("the slice of the last can be read: {what}", what=records)
    yield timed("slice", text, started, empty=page is None)
