"""The front page: how the flow stands now, read from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection
from starlette.responses import Response

from zvirka.domain import RunStatus, Standing
from zvirka.i18n import N_
from zvirka.i18n.words import STANDINGS
from zvirka.journal.beats import Beat, BeatName, put_beat, read_beats
from zvirka.journal.push_counts import MissRate, miss_rate, miss_rate_over
from zvirka.journal.queries import list_runs, reconciliations_until
from zvirka.journal.records import RunRecord
from zvirka.journal.standing import flow_state
from zvirka.report.assembly import night_of
from zvirka.report.chart import chart_of
from zvirka.report.content import CHART_RUNS
from zvirka.web.live_progress import progress_of
from zvirka.web.pages import tone_of
from zvirka.web.request_context import Refused, RequestContext

RECENT = 8
MOST_RUNS = 2**31 - 1


_LEGEND: dict[Standing, tuple[str, str]] = {
    Standing.HEALTHY: ("good", N_("the last run is good and recent")),
    Standing.RUNNING: ("", N_("a run is at work now")),
    Standing.HELD: ("warning", N_("a plan waits for a person")),
    Standing.FAILING: ("bad", N_("the last run failed or was interrupted")),
    Standing.STALE: ("bad", N_("the last good run is too long ago")),
    Standing.PAUSED: ("warning", N_("the daemon was stopped; nothing is scheduled")),
}
LEGEND = {name: (tone, STANDINGS[name], meaning) for name, (tone, meaning) in _LEGEND.items()}
"""Colour, word and legend."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the front page shows. ``reached`` says whether 1C and the store answered last time."""

    standing: Standing
    last: RunRecord | None
    good: RunRecord | None
    daemon: Beat | None
    alive: bool
    due: datetime | None
    running: RunRecord | None
    progress: Beat | None
    reached: tuple[bool | None, bool | None]
    waiting: list[RunRecord]
    rates: list[MissRate]


def overview(context: RequestContext) -> Response:
    """The front page."""
    now = context.web.now()
    waiting = context.journal.held(now)
    with context.journal.reading() as connection:
        seen = _look(connection, now, waiting, context.web.settings.schedule.stale_after)
        recent = list_runs(connection, limit=RECENT)
        nights = reconciliations_until(connection, MOST_RUNS, CHART_RUNS)
    decided = context.journal.decisions([run.id for run in recent], now)
    half = len(seen.rates) // 2
    return context.render(
        "overview.html",
        seen=seen,
        standings=LEGEND,
        flows=context.web.flows(),
        now=now,
        drawing=chart_of([night_of(run) for run in nights]),
        runs=[(run, decided.get(run.id), tone_of(run, decided.get(run.id))) for run in recent],
        rate=miss_rate_over(seen.rates),
        rate_before=miss_rate_over(seen.rates[:half]),
        rate_lately=miss_rate_over(seen.rates[half:]),
        live=progress_of(seen.running, seen.progress, context.words) if seen.running else None,
        ago=lambda moment: context.words.ago(now - moment),
        run=0,
    )


def stop(context: RequestContext) -> Response:
    """Ask the run in progress, of any command and person, to stop at its next safe place."""
    _ = context.words.gettext
    number = context.number("run")
    with context.journal.writing() as connection:
        beat = read_beats(connection).get(BeatName.RUN)
        if beat is None or beat.detail["run"] != number:
            raise Refused(409, _("This run is not under way any more; nothing was done."))
        detail = {"run": number, "who": context.user.name}
        put_beat(connection, BeatName.STOP, context.web.now(), detail)
    return context.redirect("/")


def _look(
    connection: Connection, now: datetime, waiting: list[RunRecord], stale_after: timedelta
) -> Overview:
    state = flow_state(connection, now)
    return Overview(
        standing=state.standing(now, waiting=bool(waiting), stale_after=stale_after),
        last=state.last,
        good=state.good,
        daemon=state.daemon,
        alive=state.alive,
        due=state.due,
        running=state.running,
        progress=read_beats(connection).get(BeatName.RUN),
        reached=_reached(state.last),
        waiting=waiting,
        rates=_rates(reconciliations_until(connection, MOST_RUNS, CHART_RUNS)),
    )


def _reached(last: RunRecord | None) -> tuple[bool | None, bool | None]:
    """Whether 1C and the store answered the last run; ``None`` when it did not get that far."""
    if last is None:
        return None, None
    facts = last.facts
    source = True if facts.source_count_before is not None else None
    store = True if facts.store_rows is not None else None
    if last.status is RunStatus.FAILED:
        if source is None:
            source = False if last.phase in {"preflight", "pull"} else None
        elif store is None:
            store = False if last.phase in {"scan", "diff"} else None
    return source, store


def _rates(runs: list[RunRecord]) -> list[MissRate]:
    """The miss rate of each run that read only what had changed, oldest first."""
    found = (miss_rate(run.mode, run.facts) for run in runs)
    return [rate for rate in found if rate is not None]
