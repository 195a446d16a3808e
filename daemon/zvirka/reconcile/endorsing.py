"""The rule of two people: an approval is carried out when a second person gives it.

The person who asked for the run is neither of the two. The first approval is recorded as a run of
its own, which lists what it approves; the second one carries it out when it approves no more than
that.
"""

from __future__ import annotations

import msgspec

from zvirka.domain import Command
from zvirka.errors import UsageError
from zvirka.journal.first_approvals import FirstApproval, approved_contents, person_of
from zvirka.message import Message, coded
from zvirka.reconcile.approving import contents, held_part
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request


def as_first_or_last(environment: Environment, request: Request) -> Request:
    """An approval as it counts: as it is, or as the first of the two that the policy asks for.

    Raises:
        UsageError: this person asked for the run, or has approved the same already.
    """
    journal, parent = environment.journal, request.parent
    assert parent is not None
    if journal.approvals_needed < 2:
        return request
    held, person = journal.get(parent), person_of(request.who)
    place = f"approve {parent}"
    if person == person_of(held.who):
        raise UsageError(
            coded(
                "ZV5408",
                "run {parent} was asked for by {who}, so other people approve it",
                parent=str(parent),
                who=held.who,
            ),
            place=place,
            remedy=Message("policy.approvals asks for two people besides the one who asked"),
        )
    chosen = set(contents(journal, parent, request.targets))
    given = journal.decisions([parent], environment.now())[parent].given
    covering = [one for one in given if chosen <= _contents(environment, one)]
    if not chosen or any(person_of(one.who) != person for one in covering):
        return request
    for one in covering:
        raise UsageError(
            coded(
                "ZV5409",
                "{who} has approved this in run {run}; a second person must approve it",
                who=one.who,
                run=str(one.run),
            ),
            place=place,
            remedy=Message("ask somebody else to approve run {parent}", parent=str(parent)),
        )
    return msgspec.structs.replace(request, command=Command.ENDORSE)


def _contents(environment: Environment, approval: FirstApproval) -> set[str]:
    with environment.journal.reading() as connection:
        return approved_contents(connection, approval)


def endorse(environment: Environment, run: int, request: Request) -> None:
    """Record what the first person approves. Nothing is written to the store."""
    assert request.parent is not None
    number = 0
    for batch in held_part(environment.journal, request.parent, request.targets):
        environment.journal.add_differences(
            run,
            [
                msgspec.structs.replace(one, number=number + place)
                for place, one in enumerate(batch, start=1)
            ],
        )
        number += len(batch)
        environment.tick(len(batch))
