"""What the daemon asks of the journal: its own nights, and how things stand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from zvirka.domain import Disposition, OutcomeState
from zvirka.journal.digests import table_of
from zvirka.journal.journal import Journal, open_journal
from zvirka.journal.run_facts import Facts
from zvirka.journal.tables import CorrectionRow, DifferenceRow, RunRow
from zvirka.service.nights import NIGHTLY, PastRun
from zvirka.settings.model import Settings

_RUN = table_of(RunRow)
_DIFFERENCE = table_of(DifferenceRow)
_CORRECTION = table_of(CorrectionRow)

_WHOLE = ("reconcile", "approve")
_ENDED = ("finished", "held", "failed", "interrupted")
_GOOD = ("finished", "held")
_MOST_KEYS = 100_000
_MOST_RUNS = 400


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One ended run, as alerts, metrics and the status line see it."""

    run: int
    status: str
    started: datetime
    ended: datetime
    facts: Facts = msgspec.field(default_factory=Facts)
    error: str = ""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand.

    ``last`` is the newest ended run over everything, ``good`` when one last ended well,
    ``held`` the runs that wait for approval, newest first, with their plan digests;
    ``unresolved_since`` is when the oldest of the differences left was first seen.
    """

    last: RunView | None = None
    good: datetime | None = None
    held: tuple[tuple[int, str, dict[str, int]], ...] = ()
    unresolved_since: datetime | None = None


class Records(Protocol):
    """The journal, as far as the daemon needs it."""

    def nightly(self, now: datetime) -> list[PastRun]:
        """The daemon's own runs of the last days."""
        ...

    def last_good(self) -> datetime | None:
        """When a run over everything last ended well."""
        ...

    def situation(self, now: datetime) -> Situation:
        """How things stand."""
        ...


class JournalRecords:
    """:class:`Records` of the journal of some settings, opened anew for each question.

    The daemon idles for a day between questions; a connection held so long only breaks.

    Args:
        settings: gives the settings in force.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def nightly(self, now: datetime) -> list[PastRun]:
        """The daemon's own runs of the last three days."""
        run = _RUN.c
        with closing(open_journal(self._settings())) as journal, journal.reading() as connection:
            rows = connection.execute(
                select(run.started_at, run.finished_at, run.status)
                .where(run.trigger.in_(NIGHTLY))
                .where(run.started_at >= now - timedelta(days=3))
            ).all()
        return [PastRun(started, ended, status) for started, ended, status in rows]

    def last_good(self) -> datetime | None:
        """When a run over everything last ended well."""
        with closing(open_journal(self._settings())) as journal, journal.reading() as connection:
            return _last_good(connection)

    def situation(self, now: datetime) -> Situation:
        """How things stand, from one look into the journal."""
        with closing(open_journal(self._settings())) as journal:
            with journal.reading() as connection:
                last = _last(connection)
                good = _last_good(connection)
                since = _unresolved_since(connection, last)
            return Situation(last=last, good=good, held=_held(journal, now), unresolved_since=since)


def _last(connection: Connection) -> RunView | None:
    row = connection.execute(
        select(_RUN)
        .where(_RUN.c.command.in_(_WHOLE), _RUN.c.status.in_(_ENDED))
        .order_by(_RUN.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return RunView(
        run=row.id,
        status=row.status,
        started=row.started_at,
        ended=row.finished_at or row.started_at,
        facts=msgspec.convert(row.facts or {}, Facts),
        error=str((row.error or {}).get("cause", "")),
    )


def _last_good(connection: Connection) -> datetime | None:
    moment: datetime | None = connection.execute(
        select(_RUN.c.finished_at)
        .where(_RUN.c.command.in_(_WHOLE), _RUN.c.status.in_(_GOOD))
        .where(_RUN.c.finished_at.is_not(None))
        .order_by(_RUN.c.id.desc())
        .limit(1)
    ).scalar()
    return moment


def _held(journal: Journal, now: datetime) -> tuple[tuple[int, str, dict[str, int]], ...]:
    return tuple(
        (row.id or 0, row.plan_digest, msgspec.convert(row.facts or {}, Facts).actions)
        for row in journal.held(now)
    )


def _unresolved_since(connection: Connection, last: RunView | None) -> datetime | None:
    """Follow the differences that are left back through the nights until none is left of them."""
    if last is None or not last.facts.remaining or last.facts.remaining > _MOST_KEYS:
        return None
    runs = connection.execute(
        select(_RUN.c.id, _RUN.c.started_at)
        .where(_RUN.c.command.in_(_WHOLE), _RUN.c.status.in_(_GOOD))
        .order_by(_RUN.c.id.desc())
        .limit(_MOST_RUNS)
    ).all()
    left: set[tuple[str, str]] | None = None
    since = None
    for run, started in runs:
        here = {
            (key, ref)
            for key, ref in connection.execute(
                select(_DIFFERENCE.c.key, _DIFFERENCE.c.ref)
                .outerjoin(
                    _CORRECTION,
                    and_(
                        _CORRECTION.c.run_id == _DIFFERENCE.c.run_id,
                        _CORRECTION.c.number == _DIFFERENCE.c.number,
                    ),
                )
                .where(_DIFFERENCE.c.run_id == run, _is_left())
                .limit(_MOST_KEYS)
            )
        }
        left = here if left is None else left & here
        if not left:
            break
        since = started
    return since


def _is_left() -> ColumnElement[bool]:
    """SQL: the difference was there and still is after the run."""
    disposition = _DIFFERENCE.c.disposition
    return or_(
        disposition.in_((Disposition.HELD.value, Disposition.REPORTED.value)),
        and_(
            disposition == Disposition.CORRECT.value,
            or_(
                _CORRECTION.c.id.is_(None),
                _CORRECTION.c.state.not_in(
                    (OutcomeState.APPLIED.value, OutcomeState.WITHDRAWN.value)
                ),
            ),
        ),
    )
