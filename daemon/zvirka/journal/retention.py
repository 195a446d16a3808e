"""Retention: removes personal values from the journal and keeps the proof of what was done.

Names, notes, field values, before- and after-images and the extra keys of receipts are emptied,
and the salts with them. Код, Ref_Key, counts, causes, outcomes and digests remain, and the chain
stays verifiable.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, exists, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from zvirka.domain import Command, RunStatus, Trigger
from zvirka.journal.column_types import canonical
from zvirka.journal.held_runs import waiting_runs
from zvirka.journal.journal import Journal
from zvirka.journal.run_facts import Facts
from zvirka.journal.run_writes import begin_run, finish_run
from zvirka.journal.tables import CORRECTION, DIFFERENCE, RECEIPT, RUN


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What a prune did: its own run (``None``: nothing was old enough), the runs and receipts."""

    run: int | None = None
    runs: tuple[int, ...] = ()
    receipts: int = 0


def prunable(journal: Journal, older_than: timedelta, now: datetime) -> Pruned:
    """What :func:`prune` would empty; nothing is written.

    Raises:
        JournalError: the journal cannot be read.
    """
    with journal.reading() as connection:
        runs, _, receipts = _prunable(connection, journal, older_than, now)
    return Pruned(runs=tuple(runs), receipts=receipts)


def prune(
    journal: Journal,
    older_than: timedelta,
    now: datetime,
    who: str,
    reason: str,
    trigger: Trigger = Trigger.MANUAL,
) -> Pruned:
    """Empty the personal values of runs that ended, and receipts that came, before ``older_than``.

    All in one transaction, together with the run that records it. Held runs that wait for an answer
    and runs with corrections whose outcome is open are left alone.

    Raises:
        JournalError: the journal cannot be written.
    """
    with journal.writing() as connection:
        runs, last, receipts = _prunable(connection, journal, older_than, now)
        if not runs and not receipts:
            return Pruned()
        run = begin_run(
            connection,
            journal.random,
            command=Command.PRUNE,
            trigger=trigger,
            who=who,
            reason=reason,
            now=now,
        )
        for number in runs:
            _empty(connection, number, now)
        connection.execute(
            update(RECEIPT).where(RECEIPT.c.id <= last, RECEIPT.c.extra != "{}").values(extra="{}")
        )
        facts = Facts(pruned=runs, pruned_receipts=last)
        connection.execute(
            update(RUN).where(RUN.c.id == run).values(facts=canonical(msgspec.to_builtins(facts)))
        )
        finish_run(connection, run, journal.signer, status=RunStatus.FINISHED, exit_code=0, now=now)
    _forget_pages(journal)
    return Pruned(run=run, runs=tuple(runs), receipts=receipts)


def _prunable(
    connection: Connection, journal: Journal, older_than: timedelta, now: datetime
) -> tuple[list[int], int, int]:
    """The old runs, the last of the old receipts, and how many of those hold extra keys."""
    before = now - older_than
    waiting = waiting_runs(connection, now, journal.approval_expires)
    runs = _old_runs(connection, before, {run.id for run in waiting})
    return runs, *_old_receipts(connection, before)


def _old_runs(connection: Connection, before: datetime, waiting: set[int | None]) -> list[int]:
    open_intent = exists().where(CORRECTION.c.run_id == RUN.c.id, CORRECTION.c.state == "intended")
    query = select(RUN.c.id, RUN.c.parent).where(
        RUN.c.seal.is_not(None),
        RUN.c.pruned_at.is_(None),
        RUN.c.command != Command.PRUNE.value,
        RUN.c.finished_at < before,
        ~open_intent,
    )
    found = connection.execute(query.order_by(RUN.c.id)).all()
    # What a first approval of a plan that waits has approved is needed for the second one.
    return [run for run, parent in found if not {run, parent} & waiting]


def _old_receipts(connection: Connection, before: datetime) -> tuple[int, int]:
    """The last receipt of those at the beginning that are old and settled; how many hold extras."""
    r = RECEIPT.c
    keep = select(func.min(r.id)).where((r.received_at >= before) | (r.outcome == ""))
    bound = connection.execute(keep).scalar()
    query = select(func.max(r.id))
    last = connection.execute(query if bound is None else query.where(r.id < bound)).scalar() or 0
    full = select(func.count()).select_from(RECEIPT).where(r.id <= last, r.extra != "{}")
    return int(last), int(connection.execute(full).scalar_one())


def _empty(connection: Connection, run: int, now: datetime) -> None:
    connection.execute(
        update(DIFFERENCE)
        .where(DIFFERENCE.c.run_id == run)
        .values(name="", fields="[]", note="", evidence="")
    )
    connection.execute(
        update(CORRECTION).where(CORRECTION.c.run_id == run).values(before="{}", after="{}")
    )
    connection.execute(update(RUN).where(RUN.c.id == run).values(salt="", pruned_at=now))


def _forget_pages(journal: Journal) -> None:
    """Remove the old values from the database files too, as far as its rights allow."""
    if journal.engine.dialect.name == "sqlite":
        raw = journal.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
        return
    try:
        with journal.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM difference, correction, receipt, run"))
    except SQLAlchemyError:
        return  # only the owner of the tables may; autovacuum will do it later
