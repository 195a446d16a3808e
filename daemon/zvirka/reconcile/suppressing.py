"""Corrections that are reported and not made: given up, undone or rejected by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from zvirka.comparison import values_digest
from zvirka.domain import Cause, Command, Difference, Disposition, Mode
from zvirka.errors import UsageError
from zvirka.journal.records import RunRecord
from zvirka.journal.row_mapping import approved_content
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.message import Message, coded, joined
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request
from zvirka.reconcile.run_context import RunContext

Side = dict[str, str | None] | None
"""The mapped values of one side, ``None`` where it has nothing (active)."""

_CAUSES = frozenset({Cause.UNDONE, Cause.NOT_CONVERGING, Cause.REJECTED})


def as_suppressed(
    context: RunContext, difference: Difference, wanted: Side, found: Side
) -> Difference:
    """The difference as it was, or as reported only when a suppression applies to it.

    ``wanted`` and ``found`` are all mapped values of 1C and of the store.
    """
    suppression = _suppression_of(context, difference)
    if (
        suppression is None
        or suppression.is_over(_today(context.environment))
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


def _suppression_of(context: RunContext, difference: Difference) -> Suppression | None:
    """By Ref_Key; by key only what was suppressed without a Ref_Key."""
    known = context.suppressions
    return known.get(difference.ref or difference.key) or known.get(difference.key)


def _today(environment: Environment) -> date:
    return environment.date_of(environment.now())


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
    return rejection_note(run, suppression.reason, suppression.since, zone, suppression.until)


def rejection_note(
    run: RunRecord, reason: Reason, since: datetime, timezone: str, until: date | None = None
) -> Message:
    """Who rejected a correction, when, in which run, why, and how long that lasts."""
    day = since.astimezone(ZoneInfo(timezone)).date().isoformat()
    rejected = Message(
        "rejected by {who} on {day} (run {run}): {reason}",
        who=run.who,
        day=day,
        run=str(run.id),
        reason=run.reason,
    )
    return joined([rejected, _lasting(reason, until)])


def _lasting(reason: Reason, until: date | None) -> Message:
    if reason is Reason.REJECTED:
        return Message("not proposed again until 1C or the ERP changes")
    if until is None:
        return Message("not proposed again until it is resynced by name")
    return Message("not corrected up to {day}, unless it is resynced by name", day=str(until))


def check_suppressible(environment: Environment, request: Request) -> None:
    """Refuse a suppression of nobody, or one whose last day has passed.

    Raises:
        UsageError: see above.
    """
    if not (request.targets.codes or request.targets.refs):
        raise UsageError(
            coded("ZV3501", "name the counterparties that are not to be corrected"),
            place="zvirka suppress",
            remedy=Message("give --code or --ref"),
        )
    if request.until is not None and request.until < _today(environment):
        raise UsageError(
            coded("ZV3502", "{day} has passed", day=str(request.until)),
            place="zvirka suppress --until",
            remedy=Message("name today or a later day"),
        )


def suppress(environment: Environment, run: int, request: Request) -> list[str]:
    """Stop the corrections of the named counterparties, and return them in words.

    Their differences are reported as before. It lasts up to the last day, or until a resync by
    name.
    """
    named = [("", ref.lower()) for ref in request.targets.refs]
    named += [(code, "") for code in request.targets.codes]
    environment.journal.set_mode(run, Mode.TARGETED)
    environment.journal.put_suppressions(
        Suppression(
            key=key,
            ref=ref,
            reason=Reason.NEVER,
            run=run,
            since=environment.now(),
            until=request.until,
        )
        for key, ref in named
    )
    return [f"code {key}" if key else f"ref {ref}" for key, ref in named]


def suppressed_by_day(context: RunContext) -> dict[str, int]:
    """Differences that a person has stopped the correction of, by the last day, '' for none."""
    days: Counter[str] = Counter()
    if any(one.reason is Reason.NEVER for one in context.suppressions.values()):
        for batch in context.environment.journal.differences(context.run):
            for difference in batch:
                found = _suppression_of(context, difference)
                never = found is not None and found.reason is Reason.NEVER
                if found is not None and never and difference.cause is Cause.REJECTED:
                    days[found.until.isoformat() if found.until else ""] += 1
    return dict(days)


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
        ident
        for batch in journal.differences(context.run)
        for difference in batch
        if difference.cause in _CAUSES or difference.disposition is Disposition.HELD
        for ident in (difference.ref, difference.key)
    }
    today = _today(context.environment)
    journal.drop_suppressions(
        [
            ident
            for ident, suppression in context.suppressions.items()
            if (ident in seen and ident not in kept)
            and (
                suppression.reason is not Reason.NEVER
                or suppression.is_over(today)
                or _overridden(context, suppression)
            )
        ]
    )
