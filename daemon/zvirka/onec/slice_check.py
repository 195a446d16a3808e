"""What ``zvirka check`` says of a register: its slice is read as a run reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date

from zvirka.findings import Finding, failed
from zvirka.mapping import Mapping
from zvirka.message import Message, plural
from zvirka.onec.failures import OnecError
from zvirka.onec.slice_source import SliceSource
from zvirka.onec.source_access import SourceAccess
from zvirka.onec.timed_finding import timed


def slice_findings(
    access: SourceAccess, mapping: Mapping, *, today: Callable[[], date] = date.today
) -> Iterator[Finding]:
    """Read the virtual table: rights, filters, the number of records and the first page."""
    source = SliceSource(access, mapping, day=today())
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
