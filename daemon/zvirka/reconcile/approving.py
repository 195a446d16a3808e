"""Answers to a held run: who may still answer it, and what of its plan an approval applies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import msgspec

from zvirka.domain import Action, Cause, Difference, Disposition, PlanState
from zvirka.errors import AlteredJournalError, SourceError, UsageError
from zvirka.journal.held_runs import Decision
from zvirka.journal.journal import Journal
from zvirka.journal.row_mapping import approved_content
from zvirka.message import Message, also, coded, joined
from zvirka.reconcile.request import Request, Targets
from zvirka.reconcile.run_context import RunContext

_NOT_APPROVED = joined(
    [
        Message("not part of the approved plan"),
        Message("the next reconciliation takes it up"),
    ]
)


def check_answerable(journal: Journal, request: Request, now: datetime) -> None:
    """Refuse an approval or rejection of a run that does not wait for one.

    Raises:
        UsageError: the run was not held, was answered or superseded, has expired, or its plan is
            not the one the person saw.
        AlteredJournalError: the differences of the run are not those its plan digest was made of.
    """
    assert request.parent is not None
    run = journal.get(request.parent)
    place = f"{request.command} {request.parent}"
    decision = journal.decisions([request.parent], now).get(request.parent)
    if decision is None or decision.state is not PlanState.WAITING:
        raise UsageError(
            coded(
                "ZV5401",
                "run {parent} is not waiting for an answer: {why_not}",
                parent=str(request.parent),
                why_not=_why_not(decision),
            ),
            place=place,
            remedy=_what_waits(journal, now),
        )
    if journal.plan_digest(request.parent) != run.plan_digest:
        raise AlteredJournalError(
            coded(
                "ZV5201",
                "the plan of run {parent} is not the one that was sealed: its differences were"
                " altered",
                parent=str(request.parent),
            ),
            place=journal.name,
            remedy=Message(
                "`zvirka audit verify` lists what was altered; restore the journal from a"
                " backup; the next reconciliation makes a new plan"
            ),
        )
    if request.digest and request.digest != run.plan_digest:
        raise UsageError(
            coded(
                "ZV5402",
                "the plan of run {parent} is not the one that was shown",
                parent=str(request.parent),
            ),
            place=place,
            remedy=Message(
                "look at it again with `zvirka show {parent}`", parent=str(request.parent)
            ),
        )


def _why_not(decision: Decision | None) -> Message:
    if decision is None:
        return Message("it was not held")
    match decision.state:
        case PlanState.APPROVED | PlanState.REJECTED:
            return Message(
                "{plan_state} by {who} in run {run}",
                plan_state=decision.state,
                who=decision.who,
                run=str(decision.by),
            )
        case PlanState.SUPERSEDED:
            return Message("superseded by run {run}", run=str(decision.by))
        case _:
            return Message("it has expired")


def _what_waits(journal: Journal, now: datetime) -> Message:
    waiting = journal.held(now)
    if not waiting:
        return Message(
            "nothing waits for an answer; the next reconciliation holds what is still past a limit"
        )
    return Message(
        "look at the plan that waits with `zvirka show {run}`, then answer that run",
        run=str(waiting[0].id),
    )


def narrow_to_approved(context: RunContext, parent: int, *, suspected: int) -> int:
    """Leave to be corrected only what the held run showed and what is still identical.

    ``suspected`` counts the clients that look absent from a partial snapshot of 1C.

    Returns:
        The number of differences that were approved and are no longer identical.

    Raises:
        SourceError: deletions were approved, and 1C could be read only in part, so that none of
            them can be proven. Nothing was written and the plan still waits.
    """
    journal = context.environment.journal
    if suspected and _has_deletions(journal, parent):
        raise SourceError(
            coded(
                "ZV5403",
                "1C could be read only in part, so the deletions of run {parent} cannot be proven",
                parent=str(parent),
            ),
            place=f"approve {parent}",
            remedy=Message("the plan still waits: approve it again when 1C can be read completely"),
        )
    approved = contents(journal, parent, context.request.targets)
    for content in journal.applied_by_approvals(parent):
        # An approval before this one was cut off after it had applied these.
        del approved[content]
    identical = 0
    for batch in journal.differences(context.run):
        changed: list[Difference] = []
        for difference in batch:
            shown = approved_content(difference) in approved
            correct = difference.disposition is Disposition.CORRECT
            if shown and (correct or difference.cause is Cause.REJECTED):
                identical += 1
            elif correct or difference.disposition is Disposition.HELD:
                changed.append(
                    msgspec.structs.replace(
                        difference,
                        disposition=Disposition.REPORTED,
                        note=also(difference.note, _NOT_APPROVED),
                    )
                )
        journal.update_differences(context.run, changed)
    return approved.total() - identical


def contents(journal: Journal, parent: int, targets: Targets) -> Counter[str]:
    """The content digests of what is answered: the whole held plan, or the part that is named."""
    if not (targets.codes or targets.refs):
        return Counter(journal.difference_digests(parent, Disposition.HELD))
    return Counter(
        approved_content(one) for batch in held_part(journal, parent, targets) for one in batch
    )


def held_part(journal: Journal, parent: int, targets: Targets) -> Iterator[list[Difference]]:
    """The held differences of a plan that are answered, in batches."""
    codes, refs = frozenset(targets.codes), frozenset(targets.refs)
    for batch in journal.differences(parent, dispositions=[Disposition.HELD]):
        yield [one for one in batch if not (codes or refs) or one.key in codes or one.ref in refs]


def _has_deletions(journal: Journal, run: int) -> bool:
    held = journal.differences(
        run, dispositions=[Disposition.HELD], actions=[Action.DELETE], batch=1
    )
    return next(held, None) is not None
