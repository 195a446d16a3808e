"""Follows 1C's exchange plan: corrects between two nights what the platform recorded as changed.

The named counterparties are compared and corrected as in any targeted run. A message is
confirmed, so that 1C forgets it, after its run has finished in the journal. Until then 1C sends
the same changes again, which does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

from zvirka.domain import Command, RunStatus, Trigger
from zvirka.errors import HeldError, SourceError
from zvirka.message import Message, coded
from zvirka.onec.mapping_fit import catalog_entity
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform
from zvirka.settings.flow_order import by_references
from zvirka.settings.model import Settings


def follow(environment: Environment, *, who: str, wait: float | None = 0) -> Summary | None:
    """Correct what the feed names and confirm it; ``None`` when nothing has changed.

    Raises as :func:`follow_together`.
    """
    return follow_together([environment], who=who, wait=wait).get(environment.settings.name)


def readers_of_the_node(settings: Settings) -> list[Settings]:
    """The flows that read the same node of the same base, those first that others refer to.

    A message names the changes of all their catalogues, so they have to take it together.
    """
    onec = settings.onec
    node = (onec.url, onec.exchange_plan, onec.exchange_node)
    readers = {
        name: flow
        for name, flow in settings.flows.items()
        if (flow.onec.url, flow.onec.exchange_plan, flow.onec.exchange_node) == node
    }
    return [readers[name] for name in by_references(readers, readers)]


def follow_together(
    environments: Sequence[Environment], *, who: str, wait: float | None = 0
) -> dict[str, Summary]:
    """Correct what one message of the feed names in each flow, and confirm it after all of them.

    Returns:
        The runs by flow, of those flows in which something has changed.

    Raises:
        SettingsError: no exchange plan is configured.
        SourceError: 1C cannot be read, or the node also records other objects: a confirmation
            would make 1C forget those, too.
        HeldError: a run over the same changes already waits for approval; the other flows had
            their run.
        LockHeldError, JournalError: as :func:`zvirka.reconcile.run.perform`.
    """
    first = environments[0]
    with first.open_feed() as feed:
        changes = feed.pending()
    named = {catalog_entity(first.mapping): (*changes.changed, *changes.deleted)}
    named |= changes.elsewhere
    asked = {catalog_entity(environment.mapping) for environment in environments}
    if others := sum(len(refs) for entity, refs in named.items() if entity not in asked):
        raise SourceError(
            coded(
                "ZV1607",
                "the node of the exchange plan also records {others} other objects",
                others=others,
            ),
            place="onec.exchange_node",
            remedy=Message(
                "make a node, or a plan, for zvirka alone with just the catalogue in it"
            ),
        )
    summaries: dict[str, Summary] = {}
    held: HeldError | None = None
    for environment in environments:
        refs = named.get(catalog_entity(environment.mapping), ())
        if not refs:
            continue
        try:
            _refuse_to_ask_again(environment, refs)
        except HeldError as error:
            held = held or error
            continue
        request = Request(
            command=Command.RESYNC,
            trigger=Trigger.FEED,
            who=who,
            reason=_reason(changes.message),
            targets=Targets(refs=refs),
            wait=wait,
        )
        summaries[environment.settings.name] = perform(environment, request)
    if held is not None:
        raise held
    if summaries and all(one.status == RunStatus.FINISHED for one in summaries.values()):
        with first.open_feed() as feed:
            feed.confirm(changes.message)
    return summaries


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
