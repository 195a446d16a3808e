"""Phase guard: limits, checked before anything is written. What is past a limit is held.

Past a limit on deletes only the deletes wait for a person and the rest goes on; past a limit on
changes everything waits. A share always allows one deletion, however small the store.
"""

from __future__ import annotations

from statistics import median

from zvirka.domain import Action, Disposition
from zvirka.journal.run_facts import Hold
from zvirka.journal.tables import RunRow
from zvirka.reconcile.run_context import RunContext

_GOOD_RUNS = 7


def guard(context: RunContext) -> list[Hold]:
    """Hold what is past the limits, in the journal, and return the limits that held something.

    An approval and a resync of named counterparties are not guarded: a person decided about these.
    A run from 1C's exchange plan is; its shares are of the last good run.
    """
    journal = context.environment.journal
    if context.targeted:
        for good in journal.last_good(1):
            context.facts.store_active = int(good.facts.get("store_active", 0))
            context.facts.source_rows = int(good.facts.get("source_rows", 0))
    holds = _change_holds(context) or _delete_holds(context)
    if holds:
        everything = any(hold.what == "all" for hold in holds)
        journal.hold(context.run, None if everything else [Action.DELETE])
    return holds


def _planned(context: RunContext, *, deletes_only: bool) -> int:
    return sum(
        count
        for (action, disposition), count in context.planned.items()
        if action
        and (action == Action.DELETE or not deletes_only)
        and disposition in {Disposition.CORRECT, Disposition.HELD}
    )


def _change_holds(context: RunContext) -> list[Hold]:
    limits = context.environment.settings.guard
    changes = _planned(context, deletes_only=False)
    base = max(context.facts.store_active, context.facts.source_rows)
    return [
        *_past_count("max_changes", changes, limits.max_changes, "all"),
        *_past_share("max_change_share", changes, base, limits.max_change_share, "all"),
    ]


def _delete_holds(context: RunContext) -> list[Hold]:
    deletes = _planned(context, deletes_only=True)
    if not deletes:
        return []
    limits, active = context.environment.settings.guard, context.facts.store_active
    good = context.environment.journal.last_good(_GOOD_RUNS)
    return [
        *_past_count("max_deletes", deletes, limits.max_deletes, "deletes"),
        *_past_share("max_delete_share", deletes, active, limits.max_delete_share, "deletes"),
        *_new_rules(context, good),
        *_shrunk(context, good),
    ]


def _new_rules(context: RunContext, good: list[RunRow]) -> list[Hold]:
    """Under rules that no good run was made with, a person looks at the deletions first."""
    if not good:
        return [Hold(limit="first_run", what="deletes")]
    if good[0].fingerprint != context.environment.fingerprint():
        return [Hold(limit="fingerprint", what="deletes")]
    return []


def _shrunk(context: RunContext, good: list[RunRow]) -> list[Hold]:
    """Whether 1C holds far fewer counterparties than usual: the median of the last good runs."""
    rows = [count for run in _since_approved_shrink(context, good) if (count := _rows(run))]
    if not rows:
        return []
    least = round(median(rows) * (1 - context.environment.settings.guard.shrink_share))
    found = context.facts.source_rows
    if found >= least:
        return []
    return [Hold(limit="shrink_share", found=found, relation="<", allowed=least, what="deletes")]


def _since_approved_shrink(context: RunContext, good: list[RunRow]) -> list[RunRow]:
    """Newest first, down to the approval of a plan that ``shrink_share`` held: a new normal."""
    for place, run in enumerate(good):
        if run.command == "approve" and run.parent is not None:
            parent = context.environment.journal.get(run.parent)
            if any(hold["limit"] == "shrink_share" for hold in parent.facts.get("held", [])):
                return good[: place + 1]
    return good


def _rows(run: RunRow) -> int:
    return int(run.facts.get("source_rows", 0))


def _past_count(limit: str, found: int, allowed: int, what: str) -> list[Hold]:
    if found <= allowed:
        return []
    return [Hold(limit=limit, found=found, relation=">", allowed=allowed, what=what)]


def _past_share(limit: str, count: int, base: int, allowed: float, what: str) -> list[Hold]:
    """One is always allowed; a share of 1 is no limit."""
    if allowed == 1 or count <= max(1, int(allowed * base)):
        return []
    found = count / base if base else 1.0
    return [Hold(limit=limit, found=found, relation=">", allowed=allowed, what=what)]
