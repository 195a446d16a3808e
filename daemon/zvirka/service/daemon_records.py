"""What the daemon reads from the journal: its own runs, and the state of things."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from zvirka.domain import Mode, RunStatus
from zvirka.journal.beats import BeatName, put_beat
from zvirka.journal.head import Head, chain_head
from zvirka.journal.held_runs import waiting_runs
from zvirka.journal.journal import open_journal
from zvirka.journal.push_counts import received_between
from zvirka.journal.queries import (
    last_good,
    last_over_everything,
    runs_since,
    unresolved_since,
)
from zvirka.journal.records import RunRecord
from zvirka.journal.run_facts import Facts
from zvirka.journal.run_writes import FINAL
from zvirka.service.nights import NIGHTLY, SETTLED, PastRun
from zvirka.settings.model import Settings


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One ended run, as alerts, metrics and the status line see it."""

    run: int
    status: RunStatus
    started: datetime
    ended: datetime
    mode: Mode | None = None
    facts: Facts = msgspec.field(default_factory=Facts)
    error: str = ""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """The state that alerts, metrics and the status line show.

    ``last`` is the newest ended run over everything, ``good`` when the last good one ended
    (:func:`zvirka.journal.definitions.is_good`), ``held`` the runs that wait for approval, newest
    first, with their plan digests; ``unresolved_since`` is when the oldest of the differences left
    was first seen. ``received`` counts the webhooks taken in between the good run before ``last``
    and ``last``; ``None`` where no receiver runs. ``head`` is that of the chain.
    """

    last: RunView | None = None
    good: datetime | None = None
    held: tuple[tuple[int, str, dict[str, int]], ...] = ()
    unresolved_since: datetime | None = None
    received: int | None = None
    head: Head | None = None


class Recalled(msgspec.Struct, frozen=True):
    """What a daemon that begins has to know.

    ``nightly`` are its own runs of the last three days, ``settled`` is when a run over everything
    last finished or was held.
    """

    nightly: list[PastRun]
    settled: datetime | None
    situation: Situation


class Records(Protocol):
    """The journal, as far as the daemon needs it."""

    def recall(self, now: datetime) -> Recalled:
        """What the daemon did before, and the state now."""
        ...

    def look(self, now: datetime, due: datetime) -> Situation:
        """Note that the daemon is alive and when its next run is due; the state now."""
        ...


class JournalRecords:
    """:class:`Records` of the journal of some settings, opened once for each question.

    The daemon idles for a day between questions; a connection held so long only breaks.

    Args:
        settings: gives the settings in force.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def recall(self, now: datetime) -> Recalled:
        """What the daemon did before, and the state now."""
        with closing(open_journal(self._settings())) as journal, journal.reading() as connection:
            runs = runs_since(connection, now - timedelta(days=3), NIGHTLY)
            settled = last_over_everything(connection, SETTLED)
            return Recalled(
                [PastRun(run.started_at, run.finished_at, run.status) for run in runs],
                settled.finished_at if settled is not None else None,
                _situation(connection, now, journal.approval_expires),
            )

    def look(self, now: datetime, due: datetime) -> Situation:
        """Note that the daemon is alive and when its next run is due; the state now."""
        with closing(open_journal(self._settings())) as journal:
            with journal.writing() as connection:
                put_beat(connection, BeatName.DAEMON, now, {"next": due.isoformat()})
            with journal.reading() as connection:
                return _situation(connection, now, journal.approval_expires)

    def situation(self, now: datetime) -> Situation:
        """The state now, read in one transaction."""
        with closing(open_journal(self._settings())) as journal, journal.reading() as connection:
            return _situation(connection, now, journal.approval_expires)

    def stopped(self, now: datetime) -> None:
        """Note that the daemon stops."""
        with closing(open_journal(self._settings())) as journal, journal.writing() as connection:
            put_beat(connection, BeatName.DAEMON, now, {})


def _situation(connection: Connection, now: datetime, approval_expires: timedelta) -> Situation:
    last = last_over_everything(connection, FINAL)
    good = last_good(connection, 2)
    return Situation(
        last=_view(last) if last is not None else None,
        good=good[0].finished_at if good else None,
        held=tuple(
            (run.id, run.plan_digest, run.facts.actions or {})
            for run in waiting_runs(connection, now, approval_expires)
        ),
        unresolved_since=unresolved_since(connection),
        received=_received(connection, last, good),
        head=chain_head(connection),
    )


def _received(connection: Connection, last: RunRecord | None, good: list[RunRecord]) -> int | None:
    before = [run for run in good if last is not None and run.id < last.id]
    if last is None or not before:
        return None
    return received_between(connection, before[0].started_at, last.started_at)


def _view(run: RunRecord) -> RunView:
    return RunView(
        run=run.id,
        status=run.status,
        started=run.started_at,
        ended=run.finished_at or run.started_at,
        mode=run.mode,
        facts=run.facts,
        error=run.error.cause if run.error is not None else "",
    )
