"""Following 1C's exchange plan: what the platform itself recorded, corrected between two nights.

The event is only a hint, the state is what counts: the named counterparties are compared and
corrected as in any targeted run. 1C is told to forget a message only after the run it led to is
in the journal as finished; until then the same changes come again, which repeats nothing.
"""

from __future__ import annotations

from zvirka.errors import HeldError, SourceError
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform


def follow(environment: Environment, *, who: str, wait: float | None = 0) -> Summary | None:
    """Correct what the feed names and confirm it; ``None`` when nothing has changed.

    Raises:
        SettingsError: no exchange plan is configured.
        SourceError: 1C cannot be read, or the node records other objects too, which a
            confirmation would make 1C forget for whoever they are meant.
        HeldError: a run over just these changes already waits for a person.
        LockHeldError, JournalError: as :func:`zvirka.reconcile.run.perform`.
    """
    with environment.open_feed() as feed:
        changes = feed.pending()
    if changes.others:
        raise SourceError(
            f"the node of the exchange plan also records {changes.others} other objects",
            place="onec.exchange_node",
            remedy="make a node, or a plan, for zvirka alone with just the catalogue in it",
        )
    refs = (*changes.changed, *changes.deleted)
    if not refs:
        return None
    _refuse_to_ask_again(environment, refs)
    summary = perform(
        environment,
        Request(
            command="resync",
            trigger="feed",
            who=who,
            reason=f"message {changes.message} of the exchange plan",
            targets=Targets(refs=refs),
            wait=wait,
        ),
    )
    if summary.status == "finished":
        with environment.open_feed() as feed:
            feed.confirm(changes.message)
    return summary


def _refuse_to_ask_again(environment: Environment, refs: tuple[str, ...]) -> None:
    """One question to a person is enough: the timer comes every few minutes."""
    targets = [f"ref {ref}" for ref in refs]
    for run in environment.journal.held(environment.now()):
        if run.trigger == "feed" and run.facts.get("targets") == targets:
            raise HeldError(
                f"run {run.id} over the same changes waits for an answer",
                place=f"message {run.reason.split()[1]} of the exchange plan",
                remedy=f"`zvirka show {run.id}`, then `zvirka approve` or `zvirka reject`",
            )
