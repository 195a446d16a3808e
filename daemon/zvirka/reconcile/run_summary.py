"""The end of a run: writes its report and makes the summary for the caller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from zvirka.errors import ExitCode, ZvirkaError, sentence_of
from zvirka.journal.journal import Journal
from zvirka.journal.records import RunRecord
from zvirka.journal.run_facts import Facts
from zvirka.message import Message
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Summary
from zvirka.report import prepare, report_stem, set_aside, write_reports
from zvirka.settings.model import Settings


def prepare_report(environment: Environment) -> None:
    """Do what every report needs, while something slow is waited for.

    Compiling the templates takes as long as pulling ten thousand counterparties lightly.
    """
    prepare(environment.settings.report.formats, environment.settings.report.language)


def keep_earlier_reports(environment: Environment, run: int, facts: Facts) -> None:
    """Keep the files that another run of this number left, and warn of it.

    Raises:
        ZvirkaError: they cannot be renamed.
    """
    directory = environment.settings.report_directory
    if set_aside(directory, run, environment.now()):
        warning = Message(
            "there were reports of another run {run}: runs are missing from the journal, an older"
            " copy was put back; these reports were renamed to {name}",
            run=str(run),
            name=f"{report_stem(run)}-earlier-…",
        )
        facts.warnings.append(warning)
        logger.error("runs are missing from the journal", directory=str(directory))


def write_report(settings: Settings, journal: Journal, run: int) -> tuple[list[Path], str]:
    """Write the run's report; a report that cannot be written does not undo the run.

    Returns:
        The files, and the trouble in words ('' for none). The journal has the run either way, and
        ``zvirka report RUN`` writes the report again.
    """
    try:
        paths = write_reports(
            journal,
            run,
            formats=settings.report.formats,
            language=settings.report.language,
            directory=settings.report_directory,
            timezone=settings.schedule.timezone,
        )
    except ZvirkaError as error:
        logger.error("the report could not be written", cause=error.cause, place=error.place)
        return [], error.sentence
    return paths, ""


def summary_of(row: RunRecord, reports: Sequence[Path], seconds: float, trouble: str) -> Summary:
    """A sealed run as a summary; a run whose report could not be written has not ended well."""
    facts, fault = row.facts, row.error
    text = ""
    if fault is not None:
        text = sentence_of(fault.cause, fault.place, fault.remedy)
    return Summary(
        run=row.id,
        command=row.command,
        status=row.status,
        parent=row.parent,
        exit_code=max(row.exit_code or 0, ExitCode.FAILED if trouble else 0),
        causes=facts.causes,
        actions=facts.actions,
        outcomes=facts.outcomes,
        held=tuple(facts.held),
        remaining=facts.remaining,
        waiting=facts.waiting,
        plan_digest=row.plan_digest,
        reports=tuple(reports),
        error=text or trouble,
        seconds=round(seconds, 3),
    )
