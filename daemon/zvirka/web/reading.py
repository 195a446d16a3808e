"""The pages that are read: runs, a run's report, what is held, the life of a counterparty."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from zvirka.counterparty import ZERO_REF, Cause, Disposition, Kind
from zvirka.errors import LockHeldError
from zvirka.journal.facts import Facts
from zvirka.journal.tables import RunRow
from zvirka.report import report_stem
from zvirka.report.chart import chart_of
from zvirka.report.findings import Findings
from zvirka.report.gathering import findings_of
from zvirka.report.history import history_done, history_head
from zvirka.report.words import COMMANDS, STATUSES
from zvirka.web.sieve import Sieve, Sifted, answers, one_difference, sieve_of, sift
from zvirka.web.visit import Refused, Visit
from zvirka.web.worker import Work

RUNS = 50
"""Runs on one page."""
DIFFERENCES = 100
"""Differences on one page."""
LONGEST_KEY = 200


def runs(visit: Visit) -> Response:
    """The runs, newest first, narrowed by status and command."""
    status = _one_of(visit.query.get("status"), STATUSES)
    command = _one_of(visit.query.get("command"), COMMANDS)
    before = visit.query.get("before", "")
    behind = int(before) if before.isascii() and before.isdigit() and len(before) < 10 else None
    found = visit.book.runs(limit=RUNS + 1, before=behind, command=command, status=status)
    shown = found[:RUNS]
    asked = {"status": status, "command": command}
    chosen = {name: word for name, word in asked.items() if word}
    return visit.render(
        "runs.html",
        runs=[(row, msgspec.convert(row.facts or {}, Facts), tone_of(row)) for row in shown],
        statuses=STATUSES,
        commands=COMMANDS,
        status=status or "",
        command=command or "",
        query=lambda **more: urlencode({**chosen, **more}),
        older=shown[-1].id if len(found) > RUNS else None,
        first=behind is None,
    )


def tone_of(row: RunRow) -> str:
    """``good``, ``warning``, ``bad``, or '' while a run goes on: the colour of its status."""
    if row.status in {"failed", "interrupted"}:
        return "bad"
    if row.status == "running":
        return ""
    return "warning" if row.status == "held" or (row.facts or {}).get("remaining") else "good"


def run(visit: Visit) -> Response:
    """A run's report; its differences narrowed by what the address says."""
    return show_run(visit, sieve_of(visit.query))


def search_run(visit: Visit) -> Response:
    """The same, narrowed by a form: a text stays out of addresses, for it may be personal."""
    sieve = sieve_of(visit.form)
    if sieve.text:
        return show_run(visit, sieve)
    number = visit.number("run")
    return visit.redirect(f"/runs/{number}?{sieve.query(sieve.page)}#differences")


def leave_search(visit: Visit) -> Response:
    """A search is not kept in its address: back to the whole report."""
    return visit.redirect(f"/runs/{visit.number('run')}")


def show_run(visit: Visit, sieve: Sieve, status: int = 200, **more: Any) -> Response:
    """The page of a run."""
    number = visit.number("run")
    findings = findings_of(visit.book, number)
    sifted = sift(visit.book, number, sieve, DIFFERENCES)
    replies = answers(visit.book, number)
    return visit.render(
        "run.html",
        status,
        findings=findings,
        run=number,
        drawing=chart_of(findings.nights) if findings.command == "reconcile" else None,
        pages=(),
        file_name=f"{report_stem(number)}.html",
        sieve=sieve,
        sifted=sifted,
        entries=_entries(findings, sifted),
        choices=_choices(findings),
        answers=replies,
        open=any(row.id == number for row in visit.book.held()),
        **{"error": "", "reason": "", **more},
    )


def held(visit: Visit) -> Response:
    """The runs that wait for a decision."""
    return visit.render(
        "held.html",
        held=[(row, findings_of(visit.book, row.id or 0)) for row in visit.book.held()],
    )


def counterparty(visit: Visit) -> Response:
    """Where a counterparty is asked for."""
    return visit.render("counterparty.html", key="", ref="", asked=False)


def find_counterparty(visit: Visit) -> Response:
    """The life of the counterparty named in the form."""
    key = visit.form.get("key", "").strip()[:LONGEST_KEY]
    ref = visit.form.get("ref", "").strip()[:LONGEST_KEY].lower()
    if not key and not ref:
        return visit.redirect("/counterparty")
    return show_life(visit, key, ref)


def life(visit: Visit) -> Response:
    """The life of the counterparty a difference is about."""
    found = one_difference(visit.book, visit.number("run"), visit.number("number"))
    if found is None:
        _ = visit.words.gettext
        raise Refused(404, _("There is no such difference."))
    return show_life(visit, *found)


def show_life(visit: Visit, key: str, ref: str, status: int = 200, **more: Any) -> Response:
    """The page of a counterparty."""
    if ref == ZERO_REF:
        ref = ""
    entries = visit.book.history(key=key, ref=ref)
    refs = {entry.ref for entry in entries} - {"", ZERO_REF}
    return visit.render(
        "life.html",
        status,
        entries=list(reversed(entries)),
        key=key,
        ref=ref or (refs.pop() if len(refs) == 1 else ""),
        by_key=visit.office.key == "code",
        history_head=history_head,
        history_done=history_done,
        **{"error": "", "reason": "", **more},
    )


def work(visit: Visit) -> Response:
    """How far the run is that an admin started; its report once it has ended."""
    following = "follow" in visit.query
    standing = visit.office.worker.wait(0.5)
    if standing is not None and standing.summary is not None:
        return visit.redirect(f"/runs/{standing.summary.run}")
    response = show_work(visit, standing, following=following)
    if following and standing is not None and not standing.over:
        response.headers["Refresh"] = "3"
    return response


def show_work(
    visit: Visit, standing: Work | None, *, following: bool = False, answer: int = 200
) -> Response:
    """The page of what is under way."""
    locked = standing is not None and isinstance(standing.error, LockHeldError)
    return visit.render("work.html", answer, standing=standing, following=following, locked=locked)


def _entries(findings: Findings, sifted: Sifted) -> Any:
    return findings.entries(numbers=sifted.numbers) if sifted.numbers else ()


def _choices(findings: Findings) -> dict[str, list[Any]]:
    """What there is to choose from in this run, in the words' own order."""
    tallies = findings.tallies
    return {
        "kind": [word for word in Kind if any(t.kind is word for t in tallies)],
        "cause": [word for word in Cause if any(t.cause is word for t in tallies)],
        "decision": [w for w in Disposition if any(t.disposition is w for t in tallies)],
        "outcome": list(findings.outcomes),
    }


def _one_of(asked: str | None, words: Any) -> str | None:
    return asked if asked in words else None
