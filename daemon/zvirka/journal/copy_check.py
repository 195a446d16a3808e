"""Whether the journal is the newest one, and whole: copying its file alone leaves runs behind.

An SQLite journal keeps the newest runs in ``journal.db-wal`` until they are moved into
``journal.db``. A copy of ``journal.db`` alone is an older state, whole in itself: only what lies
outside the journal shows that runs are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, select

from zvirka.journal.tables import RUN
from zvirka.message import Message
from zvirka.settings.model import Settings

_REPORT = re.compile(r"zvirka-run-(\d{6,})\b")


def copy_problems(connection: Connection, settings: Settings) -> Iterator[Message]:
    """Yield why the journal cannot be the one that the state directory belongs to.

    Args:
        connection: an open one, to the journal.
        settings: say where the reports are.
    """
    if connection.dialect.name == "sqlite":
        (answer, *_) = connection.exec_driver_sql("PRAGMA quick_check(1)").scalars().all()
        if answer != "ok":
            yield Message(
                "the file is torn: it was copied while it was written, or the disk is damaged"
            )
            return
    last = connection.execute(select(RUN.c.id).order_by(RUN.c.id.desc()).limit(1)).scalar() or 0
    newest = _newest_report(settings.report_directory)
    if newest > last:
        yield Message(
            "the journal ends with run {last}, and there is a report of run {newest}: runs are"
            " missing, as in a copy of journal.db without journal.db-wal",
            last=str(last),
            newest=str(newest),
        )


def _newest_report(directory: Path) -> int:
    found = (_REPORT.match(path.name) for path in directory.glob("zvirka-run-*"))
    return max((int(match[1]) for match in found if match), default=0)
