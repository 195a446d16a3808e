"""Follows 1C's exchange plan: corrects between two nights what the platform recorded as changed.

The named counterparties are compared and corrected as in any targeted run. A message is
confirmed, so that 1C forgets it, after its run has finished in the journal. Until then 1C sends
the same changes again, which does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import msgspec

from zvirka.domain import Command, RunStatus, Trigger
from zvirka.errors import HeldError, SourceError, ZvirkaError
from zvirka.message import Message, coded
from zvirka.onec.mapping_fit import catalog_entity
from zvirka.onec.open_source import open_feed
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request, Summary, Targets
from zvirka.reconcile.run import perform
from zvirka.settings.flow_order import by_references
from zvirka.settings.model import Settings
from zvirka.settings.profiles import mapping_of

OpenFlow = Callable[[Settings], AbstractContextManager[Environment]]
"""Opens the environment of a flow."""


class Followed(msgspec.Struct, frozen=True):
    """What one message of the feed led to: the runs, and the flows that failed, by flow."""

    runs: dict[str, Summary]
    failures: dict[str, ZvirkaError]


def follow(environment: Environment, *, who: str, wait: float | None = 0) -> Summary | None:
    """Correct what the feed names and confirm it; ``None`` when nothing has changed.

    Raises as :func:`follow_together`, and what it returns as a failure.
    """
    name = environment.settings.name
    followed = follow_together(
        [environment.settings], lambda _: nullcontext(environment), who=who, wait=wait
    )
    if name in followed.failures:
        raise followed.failures[name]
    return followed.runs.get(name)


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
    readers: Sequence[Settings], open_flow: OpenFlow, *, who: str, wait: float | None = 0
) -> Followed:
    """Correct what one message of the feed names in each flow, and confirm it after all of them.

    A flow that fails does not keep the others from their run, and the message stays unconfirmed:
    1C sends it again, and the flows that had their run find nothing left to correct.

    Args:
        readers: the flows that read the node, those first that others refer to.
        open_flow: opens the environment of a flow when its turn comes.
        who: runs.
        wait: seconds to wait for another run of a flow to end.

    Returns:
        The runs of the flows in which something has changed, and the failures. A flow fails with
        HeldError if a run over the same changes already waits for approval.

    Raises:
        SettingsError: no exchange plan is configured, or the mapping of a flow is unclear.
        SourceError: 1C cannot be read, or the node also records other objects: a confirmation
            would make 1C forget those, too.
    """
    entities = {flow.name: catalog_entity(mapping_of(flow)) for flow in readers}
    first = readers[0]
    with open_feed(first.onec, mapping_of(first)) as feed:
        changes = feed.pending()
    named = {entities[first.name]: (*changes.changed, *changes.deleted), **changes.elsewhere}
    _require_only(entities.values(), named)
    followed = Followed({}, {})
    for flow in readers:
        if refs := named.get(entities[flow.name], ()):
            try:
                with open_flow(flow) as environment:
                    followed.runs[flow.name] = _run(environment, changes.message, refs, who, wait)
            except ZvirkaError as error:
                followed.failures[flow.name] = error
    done = all(one.status == RunStatus.FINISHED for one in followed.runs.values())
    if followed.runs and done and not followed.failures:
        with open_feed(first.onec, mapping_of(first)) as feed:
            feed.confirm(changes.message)
    return followed


def _require_only(entities: Collection[str], named: Mapping[str, Sequence[str]]) -> None:
    """Make sure that a message names nothing but the catalogues of the flows.

    Raises:
        SourceError: see above.
    """
    if others := sum(len(refs) for entity, refs in named.items() if entity not in entities):
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


def _run(
    environment: Environment, message: int, refs: tuple[str, ...], who: str, wait: float | None
) -> Summary:
    _refuse_to_ask_again(environment, refs)
    request = Request(
        command=Command.RESYNC,
        trigger=Trigger.FEED,
        who=who,
        reason=_reason(message),
        targets=Targets(refs=refs),
        wait=wait,
    )
    return perform(environment, request)


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
