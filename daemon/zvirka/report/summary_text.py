"""The sentences and tables that every readable format shares (HTML, Markdown, the workbooks)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zvirka.domain import (
    Action,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    OutcomeState,
    RunStatus,
)
from zvirka.i18n.words import (
    COMPARISONS,
    MARKS,
    MODES,
    STATUSES,
    TRIGGERS,
    WRITERS,
    Words,
)
from zvirka.journal.definitions import is_left
from zvirka.journal.push_counts import miss_rate
from zvirka.journal.records import DifferenceEntry, Write
from zvirka.message import Message
from zvirka.report.content import ReportContent
from zvirka.report.headlines import headline as headline
from zvirka.report.headlines import title as title
from zvirka.report.headlines import tone as tone
from zvirka.report.holds import hold_cells

Line = tuple[str, str]
"""A label and its text."""


def request_lines(findings: ReportContent, words: Words) -> list[Line]:
    """Who or what asked for the run, why, and when it ran."""
    _ = words.gettext
    lines = [
        (_("Run"), title(findings, words)),
        (_("Triggered by"), words.word(TRIGGERS, findings.run.trigger)),
        (_("Who"), findings.run.who),
        (_("Why"), words.told(findings.run.reason) or _("no reason given")),
        (_("Status"), words.word(STATUSES, findings.run.status)),
        (_("Started"), words.moment(findings.run.started_at)),
        (_("Ended"), words.moment(findings.run.finished_at)),
    ]
    if findings.run.parent is not None:
        lines.append((_("Concerns the run"), f"№ {findings.run.parent}"))
    if findings.run.facts.machine:
        lines.append((_("Machine"), str(findings.run.facts.machine)))
    if findings.run.facts.targets:
        lines.append((_("Asked for"), "; ".join(findings.run.facts.targets)))
    if findings.run.facts.pruned:
        runs = ", ".join(f"№ {run}" for run in findings.run.facts.pruned)
        lines.append((_("Personal values removed from"), runs))
    return lines


def compared(findings: ReportContent, words: Words) -> list[Line]:
    """What was compared with what, and how completely; nothing when 1C was not seen."""
    _ = words.gettext
    facts = findings.run.facts
    if not facts.base:
        return []
    window = f"{words.moment(facts.snapshot_from)} — {words.moment(facts.snapshot_to)}"
    lines = [
        (_("Flow"), "" if facts.flow == "main" else facts.flow),
        (_("1C base"), facts.base),
        (_("Catalogue"), facts.catalog),
        (_("Scope"), facts.scope or _("the whole catalogue")),
        (_("Store of the ERP"), facts.store),
        (_("Written through"), words.word(WRITERS, facts.writer)),
        (_("Paired by"), words.field(facts.key)),
        (_("A deletion mark"), words.word(MARKS, facts.deletion_mark)),
        (_("How 1C was read"), words.word(MODES, findings.run.mode) if findings.run.mode else ""),
        (_("Snapshot window"), window if facts.snapshot_from else ""),
        (_("Snapshot"), _completeness(findings, words)),
    ]
    return [line for line in lines if line[1]]


def _completeness(findings: ReportContent, words: Words) -> str:
    _ = words.gettext
    facts = findings.run.facts
    if facts.complete:
        return _("complete: absence in 1C is proven")
    if not facts.snapshot_from:
        return ""
    partial = _("partial: no client counts as deleted")
    reasons = "; ".join(words.told(reason) for reason in facts.incomplete_because)
    return f"{partial} ({reasons})" if reasons else partial


def counts(findings: ReportContent, words: Words) -> list[tuple[str, int]]:
    """How much was on both sides, as far as this run counted it."""
    _ = words.gettext
    facts = findings.run.facts
    counted = [
        (_("in 1C, counted before"), facts.source_count_before),
        (_("in 1C, read"), facts.source_rows),
        (_("in 1C, counted after"), facts.source_count_after),
        (_("in the ERP, owned"), facts.store_rows),
        (_("in the ERP, active"), facts.store_active),
    ]
    known = [(label, count) for label, count in counted if count is not None]
    return [*known, *_push(findings, words)]


def notes(findings: ReportContent, words: Words) -> list[str]:
    """Warnings, and what was recovered of an interrupted run."""
    facts = findings.run.facts
    return [words.told(note) for note in facts.warnings + facts.recovered]


def mapping(findings: ReportContent, words: Words) -> list[tuple[str, str, str, str]]:
    """Every mapped field: name, label, where 1C keeps it, how it is compared."""
    return [
        (
            field.field,
            words.field(field.field),
            field.source,
            words.word(COMPARISONS, field.compare),
        )
        for field in findings.run.facts.fields
    ]


def totals(findings: ReportContent, words: Words) -> list[tuple[str, list[tuple[str, int]]]]:
    """Headed counts of differences; none when the run did not count them."""
    _ = words.gettext
    if not findings.counted:
        return []
    tables: list[tuple[str, Callable[[str], str], Mapping[Any, int]]] = [
        (_("Differences by cause"), words.cause, findings.causes),
        (_("Differences by kind"), words.kind, findings.kinds),
        (_("Corrections by outcome"), words.outcome, findings.outcomes),
    ]
    found = [
        (heading, [(word(name), count) for name, count in counts.items()])
        for heading, word, counts in tables
    ]
    found.append((_("Left, and why"), left(findings, words)))
    return [(heading, lines) for heading, lines in found if lines]


def _push(findings: ReportContent, words: Words) -> list[tuple[str, int]]:
    """Webhooks missed of the changes; nothing when the run did not read the changes alone."""
    _ = words.gettext
    rate = miss_rate(findings.run.mode, findings.run.facts)
    if rate is None:
        return []
    missed = _("of these, webhooks missed (%(share)s)") % {"share": words.percent(rate.share)}
    return [(_("changed in 1C since the run before"), rate.changed), (missed, rate.missed)]


def fault(findings: ReportContent, words: Words) -> list[Line]:
    """Why the run failed; nothing when it did not."""
    _ = words.gettext
    error = findings.run.error
    if error is None:
        return []
    code = f" ({error.cause.code})" if isinstance(error.cause, Message) and error.cause.code else ""
    return [
        (_("Cause"), words.told(error.cause) + code),
        (_("Place"), words.told(error.place)),
        (_("Remedy"), words.told(error.remedy)),
    ]


def left(findings: ReportContent, words: Words) -> list[tuple[str, int]]:
    """Differences left after the run, each once, by reason."""
    reasons = Counter[Disposition | OutcomeState]()
    for tally in findings.tallies:
        if is_left(tally.disposition, tally.outcome):
            decided = tally.disposition is not Disposition.CORRECT
            reasons[tally.disposition if decided else tally.outcome or tally.disposition] += (
                tally.count
            )
    stopped = _stopped(findings, words)
    reasons[Disposition.REPORTED] -= sum(count for _, count in stopped)
    return [
        *((words.disposition(one), reasons[one]) for one in Disposition if reasons[one] > 0),
        *stopped,
        *((words.outcome(state), reasons[state]) for state in OutcomeState if reasons[state]),
    ]


def _stopped(findings: ReportContent, words: Words) -> list[tuple[str, int]]:
    """Differences of clients that a person has stopped the correction of, by its last day."""
    _ = words.gettext
    days = sorted(findings.run.facts.suppressed_until.items())
    return [
        (
            _("not corrected up to %(day)s: a person decided so") % {"day": words.date(day)}
            if day
            else _("not corrected: a person decided so, without end"),
            count,
        )
        for day, count in days
    ]


def holds(findings: ReportContent, words: Words) -> list[tuple[str, str, str, str]]:
    """Every limit that held something: its name, what was found, what is allowed, what it holds."""
    return [hold_cells(hold, words) for hold in findings.run.facts.held]


def done(entry: DifferenceEntry, words: Words) -> str:
    """What was decided or done about a difference, without time and detail."""
    if entry.writes:
        return "; ".join(write_line(write, words) for write in entry.writes)
    difference = entry.difference
    decided = words.disposition(difference.disposition)
    if difference.action is None:
        return decided
    return f"{words.action(difference.action)}: {decided}"


def state_of(entry: DifferenceEntry) -> OutcomeState | Disposition:
    """What became of a difference at last: the outcome of a correction, else the decision."""
    if entry.writes:
        return entry.writes[-1].outcome.state
    return entry.difference.disposition


def tone_of(state: str) -> str:
    """The colour of an outcome: ``good``, ``warning`` or ``bad``."""
    if state == OutcomeState.APPLIED:
        return "good"
    return "bad" if state in {OutcomeState.FAILED, OutcomeState.NOT_CONVERGING} else "warning"


def ending(entry: DifferenceEntry, words: Words) -> str:
    """The word for what became of a difference."""
    return state_word(state_of(entry), words)


def state_word(state: OutcomeState | Disposition, words: Words) -> str:
    """The word for an outcome or a decision."""
    return words.outcome(state) if isinstance(state, OutcomeState) else words.disposition(state)


def is_still_left(entry: DifferenceEntry) -> bool:
    """Whether the difference is left after the run."""
    outcome = entry.writes[-1].outcome.state if entry.writes else None
    return is_left(entry.difference.disposition, outcome)


def glimpsed(difference: Difference) -> list[FieldDifference]:
    """The changed fields a line of a list shows: none where all there is came or went."""
    if difference.kind in {Kind.MISSING, Kind.EXTRA}:
        return []
    return told_fields(difference.fields)


def told_fields(fields: Iterable[FieldDifference]) -> list[FieldDifference]:
    """The fields worth a line to a reader: a new client's empty ones are empty on both sides."""
    return [field for field in fields if field.wanted or field.found or field.read_back]


def was_read_back(entry: DifferenceEntry) -> bool:
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
    if findings.run.status != RunStatus.HELD:
        return _("What was not held was carried out; the run itself needs no approval.")
    return _(
        "Nothing that is held is written until a person decides. An approval is good once, for "
        "exactly the plan below: the plan is computed again, and what is still identical "
        "is applied."
    )


def approve_command(findings: ReportContent) -> str:
    """The command that approves the run."""
    return f'zvirka approve {findings.run.id}{_flow_option(findings)} --reason "…"'


def reject_command(findings: ReportContent) -> str:
    """The command that rejects the run."""
    return f'zvirka reject {findings.run.id}{_flow_option(findings)} --reason "…"'


def _flow_option(findings: ReportContent) -> str:
    flow = findings.run.facts.flow
    return "" if flow == "main" else f" --flow {flow}"


def seal(findings: ReportContent, words: Words) -> list[Line]:
    """The run's place in the digest chain."""
    _ = words.gettext
    lines = [
        (_("Digest of the previous run"), findings.run.previous_digest or "—"),
        (_("Digest of this run"), findings.run.digest or _("not sealed yet")),
        (_("Signature (Ed25519)"), findings.run.signature or _("none")),
    ]
    if findings.run.plan_digest:
        lines.append((_("Digest of the held plan"), findings.run.plan_digest))
    return lines


def verify_command(findings: ReportContent) -> str:
    """The command that checks the chain from this run on."""
    return f"zvirka audit verify --from {findings.run.id}"
