"""What earlier runs remember of a counterparty: given up, or undone by a person."""

from __future__ import annotations

import msgspec

from zvirka.comparison import values_digest
from zvirka.domain import Cause, Difference, Disposition
from zvirka.reconcile.run_context import RunContext

Side = dict[str, str | None] | None
"""The mapped values of one side, ``None`` where it has nothing (active)."""


def as_it_stands(
    context: RunContext, difference: Difference, wanted: Side, found: Side
) -> Difference:
    """What was undone, or never took, is reported and not sent until a side changes.

    ``wanted`` and ``found`` are all mapped values of 1C and of the store. Whoever asked for a
    resync insists, and gets everything sent again.
    """
    standing = context.standings.get(difference.ref or difference.key)
    if standing is None or context.insists or difference.disposition is not Disposition.CORRECT:
        return difference
    if standing.wanted != values_digest(context.mapping, wanted):
        return difference
    if standing.state == "undone":
        return msgspec.structs.replace(
            difference,
            cause=Cause.UNDONE,
            disposition=Disposition.REPORTED,
            note=f"undone by a person (run {standing.run}); 1C has not changed since",
        )
    gave_up = standing.nights >= context.environment.settings.policy.give_up_after
    if gave_up and standing.found == values_digest(context.mapping, found):
        return msgspec.structs.replace(
            difference,
            cause=Cause.NOT_CONVERGING,
            disposition=Disposition.REPORTED,
            note=f"sent {standing.nights} times in vain; not sent again until a side changes",
        )
    return difference
