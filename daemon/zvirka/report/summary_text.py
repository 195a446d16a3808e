"""The sentences of a report that every readable form shares (HTML, Markdown, the workbooks)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zvirka.domain import Action, Disposition, FieldDifference, OutcomeState
from zvirka.i18n.words import (
    COMMANDS,
    COMPARISONS,
    MARKS,
    MODES,
    STATUSES,
    TRIGGERS,
    Words,
)
from zvirka.report.content import ReportContent, ReportEntry, Write
from zvirka.report.holds import hold_cells
from zvirka.report.sentences import told

Line = tuple[str, str]
"""A label and what stands beside it."""


def title(findings: ReportContent, words: Words) -> str:
    """The report's heading: «Reconciliation № 42»."""
    return f"{words.word(COMMANDS, findings.command)} № {findings.run}"


def verdict(findings: ReportContent, words: Words) -> str:
    """How the run ended, in one line."""
    _ = words.gettext
    if findings.status == "failed":
        return _("The run failed; the store is described below as far as it was seen.")
    if findings.status == "interrupted":
        return _("The run was interrupted; the next run settles what it had begun.")
    if findings.status == "running":
        return _("The run has not ended yet; this is what stands in the journal so far.")
    if findings.command == "reject":
        return _("The held plan was rejected: nothing was written.")
    if findings.command == "prune":
        count = words.number(len(findings.facts.pruned))
        return _("Personal values were removed from runs: %(count)s.") % {"count": count}
    if findings.quiet:
        return _quiet(findings, words)
    if not findings.found:
        return _("There was nothing left to do.")
    found = words.ngettext(
        "%(count)s difference found", "%(count)s differences found", findings.found
    ) % {"count": words.number(findings.found)}
    return ". ".join([found, *_ending(findings, words)]) + "."


def _quiet(findings: ReportContent, words: Words) -> str:
    """The one line of a run that found nothing, which claims no more than was looked at."""
    _ = words.gettext
    if findings.mode == "targeted":
        return _("Nothing to report: 1C and the ERP agree on the counterparties asked for.")
    if not findings.facts.complete:
        return _("No difference in what could be read; 1C was read only in part.")
    return _("Nothing to report: 1C and the ERP agree.")


def _ending(findings: ReportContent, words: Words) -> Iterator[str]:
    _ = words.gettext
    if findings.command == "plan":
        yield _("Only a plan: nothing was written")
        return
    applied = words.number(findings.applied)
    if findings.applied and findings.command == "undo":
        yield _("Put back and verified: %(count)s") % {"count": applied}
    elif findings.applied:
        yield _("Corrected and verified: %(count)s") % {"count": applied}
    if findings.held:
        yield _("Held for approval: %(count)s") % {"count": words.number(findings.held)}
    left = findings.facts.remaining
    if left:
        yield _("Left: %(count)s") % {"count": words.number(left)}
    else:
        yield _("Nothing is left")


def tone(findings: ReportContent) -> str:
    """``good``, ``warning`` or ``bad``: the colour of the verdict."""
    if findings.status in {"failed", "interrupted"}:
        return "bad"
    partial = findings.quiet and findings.mode != "targeted" and not findings.facts.complete
    if findings.status == "held" or findings.facts.remaining or partial:
        return "warning"
    return "good" if findings.status == "finished" else "warning"


def circumstances(findings: ReportContent, words: Words) -> list[Line]:
    """Who or what asked for the run, why, and when it ran."""
    _ = words.gettext
    lines = [
        (_("Run"), title(findings, words)),
        (_("Triggered by"), words.word(TRIGGERS, findings.trigger)),
        (_("Who"), findings.who),
        (_("Why"), told(findings.reason, words) or _("no reason given")),
        (_("Status"), words.word(STATUSES, findings.status)),
        (_("Started"), words.moment(findings.started_at)),
        (_("Ended"), words.moment(findings.finished_at)),
    ]
    if findings.parent is not None:
        lines.append((_("Concerns the run"), f"№ {findings.parent}"))
    if findings.facts.targets:
        lines.append((_("Asked for"), "; ".join(findings.facts.targets)))
    if findings.facts.pruned:
        runs = ", ".join(f"№ {run}" for run in findings.facts.pruned)
        lines.append((_("Personal values removed from"), runs))
    return lines


def compared(findings: ReportContent, words: Words) -> list[Line]:
    """What was compared with what, and how completely; nothing when 1C was not seen."""
    _ = words.gettext
    facts = findings.facts
    if not facts.base:
        return []
    window = f"{words.moment(facts.snapshot_from)} — {words.moment(facts.snapshot_to)}"
    lines = [
        (_("1C base"), facts.base),
        (_("Catalogue"), facts.catalog),
        (_("Scope"), facts.scope or _("the whole catalogue")),
        (_("Store of the ERP"), facts.store),
        (_("Written through"), facts.writer),
        (_("Paired by"), facts.key),
        (_("A deletion mark"), words.word(MARKS, facts.deletion_mark)),
        (_("How 1C was read"), words.word(MODES, findings.mode)),
        (_("Snapshot window"), window if facts.snapshot_from else ""),
        (_("Snapshot"), _completeness(findings, words)),
    ]
    return [line for line in lines if line[1]]


def _completeness(findings: ReportContent, words: Words) -> str:
    _ = words.gettext
    facts = findings.facts
    if facts.complete:
        return _("complete: absence in 1C is proven")
    if not facts.snapshot_from:
        return ""
    partial = _("partial: no client counts as deleted")
    reasons = "; ".join(told(reason, words) for reason in facts.incomplete_because)
    return f"{partial} ({reasons})" if reasons else partial


def counts(findings: ReportContent, words: Words) -> list[tuple[str, int]]:
    """How much was on both sides."""
    _ = words.gettext
    facts = findings.facts
    return [
        (_("in 1C, counted before"), facts.source_count_before),
        (_("in 1C, read"), facts.source_rows),
        (_("in 1C, counted after"), facts.source_count_after),
        (_("in the ERP, owned"), facts.store_rows),
        (_("in the ERP, active"), facts.store_active),
    ]


def mapping(findings: ReportContent, words: Words) -> list[tuple[str, str, str, str]]:
    """Every mapped field: name, label, where 1C keeps it, how it is compared."""
    return [
        (
            field.field,
            words.field(field.field),
            field.source,
            words.word(COMPARISONS, field.compare),
        )
        for field in findings.facts.fields
    ]


def left(findings: ReportContent, words: Words) -> list[tuple[str, int]]:
    """What was not settled, by reason."""
    reasons = [
        (words.disposition(disposition), count)
        for disposition, count in (
            (Disposition.HELD, findings.held),
            (Disposition.REPORTED, findings.reported),
        )
    ]
    reasons += [
        (words.outcome(state), count)
        for state, count in findings.outcomes.items()
        if state not in {OutcomeState.APPLIED, OutcomeState.WITHDRAWN, OutcomeState.HELD}
    ]
    return [(reason, count) for reason, count in reasons if count]


def holds(findings: ReportContent, words: Words) -> list[tuple[str, str, str, str]]:
    """Every limit that held something: its name, what was found, what is allowed, what it holds."""
    return [hold_cells(hold, words) for hold in findings.facts.held]


def done(entry: ReportEntry, words: Words) -> str:
    """What was decided or done about a difference, without time and detail."""
    if entry.writes:
        return "; ".join(write_line(write, words) for write in entry.writes)
    difference = entry.difference
    decided = words.disposition(difference.disposition)
    if difference.action is None or difference.disposition is Disposition.SETTLED:
        return decided
    return f"{words.action(difference.action)}: {decided}"


def told_fields(fields: Iterable[FieldDifference]) -> list[FieldDifference]:
    """The fields worth a line to a reader: a new client's empty ones are empty on both sides."""
    return [field for field in fields if field.wanted or field.found or field.read_back]


def was_read_back(entry: ReportEntry) -> bool:
    """Whether the store was read after a correction: only then no value means NULL."""
    read = {OutcomeState.APPLIED, OutcomeState.NOT_CONVERGING}
    return any(write.outcome.state in read for write in entry.writes)


def write_line(write: Write, words: Words) -> str:
    """One correction in a few words: «update: applied and verified»."""
    return f"{words.action(write.correction.action)}: {words.outcome(write.outcome.state)}"


def changes(write: Write) -> list[tuple[str, str | None, str | None]]:
    """Field, before, after of every field a correction touches.

    A delete has nothing after; an update names only the fields it writes.
    """
    correction = write.correction
    if correction.action is Action.UPDATE:
        names = list(correction.after)
    else:
        names = list(dict.fromkeys([*correction.before, *correction.after]))
    return [(name, correction.before.get(name), correction.after.get(name)) for name in names]


def approval(findings: ReportContent, words: Words) -> str:
    """How a held run goes on."""
    _ = words.gettext
    if findings.status != "held":
        return _("What was not held was carried out; the run itself needs no approval.")
    return _(
        "Nothing that is held is written until a person decides. An approval is good once, for "
        "exactly the plan below: the plan is computed anew, what is still identical is applied."
    )


def approve_command(findings: ReportContent) -> str:
    """The command that approves the run."""
    return f'zvirka approve {findings.run} --reason "…"'


def reject_command(findings: ReportContent) -> str:
    """The command that rejects the run."""
    return f'zvirka reject {findings.run} --reason "…"'


def seal(findings: ReportContent, words: Words) -> list[Line]:
    """The run's place in the digest chain."""
    _ = words.gettext
    lines = [
        (_("Digest of the previous run"), findings.previous_digest or "—"),
        (_("Digest of this run"), findings.digest or _("not sealed yet")),
        (_("Signature (Ed25519)"), findings.signature or _("none")),
    ]
    if findings.plan_digest:
        lines.append((_("Digest of the held plan"), findings.plan_digest))
    return lines


def verify_command(findings: ReportContent) -> str:
    """The command that checks the chain from this run on."""
    return f"zvirka audit verify --from {findings.run}"
