"""Answers to a held run: exactly the plan that was shown, once.

The plan is recomputed; what is still identical is applied, everything else is listed.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from zvirka.domain import Difference, Disposition
from zvirka.errors import UsageError
from zvirka.journal.journal import Journal
from zvirka.journal.records import RunRecord
from zvirka.journal.row_mapping import approved_content
from zvirka.reconcile.request import Request
from zvirka.reconcile.run_context import RunContext

_NOT_APPROVED = "not part of the approved plan; the next reconciliation takes it up"


def held_run(journal: Journal, request: Request) -> RunRecord:
    """The open held run a request answers.

    Raises:
        UsageError: it is not held, has been answered, or is not what the approver was shown.
    """
    assert request.parent is not None
    held = {run.id: run for run in journal.held()}
    run = held.get(request.parent)
    if run is None:
        raise UsageError(
            f"run {request.parent} is not waiting for an answer",
            place=f"{request.command} {request.parent}",
            remedy="`zvirka runs --held` lists the runs that do; an answer is good once",
        )
    if request.digest and request.digest != run.plan_digest:
        raise UsageError(
            f"the plan of run {request.parent} is not the one that was shown",
            place=f"{request.command} {request.parent}",
            remedy=f"look at it again with `zvirka show {request.parent}`",
        )
    return run


def narrow_to_approved(context: RunContext, parent: int) -> int:
    """Leave to be corrected only what the held run showed and what is still identical.

    Returns:
        The number of differences that were approved and are no longer identical.
    """
    journal = context.environment.journal
    approved = Counter(journal.difference_digests(parent, Disposition.HELD))
    total = approved.total()
    kept = 0
    for batch in journal.differences(
        context.run, dispositions=[Disposition.CORRECT, Disposition.HELD]
    ):
        changed: list[Difference] = []
        for difference in batch:
            content = approved_content(difference)
            if content in approved and difference.disposition is Disposition.CORRECT:
                kept += 1
                continue
            changed.append(
                msgspec.structs.replace(
                    difference,
                    disposition=Disposition.REPORTED,
                    note=f"{difference.note}; {_NOT_APPROVED}".lstrip("; "),
                )
            )
        journal.update_differences(context.run, changed)
    return total - kept
