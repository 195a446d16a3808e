"""Retention: personal values leave the journal, the proof of what was done stays.

Names, notes, field values, before- and after-images and the extra keys of receipts are emptied,
and the salts with them. Код, Ref_Key, counts, causes, outcomes and digests remain, and the chain
stays verifiable.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, exists, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from zvirka.journal.column_types import canonical
from zvirka.journal.held_runs import waiting_runs
from zvirka.journal.journal import Journal
from zvirka.journal.run_facts import Facts
from zvirka.journal.sealing import CORRECTION, DIFFERENCE, RECEIPT, RUN


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What a prune did: its own run (``None``: nothing was old enough), the runs and receipts."""

    run: int | None = None
    runs: tuple[int, ...] = ()
    receipts: int = 0


def prune(
    journal: Journal,
    older_than: timedelta,
    now: datetime,
    who: str,
    reason: str,
    trigger: str = "manual",
) -> Pruned:
    """Empty the personal values of runs that ended, and receipts that came, before ``older_than``.

    All in one transaction, together with the run that says so. Left alone are held runs that wait
    for an answer, and runs with corrections whose outcome is open.

    Raises:
        JournalError: the journal cannot be written.
    """
    before = now - older_than
    with journal.writing() as connection:
        waiting = waiting_runs(connection, now, journal.approval_expires)
        runs = _old_runs(connection, before, {run.id for run in waiting})
        last, receipts = _old_receipts(connection, before)
        if not runs and not receipts:
            return Pruned()
        run = journal.begin_on(
            connection,
            command="prune",
            trigger=trigger,
            who=who,
            reason=reason,
            fingerprint="",
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
        journal.finish_on(connection, run, status="finished", exit_code=0, now=now)
    _forget_pages(journal)
    return Pruned(run=run, runs=tuple(runs), receipts=receipts)


def _old_runs(connection: Connection, before: datetime, waiting: set[int | None]) -> list[int]:
    open_intent = exists().where(CORRECTION.c.run_id == RUN.c.id, CORRECTION.c.state == "intended")
    query = select(RUN.c.id).where(
        RUN.c.seal.is_not(None),
        RUN.c.pruned_at.is_(None),
        RUN.c.command != "prune",
        RUN.c.finished_at < before,
        ~open_intent,
    )
    found = connection.execute(query.order_by(RUN.c.id)).scalars()
    return [run for run in found if run not in waiting]


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
    """Take the old values out of the files too, as far as the database lets us."""
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
        return  # not the owner of the tables: autovacuum comes by in its own time
