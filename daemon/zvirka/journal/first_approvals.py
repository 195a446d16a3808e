"""Who has approved a held plan so far, where ``policy.approvals`` asks for two people.

A first approval is a run of its own (:attr:`zvirka.domain.Command.ENDORSE`): it lists the
differences that it approves and is sealed like any other. It counts for the same plan, also when a
later run holds that plan again, until ``policy.approval_expires`` has passed since it was given.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, and_, or_, select

from zvirka.domain import Command, Disposition, RunStatus
from zvirka.journal.difference_queries import content_digests
from zvirka.journal.row_mapping import run_from
from zvirka.journal.tables import RUN

_TERMINAL = re.compile(r" on (?:pts/\d+|tty\w*|console)$")


class FirstApproval(msgspec.Struct, frozen=True, kw_only=True):
    """One approval that waits for a second one: its run, and how many differences it approves."""

    run: int
    who: str
    at: datetime
    differences: int


def person_of(who: str) -> str:
    """The person of a run's ``who``: olena of «olena (sudo) on pts/3» and of the page's «Olena»."""
    return _TERMINAL.sub("", who).removesuffix(" (sudo)").strip().casefold()


def first_approvals(
    connection: Connection, held: int, now: datetime, expires: timedelta
) -> tuple[FirstApproval, ...]:
    """The approvals of a held plan that still count, oldest first, but not that of who asked.

    Args:
        connection: to the journal.
        held: the run that waits.
        now: aware.
        expires: how long an approval counts.
    """
    shown = connection.execute(select(RUN.c.who, RUN.c.plan_digest).where(RUN.c.id == held)).one()
    same_plan = and_(RUN.c.plan_digest == shown.plan_digest, RUN.c.plan_digest != "")
    plans = select(RUN.c.id).where(
        RUN.c.status == RunStatus.HELD.value, or_(RUN.c.id == held, same_plan)
    )
    query = (
        select(RUN)
        .where(
            RUN.c.command == Command.ENDORSE.value,
            RUN.c.status == RunStatus.FINISHED.value,
            RUN.c.parent.in_(plans),
            RUN.c.finished_at >= now - expires,
        )
        .order_by(RUN.c.id)
    )
    runs = [run_from(row) for row in connection.execute(query).mappings()]
    return tuple(
        FirstApproval(
            run=run.id,
            who=run.who,
            at=run.finished_at or run.started_at,
            differences=run.facts.found or 0,
        )
        for run in runs
        if person_of(run.who) != person_of(shown.who)
    )


def approved_contents(connection: Connection, approval: FirstApproval) -> set[str]:
    """The content digests of the differences that an approval approves."""
    return set(content_digests(connection, approval.run, Disposition.HELD))
