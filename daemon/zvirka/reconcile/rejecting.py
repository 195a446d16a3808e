"""A rejection: the held corrections are not proposed again until 1C or the ERP changes.

The run of the rejection lists what was rejected, and later runs report it with who, when and why.
"""

from __future__ import annotations

import msgspec

from zvirka.domain import Cause, Disposition, Mode
from zvirka.errors import UsageError
from zvirka.journal.journal import Journal
from zvirka.journal.row_mapping import approved_content
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.message import Message, coded
from zvirka.reconcile.approving import held_part
from zvirka.reconcile.environment import Environment
from zvirka.reconcile.request import Request
from zvirka.reconcile.suppressing import rejection_note


def check_rejectable(journal: Journal, request: Request) -> None:
    """Refuse to reject counterparties that the held run does not hold.

    Raises:
        UsageError: with their codes and Ref_Keys.
    """
    assert request.parent is not None
    named = {*request.targets.codes, *request.targets.refs}
    for batch in held_part(journal, request.parent, request.targets):
        for difference in batch:
            named -= {difference.key, difference.ref}
    if named:
        raise UsageError(
            coded(
                "ZV5405",
                "not in the held plan of run {parent}: {named}",
                parent=str(request.parent),
                named=", ".join(sorted(named)),
            ),
            place=f"reject {request.parent}",
            remedy=Message(
                "`zvirka show {parent}` lists the held differences with their codes",
                parent=str(request.parent),
            ),
        )


def reject(environment: Environment, run: int, request: Request) -> None:
    """Record what is rejected, and remember it for the runs to come.

    A rejection of some counterparties leaves the rest of the plan waiting; its mode is targeted.
    """
    assert request.parent is not None
    journal = environment.journal
    if request.targets.codes or request.targets.refs:
        journal.set_mode(run, Mode.TARGETED)
    reason = Reason.NEVER if request.for_good else Reason.REJECTED
    row, now, number = journal.get(run), environment.now(), 0
    for batch in held_part(journal, request.parent, request.targets):
        suppressions = [
            Suppression(
                key=one.key,
                ref=one.ref,
                reason=reason,
                wanted=approved_content(one),
                run=run,
                since=now,
            )
            for one in batch
        ]
        note = rejection_note(row, reason, now, environment.settings.schedule.timezone)
        journal.add_differences(
            run,
            [
                msgspec.structs.replace(
                    one,
                    number=number + place,
                    cause=Cause.REJECTED,
                    disposition=Disposition.REPORTED,
                    note=note,
                )
                for place, one in enumerate(batch, start=1)
            ],
        )
        number += len(batch)
        journal.put_suppressions(suppressions)
        environment.tick(len(batch))
