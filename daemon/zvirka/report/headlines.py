"""The first lines of a report: what the run was, how it ended, and in which colour."""

from __future__ import annotations

from collections.abc import Iterator

from zvirka.domain import Command, Mode, RunStatus
from zvirka.i18n.words import COMMANDS, Words
from zvirka.report.content import ReportContent


def title(findings: ReportContent, words: Words) -> str:
    """The report's heading: «Reconciliation № 42»."""
    return f"{words.word(COMMANDS, findings.run.command)} № {findings.run.id}"


def headline(findings: ReportContent, words: Words) -> str:
    """How the run ended, in one line."""
    _ = words.gettext
    if findings.run.status == RunStatus.FAILED and findings.counted:
        return _("The run failed; what it had found and done until then is listed below.")
    if findings.run.status == RunStatus.FAILED:
        return _("The run failed before the differences were counted.")
    if findings.run.status == RunStatus.INTERRUPTED:
        return _("The run was interrupted; the next run settles what it had begun.")
    if findings.run.status == RunStatus.RUNNING:
        return _("The run has not ended yet; this is the state so far.")
    if said := _of_command(findings, words):
        return said
    if findings.in_sync:
        return _in_sync(findings, words)
    if not findings.counted:
        return _("Differences were not counted in this run.")
    if not findings.found:
        return _("There was nothing left to do.")
    found = words.ngettext(
        "%(count)s difference found", "%(count)s differences found", findings.found
    ) % {"count": words.number(findings.found)}
    return ". ".join([found, *_ending(findings, words)]) + "."


def _of_command(findings: ReportContent, words: Words) -> str:
    """What a run did that compares nothing; '' for the others."""
    _ = words.gettext
    if findings.run.command == Command.REJECT:
        return _("The held plan was rejected: nothing was written.")
    if findings.run.command == Command.SUPPRESS:
        clients, until = "; ".join(findings.run.facts.targets), findings.run.facts.until
        if not until:
            return _("Not corrected any more: %(clients)s.") % {"clients": clients}
        told = {"day": words.date(until), "clients": clients}
        return _("Not corrected up to %(day)s: %(clients)s.") % told
    if findings.run.command == Command.ENDORSE:
        count = words.number(findings.found)
        return _("The first of two approvals; a second person must approve: %(count)s.") % {
            "count": count
        }
    if findings.run.command == Command.PRUNE:
        count = words.number(len(findings.run.facts.pruned))
        return _("Personal values were removed from runs: %(count)s.") % {"count": count}
    return ""


def _in_sync(findings: ReportContent, words: Words) -> str:
    """The one line of a run that found nothing, which claims no more than was looked at."""
    _ = words.gettext
    if findings.run.mode is Mode.TARGETED:
        return _("Nothing to report: 1C and the ERP agree on the records asked for.")
    if findings.partial:
        return _("No difference in what could be read; 1C was read only in part.")
    return _("Nothing to report: 1C and the ERP agree.")


def _ending(findings: ReportContent, words: Words) -> Iterator[str]:
    _ = words.gettext
    if findings.run.command == Command.PLAN:
        yield _("Only a plan: nothing was written")
        return
    applied = words.number(findings.applied)
    if findings.applied and findings.run.command == Command.UNDO:
        yield _("Put back and verified: %(count)s") % {"count": applied}
    elif findings.applied:
        yield _("Corrected and verified: %(count)s") % {"count": applied}
    if findings.held:
        yield _("Held for approval: %(count)s") % {"count": words.number(findings.held)}
    if findings.linked:
        yield _("Kept by another flow: %(count)s") % {"count": words.number(findings.linked)}
    left = findings.left
    if left:
        yield _("Left: %(count)s") % {"count": words.number(left)}
    else:
        yield _("Nothing is left")


def tone(findings: ReportContent) -> str:
    """``good``, ``warning`` or ``bad``: the colour of the headline."""
    if findings.run.status.broke_off:
        return "bad"
    unsure = findings.in_sync and findings.partial
    if findings.run.status is RunStatus.HELD or findings.left or unsure:
        return "warning"
    return "good" if findings.run.status == RunStatus.FINISHED else "warning"
