"""Anchors the head of the chain after a run; a failure here never fails the run."""

from __future__ import annotations

from pathlib import Path

from loguru import logger

from zvirka.errors import ZvirkaError
from zvirka.journal.head import Head
from zvirka.journal.journal import Journal
from zvirka.report.anchors import append_head, write_head
from zvirka.settings.model import Settings


def anchor(settings: Settings, journal: Journal, *, between_runs: bool = False) -> Head | None:
    """Write the head down where the settings say, and have it timestamped.

    Returns:
        The head; ``None`` for an empty chain. What fails is logged and done again after the next
        run.
    """
    head = journal.head()
    if head is None:
        return None
    if settings.report.head_file is not None:
        _append(settings.report.head_file, head)
    if not settings.report.tsa:
        return head
    try:
        write_head(settings.report_directory, head, between_runs=between_runs)
    except ZvirkaError as error:
        logger.error("the head could not be written", cause=error.cause, place=error.place)
        return head
    from zvirka.report.timestamps import timestamp  # 11 MB, which a run without a TSA spares

    for url, why in timestamp(settings.report_directory, settings.report.tsa).items():
        logger.warning("no timestamp; it is asked for again after the next run", tsa=url, why=why)
    return head


def _append(path: Path, head: Head) -> None:
    try:
        append_head(path, head)
    except OSError as error:
        logger.error("report.head_file cannot be written", file=str(path), cause=error.strerror)
