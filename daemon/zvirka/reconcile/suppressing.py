"""Corrections that are reported and not made: given up, undone or rejected by a person."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from zvirka.comparison import values_digest
from zvirka.domain import Cause, Command, Difference, Disposition
from zvirka.journal.records import RunRecord
from zvirka.journal.row_mapping import approved_content
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.message import Message, joined
from zvirka.reconcile.run_context import RunContext

Side = dict[str, str | None] | None
"""The mapped values of one side, ``None`` where it has nothing (active)."""

_CAUSES = frozenset({Cause.UNDONE, Cause.NOT_CONVERGING, Cause.REJECTED})
_LASTS = {
    Reason.REJECTED: Message("not proposed again until 1C or the ERP changes"),
    Reason.NEVER: Message("not proposed again until it is resynced by name"),
}


def as_suppressed(
    context: RunContext, difference: Difference, wanted: Side, found: Side
) -> Difference:
    """The difference as it was, or as reported only when a suppression applies to it.

    ``wanted`` and ``found`` are all mapped values of 1C and of the store.
    """
    suppression = context.suppressions.get(difference.ref or difference.key)
    if (
        suppression is None
        or _overridden(context, suppression)
        or difference.disposition not in {Disposition.CORRECT, Disposition.HELD}
    ):
        return difference
    applies = _applies(context, suppression, difference, wanted, found)
    if applies is None:
        return difference
    cause, note = applies
    return msgspec.structs.replace(
        difference, cause=cause, disposition=Disposition.REPORTED, note=note
    )


def _overridden(context: RunContext, suppression: Suppression) -> bool:
    """A person who resyncs wants it tried again; what was rejected for good only by name."""
    return context.insists and (context.targeted or suppression.reason is not Reason.NEVER)


def _applies(
    context: RunContext, suppression: Suppression, difference: Difference, wanted: Side, found: Side
) -> tuple[Cause, str] | None:
    """The cause and note of a suppressed difference; ``None`` when a side has changed since."""
    mapping, policy = context.mapping, context.environment.settings.policy
    match suppression.reason:
        case Reason.REJECTED | Reason.NEVER:
            same = suppression.wanted == approved_content(difference)
            if suppression.reason is Reason.NEVER or same:
                return Cause.REJECTED, _who_rejected(context, suppression)
        case Reason.UNDONE:
            if suppression.wanted == values_digest(mapping, wanted):
                note = joined(
                    [
                        Message("undone by a person (run {run})", run=str(suppression.run)),
                        Message("1C has not changed since"),
                    ]
                )
                return Cause.UNDONE, note
        case Reason.GIVEN_UP:
            same = suppression.wanted == values_digest(mapping, wanted)
            same = same and suppression.found == values_digest(mapping, found)
            if same and suppression.nights >= policy.give_up_after:
                note = Message(
                    "sent {nights} times without effect; not sent again until 1C or the ERP"
                    " changes",
                    nights=suppression.nights,
                )
                return Cause.NOT_CONVERGING, note
    return None


def _who_rejected(context: RunContext, suppression: Suppression) -> Message:
    run = context.environment.journal.get(suppression.run)
    zone = context.environment.settings.schedule.timezone
    return rejection_note(run, suppression.reason, suppression.since, zone)


def rejection_note(run: RunRecord, reason: Reason, since: datetime, timezone: str) -> Message:
    """Who rejected a correction, when, in which run and why."""
    day = since.astimezone(ZoneInfo(timezone)).date().isoformat()
    rejected = Message(
        "rejected by {who} on {day} (run {run}): {reason}",
        who=run.who,
        day=day,
        run=str(run.id),
        reason=run.reason,
    )
    return joined([rejected, _LASTS[reason]])


def forget_settled(context: RunContext, seen: Container[str]) -> None:
    """Drop suppressions of counterparties that no longer differ, or differ in another way now.

    ``seen`` holds the Ref_Keys and keys that the run compared completely. What was rejected for
    good stays until somebody resyncs it by name.
    """
    if not context.suppressions or context.request.command not in {
        Command.RECONCILE,
        Command.RESYNC,
    }:
        return
    journal = context.environment.journal
    kept = {
        difference.ref or difference.key
        for batch in journal.differences(context.run)
        for difference in batch
        if difference.cause in _CAUSES or difference.disposition is Disposition.HELD
    }
    journal.drop_suppressions(
        [
            ident
            for ident, suppression in context.suppressions.items()
            if (ident in seen and ident not in kept)
            and (suppression.reason is not Reason.NEVER or _overridden(context, suppression))
        ]
    )
