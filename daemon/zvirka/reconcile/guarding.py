"""Phase guard: limits, checked before anything is written. They hold, they never drop.

Past a delete limit only the deletes wait for a person and the rest goes on; past a change limit
everything waits. Nothing is held where there is nothing to hold, and one single deletion is
never a mass deletion, whatever its share of a small store.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from zvirka.domain import Action, Disposition
from zvirka.journal.records import RunRecord
from zvirka.journal.run_facts import Hold
from zvirka.reconcile.confirming import Planned
from zvirka.reconcile.run_context import RunContext

_GOOD_RUNS = 7


def guard(
    context: RunContext, planned: Planned, *, store_active: int | None, source_rows: int | None
) -> list[Hold]:
    """Hold what is past the limits, in the journal, and say which limit held what.

    An approval and a resync of named counterparties pass: somebody decided about exactly these.
    What 1C's change feed names nobody has decided about; its shares are of the last good run.

    ``planned`` counts the run's differences, ``store_active`` and ``source_rows`` are what the run
    counted itself on both sides.
    """
    good = context.environment.journal.last_good(_GOOD_RUNS)
    if context.targeted and good:
        store_active = good[0].facts.store_active
        source_rows = good[0].facts.source_rows
    active, rows = store_active or 0, source_rows or 0
    deletes = sum(
        count
        for (action, disposition), count in planned.items()
        if action == Action.DELETE and disposition in {Disposition.CORRECT, Disposition.HELD}
    )
    changes = sum(
        count
        for (action, disposition), count in planned.items()
        if action and disposition in {Disposition.CORRECT, Disposition.HELD}
    )
    holds = _change_holds(context, changes, max(active, rows)) or _delete_holds(
        context, deletes, active, rows, good
    )
    if holds:
        everything = any(hold.what == "all" for hold in holds)
        context.environment.journal.hold(context.run, None if everything else [Action.DELETE])
    return holds


def _change_holds(context: RunContext, changes: int, base: int) -> list[Hold]:
    limits = context.environment.settings.guard
    return [
        *_past("max_changes", changes, limits.max_changes, "all"),
        *_past("max_change_share", changes, _allowed(limits.max_change_share, base), "all"),
    ]


def _delete_holds(
    context: RunContext,
    deletes: int,
    store_active: int,
    source_rows: int,
    good: Sequence[RunRecord],
) -> list[Hold]:
    if not deletes:
        return []
    limits = context.environment.settings.guard
    allowed = _allowed(limits.max_delete_share, store_active)
    holds = [
        *_past("max_deletes", deletes, limits.max_deletes, "deletes"),
        *_past("max_delete_share", deletes, allowed, "deletes"),
    ]
    if not good or good[0].fingerprint != context.environment.fingerprint():
        what = "scope, mapping or policy are new" if good else "this is the first run"
        holds.append(Hold("fingerprint", what, "a person approves", "deletes"))
    rows = [run.facts.source_rows for run in good if run.facts.source_rows]
    if rows:
        usual = median(rows)
        least = round(usual * (1 - limits.shrink_share))
        if source_rows < least:
            holds.append(Hold("shrink_share", str(source_rows), str(least), "deletes"))
    return holds


def _allowed(share: float, base: int) -> int:
    """How many a share allows: one at least; a share of 1 is no limit."""
    return max(1, int(share * base)) if share < 1 else sys.maxsize


def _past(limit: str, found: int, allowed: int, what: str) -> list[Hold]:
    return [Hold(limit, str(found), str(allowed), what)] if found > allowed else []
