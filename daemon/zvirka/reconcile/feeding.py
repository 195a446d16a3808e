"""Follows 1C's exchange plan: corrects between two nights what the platform recorded as changed.

The named counterparties are compared and corrected as in any targeted run. A message is
confirmed, so that 1C forgets it, after its run has finished in the journal. Until then 1C sends
the same changes again, which does no harm.
"""

from __future__ import annotations

from zvirka.domain import Command, RunStatus, Trigger
from zvirka.errors import HeldError, SourceError
from zvirka.message import Message, coded
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform


def follow(environment: Environment, *, who: str, wait: float | None = 0) -> Summary | None:
    """Correct what the feed names and confirm it; ``None`` when nothing has changed.

    Raises:
        SettingsError: no exchange plan is configured.
        SourceError: 1C cannot be read, or the node also records other objects: a confirmation
            would make 1C forget those, too.
        HeldError: a run over the same changes already waits for approval.
        LockHeldError, JournalError: as :func:`zvirka.reconcile.run.perform`.
    """
    with environment.open_feed() as feed:
        changes = feed.pending()
    if changes.others:
        raise SourceError(
            coded(
                "ZV1607",
                "the node of the exchange plan also records {others} other objects",
                others=changes.others,
            ),
            place="onec.exchange_node",
            remedy=Message(
                "make a node, or a plan, for zvirka alone with just the catalogue in it"
            ),
        )
    refs = (*changes.changed, *changes.deleted)
    if not refs:
        return None
    _refuse_to_ask_again(environment, refs)
    summary = perform(
        environment,
        Request(
            command=Command.RESYNC,
            trigger=Trigger.FEED,
            who=who,
            reason=_reason(changes.message),
            targets=Targets(refs=refs),
            wait=wait,
        ),
    )
    if summary.status == RunStatus.FINISHED:
        with environment.open_feed() as feed:
            feed.confirm(changes.message)
    return summary


def _reason(message: int) -> Message:
    return Message("message {number} of the exchange plan", number=str(message))


def _refuse_to_ask_again(environment: Environment, refs: tuple[str, ...]) -> None:
    """Do not hold the same changes again each time the timer fires.

    Raises:
        HeldError: a held run over the same changes waits for approval.
    """
    targets = [f"ref {ref}" for ref in refs]
    for run in environment.journal.held(environment.now()):
        if run.trigger == Trigger.FEED and run.facts.targets == targets:
            raise HeldError(
                coded(
                    "ZV5404", "run {run} over the same changes waits for an answer", run=str(run.id)
                ),
                place=run.reason,
                remedy=Message(
                    "`zvirka show {run}`, then `zvirka approve` or `zvirka reject`", run=str(run.id)
                ),
            )
