"""What became of held runs: which plan waits for a person, and why the others no longer do.

Nothing is stored for this: a sealed run never changes, so its state follows from the runs after it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Text,
    and_,
    func,
    or_,
    select,
    type_coerce,
)

from zvirka.domain import Command, Mode, PlanState, RunStatus, Trigger
from zvirka.journal.first_approvals import FirstApproval, first_approvals
from zvirka.journal.records import RunRecord
from zvirka.journal.row_mapping import run_from
from zvirka.journal.tables import RUN


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one held run, and the run and person that brought it about.

    While it waits, ``needed`` is how many people must approve it, and ``given`` are the approvals
    that count so far. ``by`` is the approving, rejecting or superseding run; ``None`` while the
    plan waits and when it expired.
    """

    run: int
    state: PlanState
    by: int | None = None
    who: str = ""
    needed: int = 1
    given: tuple[FirstApproval, ...] = ()


def waiting_runs(connection: Connection, now: datetime, expires: timedelta) -> list[RunRecord]:
    """Held runs that can still be approved or rejected, newest first.

    Args:
        connection: to the journal.
        now: aware.
        expires: how long after its end a held run can be answered.
    """
    query = (
        select(RUN)
        .where(
            RUN.c.status == RunStatus.HELD.value,
            RUN.c.finished_at >= now - expires,
            _successor().is_(None),
            _answer().is_(None),
        )
        .order_by(RUN.c.id.desc())
    )
    return [run_from(row) for row in connection.execute(query).mappings()]


def decisions(
    connection: Connection,
    runs: Collection[int],
    now: datetime,
    expires: timedelta,
    needed: int = 1,
) -> dict[int, Decision]:
    """The decision on each of the given runs that was held, by run; arguments as above.

    ``needed`` is how many people must approve.
    """
    found = connection.execute(
        select(
            RUN.c.id,
            RUN.c.finished_at,
            _answer().label("answer"),
            _successor().label("successor"),
        ).where(RUN.c.id.in_(runs), RUN.c.status == RunStatus.HELD.value)
    ).all()
    decided_by = {
        row.id: min(run for run in (row.answer, row.successor) if run)
        for row in found
        if row.answer or row.successor
    }
    by = {
        row.id: row
        for row in connection.execute(
            select(RUN.c.id, RUN.c.command, RUN.c.who).where(RUN.c.id.in_(decided_by.values()))
        )
    }
    states = {
        Command.APPROVE.value: PlanState.APPROVED,
        Command.REJECT.value: PlanState.REJECTED,
    }
    told: dict[int, Decision] = {}
    for row in found:
        if row.id in decided_by:
            other = by[decided_by[row.id]]
            told[row.id] = Decision(
                run=row.id,
                state=states.get(other.command, PlanState.SUPERSEDED),
                by=other.id,
                who=other.who,
            )
        else:
            late = row.finished_at < now - expires
            given: tuple[FirstApproval, ...] = ()
            if needed > 1 and not late:
                given = first_approvals(connection, row.id, now, expires)
            told[row.id] = Decision(
                run=row.id,
                state=PlanState.EXPIRED if late else PlanState.WAITING,
                needed=needed,
                given=given,
            )
    return told


def _answer() -> ScalarSelect[int]:
    """SQL: the first run that carried out a person's answer to the held run.

    An approval that failed is no answer, nor is the rejection of a part of the plan. An answer is
    to a plan, so it also answers earlier runs that held exactly the same.
    """
    answer, shown = RUN.alias(), RUN.alias()
    whole = or_(
        answer.c.command == Command.APPROVE.value,
        and_(answer.c.command == Command.REJECT.value, answer.c.mode != Mode.TARGETED.value),
    )
    same_plan = and_(
        shown.c.status == RunStatus.HELD.value,
        shown.c.plan_digest == RUN.c.plan_digest,
        RUN.c.plan_digest != "",
        RUN.c.id < answer.c.id,
    )
    return (
        select(answer.c.id)
        .join(shown, shown.c.id == answer.c.parent)
        .where(
            answer.c.parent.is_not(None),
            answer.c.status == RunStatus.FINISHED.value,
            whole,
            or_(shown.c.id == RUN.c.id, same_plan),
        )
        .order_by(answer.c.id)
        .limit(1)
        .correlate(RUN)
        .scalar_subquery()
    )


def _successor() -> ScalarSelect[int]:
    """SQL: the first later run that compared at least as much and says what is held now."""
    later = RUN.alias()
    # Not by the index of the status: the first run after the held one nearly always decides.
    status = func.coalesce(later.c.status, "")
    over_everything = and_(
        later.c.command.in_((Command.RECONCILE.value, Command.RESYNC.value)),
        later.c.mode != Mode.TARGETED.value,
        or_(
            status == RunStatus.HELD.value,
            and_(status == RunStatus.FINISHED.value, _is_complete(later)),
        ),
    )
    # 1C's exchange plan repeats what is not confirmed: the next message names it all again.
    next_message = and_(
        RUN.c.trigger == Trigger.FEED.value,
        later.c.trigger == Trigger.FEED.value,
        status.in_((RunStatus.HELD.value, RunStatus.FINISHED.value)),
    )
    return (
        select(later.c.id)
        .where(later.c.id > RUN.c.id, or_(over_everything, next_message))
        .order_by(later.c.id)
        .limit(1)
        .correlate(RUN)
        .scalar_subquery()
    )


def _is_complete(run: FromClause) -> ColumnElement[bool]:
    """SQL: ``facts.complete``; the facts are canonical JSON, without blanks."""
    return type_coerce(run.c.facts, Text).contains('"complete":true')
