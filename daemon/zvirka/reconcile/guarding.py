"""Phase guard: limits, checked before anything is written. What is past a limit is held.

Past a limit on deletes only the deletes wait for a person and the rest goes on; past a limit on
changes everything waits. A share always allows one deletion, however small the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import median

from zvirka.domain import Action, Command, Disposition
from zvirka.journal.records import RunRecord
from zvirka.journal.run_facts import Hold
from zvirka.reconcile.run_context import RunContext

_GOOD_RUNS = 7


def guard(
    context: RunContext,
    planned: Mapping[tuple[str, Disposition], int],
    *,
    store_active: int | None,
    source_rows: int | None,
    linked: int = 0,
) -> list[Hold]:
    """Hold what is past the limits, in the journal, and return the limits that held something.

    An approval and a resync of named counterparties are not guarded: a person decided about these.
    A run from 1C's exchange plan is; its shares are of the last good run.

    Args:
        context: the run.
        planned: how many differences it has, by action and disposition.
        store_active: active clients in the store.
        source_rows: counterparties in 1C.
        linked: deletions that are held already, because another flow is linked to the client.
    """
    journal = context.environment.journal
    if context.targeted:
        for good in journal.last_good(1):
            store_active, source_rows = good.facts.store_active, good.facts.source_rows
    active, rows = store_active or 0, source_rows or 0
    waiting = {Disposition.CORRECT, Disposition.HELD}
    changes = Counter[str]()
    for (action, disposition), count in planned.items():
        if action and disposition in waiting:
            changes[action] += count
    holds = _change_holds(context, changes.total(), max(active, rows))
    if not holds and changes[Action.DELETE]:
        holds = _delete_holds(context, changes[Action.DELETE], active, rows)
    if holds:
        everything = any(hold.what == "all" for hold in holds)
        journal.hold(context.run, None if everything else [Action.DELETE])
    if linked:
        holds.append(Hold(limit="linked", what="linked"))
    return holds


def _change_holds(context: RunContext, changes: int, base: int) -> list[Hold]:
    limits = context.environment.settings.guard
    return [
        *_past_count("max_changes", changes, limits.max_changes, "all"),
        *_past_share("max_change_share", changes, base, limits.max_change_share, "all"),
    ]


def _delete_holds(context: RunContext, deletes: int, active: int, rows: int) -> list[Hold]:
    limits = context.environment.settings.guard
    good = context.environment.journal.last_good(_GOOD_RUNS)
    return [
        *_past_count("max_deletes", deletes, limits.max_deletes, "deletes"),
        *_past_share("max_delete_share", deletes, active, limits.max_delete_share, "deletes"),
        *_new_rules(context, good),
        *_shrunk(context, good, rows),
    ]


def _new_rules(context: RunContext, good: list[RunRecord]) -> list[Hold]:
    """Under rules that no good run was made with, a person looks at the deletions first."""
    if not good:
        return [Hold(limit="first_run", what="deletes")]
    if good[0].fingerprint != context.environment.fingerprint():
        return [Hold(limit="fingerprint", what="deletes")]
    return []


def _shrunk(context: RunContext, good: list[RunRecord], found: int) -> list[Hold]:
    """Whether 1C holds far fewer counterparties than usual: the median of the last good runs."""
    recent = _since_approved_shrink(context, good)
    usual = [run.facts.source_rows for run in recent if run.facts.source_rows]
    if not usual:
        return []
    least = round(median(usual) * (1 - context.environment.settings.guard.shrink_share))
    if found >= least:
        return []
    return [Hold(limit="shrink_share", found=found, relation="<", allowed=least, what="deletes")]


def _since_approved_shrink(context: RunContext, good: list[RunRecord]) -> list[RunRecord]:
    """Newest first, down to the approval of a plan that ``shrink_share`` held: a new normal."""
    for place, run in enumerate(good):
        if run.command == Command.APPROVE and run.parent is not None:
            parent = context.environment.journal.get(run.parent)
            if any(hold.limit == "shrink_share" for hold in parent.facts.held):
                return good[: place + 1]
    return good


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
