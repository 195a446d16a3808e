"""The pages that only read: runs, a run's report, held runs, the history of a counterparty."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from zvirka.domain import ZERO_REF, Cause, Command, Disposition, Kind, PlanState, RunStatus
from zvirka.errors import LockHeldError
from zvirka.i18n.words import COMMANDS, STATUSES
from zvirka.journal.beats import BeatName, read_beats
from zvirka.journal.client_search import client_named, find_clients
from zvirka.journal.difference_search import (
    DifferenceFilter,
    FilteredDifferences,
    Sort,
    find_differences,
    identity_of,
)
from zvirka.journal.held_runs import Decision
from zvirka.journal.queries import answers, people
from zvirka.journal.receipts import Receipt, find_receipts, has_receipts
from zvirka.journal.records import RunRecord
from zvirka.report import FORMATS, report_stem
from zvirka.report.assembly import content_of
from zvirka.report.chart import chart_of
from zvirka.report.content import ReportContent
from zvirka.report.history import history_done, history_head
from zvirka.settings.effective import effective_values
from zvirka.settings.loading import Loaded
from zvirka.web.days import between, day_of
from zvirka.web.difference_filter import filter_of, query_of, word_of
from zvirka.web.live_progress import RunProgress, counted, progress_of
from zvirka.web.plan_changes import plan_before
from zvirka.web.request_context import Refused, RequestContext
from zvirka.web.worker import Work

RUNS = 50
"""Runs on one page."""
DIFFERENCES = 100
"""Differences on one page."""
LONGEST_KEY = 200
_UNDOABLE = frozenset({Command.RECONCILE, Command.RESYNC, Command.APPROVE})
FOUND = 50
"""Counterparties a search lists."""
RECEIPTS = 20
RECEIPTS_FOR = timedelta(days=90)
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def runs(context: RequestContext) -> Response:
    """The runs, newest first, narrowed by status and command."""
    status = word_of(RunStatus, context.query.get("status"))
    command = word_of(Command, context.query.get("command"))
    before = context.query.get("before", "")
    behind = int(before) if before.isascii() and before.isdigit() and len(before) < 10 else None
    who = context.query.get("who", "")
    days = {name: day_of(context.query.get(name, "")) for name in ("from", "to")}
    found = context.journal.runs(
        limit=RUNS + 1,
        before=behind,
        command=command,
        status=status,
        who=who,
        started=between(context, days["from"], days["to"]),
    )
    with context.journal.reading() as connection:
        everybody = people(connection)
    shown = found[:RUNS]
    decided = context.journal.decisions([row.id for row in shown], context.web.now())
    asked = {"status": status, "command": command, "who": who, **days}
    chosen = {name: word for name, word in asked.items() if word}
    return context.render(
        "runs.html",
        runs=[(row, decided.get(row.id), tone_of(row, decided.get(row.id))) for row in shown],
        statuses=STATUSES,
        commands=COMMANDS,
        status=status or "",
        command=command or "",
        who=who,
        people=everybody,
        days=days,
        narrowed=bool(chosen),
        query=lambda **more: urlencode({**chosen, **more}),
        older=shown[-1].id if len(found) > RUNS else None,
        first=behind is None,
    )


def tone_of(row: RunRecord, decision: Decision | None = None) -> str:
    """``good``, ``warning``, ``bad``, or '' where nothing is open: the colour of its status."""
    if row.status.broke_off:
        return "bad"
    if row.status == RunStatus.RUNNING:
        return ""
    if decision is not None and decision.state is not PlanState.WAITING:
        return "good" if decision.state is PlanState.APPROVED else ""
    return "warning" if row.status == RunStatus.HELD or row.facts.remaining else "good"


def run(context: RequestContext) -> Response:
    """A run's report; its differences filtered by the address."""
    return show_run(context, filter_of(context.query))


def search_run(context: RequestContext) -> Response:
    """The same, filtered by a form: a searched text may be personal and stays out of addresses."""
    difference_filter = filter_of(context.form)
    if difference_filter.text:
        return show_run(context, difference_filter)
    number = context.number("run")
    return context.redirect(
        f"/runs/{number}?{query_of(difference_filter, difference_filter.page)}#differences"
    )


def leave_search(context: RequestContext) -> Response:
    """A search is not kept in the address: go back to the whole report."""
    return context.redirect(f"/runs/{context.number('run')}")


def show_run(
    context: RequestContext, difference_filter: DifferenceFilter, status: int = 200, **more: Any
) -> Response:
    """The page of a run."""
    number = context.number("run")
    findings = content_of(context.journal, number)
    with context.journal.reading() as connection:
        sifted = find_differences(
            connection, number, difference_filter, DIFFERENCES, context.words.told
        )
        replies = answers(connection, number)
    decision = context.journal.decisions([number], context.web.now()).get(number)
    live = None
    if findings.run.status is RunStatus.RUNNING:
        with context.journal.reading() as connection:
            beat = read_beats(connection).get(BeatName.RUN)
        live = progress_of(findings.run, beat, context.words)
    waits = decision is not None and decision.state is PlanState.WAITING
    return context.render(
        "run.html",
        status,
        findings=findings,
        run=number,
        drawing=chart_of(findings.nights) if findings.run.command == Command.RECONCILE else None,
        pages=(),
        file_name=f"{report_stem(number)}.html",
        difference_filter=difference_filter,
        sifted=sifted,
        query_of=query_of,
        entries=_entries(findings, sifted),
        choices=_choices(findings),
        sorts=_sorts(context),
        answers=replies,
        open=waits,
        live=live,
        decision=decision,
        formats=FORMATS,
        earlier=plan_before(context.journal, number) if waits else None,
        held_causes=[
            cause
            for cause in Cause
            if any(t.cause is cause and t.disposition is Disposition.HELD for t in findings.tallies)
        ],
        undoable=findings.run.command in _UNDOABLE and findings.applied > 0,
        shown_digest=context.journal.plan_digest(number) if waits else "",
        **{"error": "", "reason": "", **more},
    )


def held(context: RequestContext) -> Response:
    """The runs that wait for a decision."""
    waiting = context.journal.held(context.web.now())
    decided = context.journal.decisions([row.id for row in waiting], context.web.now())
    return context.render(
        "held.html",
        held=[
            (row, content_of(context.journal, row.id), _expires(context, row), decided[row.id])
            for row in waiting
        ],
    )


def _expires(context: RequestContext, row: RunRecord) -> datetime:
    """When the plan can no longer be answered."""
    return (row.finished_at or row.started_at) + context.journal.approval_expires


def search(context: RequestContext) -> Response:
    """The page that says what can be searched for."""
    return context.render("found.html", found=[])


def find_counterparty(context: RequestContext) -> Response:
    """The counterparties that the searched text fits; the page of one when there is only one."""
    text = context.form.get("q", "").strip()[:LONGEST_KEY]
    if not text:
        return context.redirect("/counterparty")
    with context.journal.reading() as connection:
        found = find_clients(connection, text, FOUND)
    if len(found) == 1:
        return context.redirect(f"/runs/{found[0].run}/{found[0].number}")
    if found:
        return context.render("found.html", found=found)
    if _GUID.fullmatch(text):
        return show_life(context, "", text.lower())
    return show_life(context, text, "")


def life(context: RequestContext) -> Response:
    """The history of the counterparty a difference is about."""
    with context.journal.reading() as connection:
        found = identity_of(connection, context.number("run"), context.number("number"))
    if found is None:
        _ = context.words.gettext
        raise Refused(404, _("There is no such difference."))
    return show_life(context, *found)


def show_life(
    context: RequestContext, key: str, ref: str, status: int = 200, **more: Any
) -> Response:
    """The page of a counterparty."""
    if ref == ZERO_REF:
        ref = ""
    entries = context.journal.history(key=key, ref=ref)
    refs = {entry.ref for entry in entries} - {"", ZERO_REF}
    ref = ref or (refs.pop() if len(refs) == 1 else "")
    key = key or (entries[-1].key if entries else "")
    with context.journal.reading() as connection:
        newest = client_named(connection, ref or key)
    idents = {ref, key} - {""}
    suppressed = context.journal.suppressions()
    suppression = next((suppressed[one] for one in idents if one in suppressed), None)
    return context.render(
        "life.html",
        status,
        name=newest.name if newest is not None else "",
        receipts=_receipts(context, key, ref),
        suppression=suppression,
        stopped_by=context.journal.get(suppression.run) if suppression is not None else None,
        today=context.words.local(context.web.now()).date(),
        entries=list(reversed(entries)),
        key=key,
        ref=ref,
        by_key=context.web.key == "code",
        history_head=history_head,
        history_done=history_done,
        **{"error": "", "reason": "", "now": None, "stopping": False, **more},
    )


def _receipts(context: RequestContext, key: str, ref: str) -> list[Receipt]:
    """The newest receipts of one counterparty, newest first."""
    if not has_receipts(context.journal.engine):
        return []
    since = context.web.now() - RECEIPTS_FOR
    found = find_receipts(
        context.journal.engine,
        refs=[ref] if ref else [],
        keys=[key] if key else [],
        since=since,
    )
    return sorted(found, key=lambda receipt: -receipt.id)[:RECEIPTS]


def settings(context: RequestContext) -> Response:
    """The settings in effect, secrets masked, and where each came from."""
    loaded = Loaded(context.web.settings, dict(context.web.origins), None)
    return context.render("settings.html", values=effective_values(loaded))


def work(context: RequestContext) -> Response:
    """The progress of the run an admin started; its report once it has ended."""
    following = "follow" in context.query
    work = context.web.worker.wait(0.5)
    if work is not None and work.summary is not None:
        return context.redirect(f"/runs/{work.summary.run}")
    response = show_work(context, work, following=following)
    if following and work is not None and not work.over:
        response.headers["Refresh"] = "3"
    return response


def show_work(
    context: RequestContext, work: Work | None, *, following: bool = False, answer: int = 200
) -> Response:
    """The page of the run in progress."""
    locked = work is not None and isinstance(work.error, LockHeldError)
    live = None
    if work is not None and not work.over:
        text = [
            context.words.phase(work.phase),
            *counted(work.done, work.total or 0, context.words),
        ]
        live = RunProgress(0, " · ".join(text), work.done, work.total or 0)
    shown = {"shown": work, "following": following, "locked": locked, "live": live}
    return context.render("work.html", answer, **shown)


def _entries(findings: ReportContent, sifted: FilteredDifferences) -> Any:
    found = {one.difference.number: one for one in findings.entries(sifted.numbers)}
    return [found[number] for number in sifted.numbers]


def _sorts(context: RequestContext) -> list[tuple[str, str]]:
    """The orders of the list, each both ways, with their labels."""
    _ = context.words.gettext
    labels = {
        Sort.NUMBER: "№",
        Sort.KEY: _("Code"),
        Sort.NAME: _("Name"),
        Sort.CAUSE: _("Cause"),
        Sort.OUTCOME: _("Outcome"),
    }
    return [
        (f"{sign}{sort.value}", f"{label} {arrow}")
        for sort, label in labels.items()
        for sign, arrow in (("", "↑"), ("-", "↓"))
    ]


def _choices(findings: ReportContent) -> dict[str, list[Any]]:
    """The choices of the filter for this run, in the order of the enums."""
    tallies = findings.tallies
    return {
        "kind": [word for word in Kind if any(t.kind is word for t in tallies)],
        "cause": [word for word in Cause if any(t.cause is word for t in tallies)],
        "decision": [w for w in Disposition if any(t.disposition is w for t in tallies)],
        "outcome": list(findings.outcomes),
    }
