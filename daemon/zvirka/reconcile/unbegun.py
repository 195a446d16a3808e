"""A run that could not begin is a failed run: in the journal, in the reports, with its cause."""

from __future__ import annotations

from contextlib import closing

import msgspec
from loguru import logger

from zvirka.domain import RunStatus
from zvirka.errors import LockHeldError, ZvirkaError
from zvirka.journal.journal import open_journal
from zvirka.journal.run_facts import Facts
from zvirka.now import Now, utc_now
from zvirka.reconcile.request import Request, Summary
from zvirka.reconcile.run_conditions import without_credentials
from zvirka.reconcile.run_summary import summary_of, write_report
from zvirka.settings.model import Settings


def record_unbegun(
    settings: Settings, request: Request, error: ZvirkaError, now: Now = utc_now
) -> Summary | None:
    """Journal and report a run that ended before it began.

    Returns:
        Its summary; ``None`` where another run is under way, the run had begun after all, or the
        journal itself cannot be written.
    """
    if isinstance(error, LockHeldError):
        return None
    try:
        with closing(open_journal(settings)) as journal:
            newest = journal.runs(limit=1)
            if newest and newest[0].status is RunStatus.RUNNING:
                return None
            run = journal.begin(
                command=request.command,
                trigger=request.trigger,
                who=request.who,
                reason=request.reason,
                now=now(),
                parent=request.parent,
            )
            base = without_credentials(settings.onec.url)
            journal.save_facts(run, Facts(flow=settings.name, base=base))
            journal.finish(
                run, status=RunStatus.FAILED, exit_code=error.exit_code, now=now(), error=error
            )
            reports, trouble = write_report(settings, journal, run)
            summary = summary_of(journal.get(run), reports, 0.0, trouble)
    except ZvirkaError as second:
        logger.error("the run that did not begin cannot be recorded", cause=second.cause)
        return None
    kind, passing = type(error).__name__, error.passing
    return msgspec.structs.replace(summary, kind=kind, passing=passing)
