"""``zvirka runs`` and ``zvirka show``."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import LARGEST_INTEGER, FlowCommand, RunArgument, examples, new_group
from zvirka.domain import PlanState, RunStatus
from zvirka.errors import ExitCode
from zvirka.now import utc_now

if TYPE_CHECKING:
    from zvirka.journal.held_runs import Decision
    from zvirka.journal.records import RunRecord

app = new_group()

_SHOWN = 50
_TONES = {
    RunStatus.FINISHED: "good",
    RunStatus.HELD: "warning",
    RunStatus.INTERRUPTED: "warning",
    RunStatus.FAILED: "bad",
}


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka runs
        zvirka runs --held
        zvirka runs --limit 500 --json
    """),
)
def runs(
    context: typer.Context,
    held: Annotated[bool, typer.Option("--held", help="Only runs that wait for approval.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=LARGEST_INTEGER, help="How many, newest first.")
    ] = 20,
) -> int:
    """List the last runs, newest first."""
    call: Invocation = context.obj
    with call.journal() as journal:
        now = utc_now()
        found = journal.held(now)[:limit] if held else journal.runs(limit=limit)
        decided = journal.decisions([run.id or 0 for run in found], now)
    if call.common.json:
        runs = [_run_content(run, decided.get(run.id or 0)) for run in found]
        call.print_json({"runs": runs})
    elif not found:
        call.print(call.say("no_held" if held else "no_runs"))
    else:
        headings = ("run", "began", "command", "status", "found", "left", "asked_by")
        call.print_table(
            [call.say(heading) for heading in headings],
            [_run_line(call, run, decided.get(run.id or 0)) for run in found],
        )
    return ExitCode.IN_SYNC


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka show 42
        zvirka show 42 --all --json
    """),
)
def show(
    context: typer.Context,
    run: RunArgument,
    everything: Annotated[
        bool, typer.Option("--all", help=f"All differences, not the first {_SHOWN}.")
    ] = False,
) -> int:
    """Show one run: who asked, how it ended, what differed."""
    from zvirka.cli.difference_output import difference_lines
    from zvirka.journal.difference_queries import entries

    call: Invocation = context.obj
    with call.journal() as journal:
        row = journal.get(run)
        decision = journal.decisions([run], utc_now()).get(run)
        digest = journal.plan_digest(run) if row.status == "held" else ""
        total = journal.count(run).total
        with journal.reading() as connection:
            every = entries(connection, run)
            found = list(every if everything else islice(every, _SHOWN))
    if call.common.json:
        content = {**_run_content(row, decision), "plan_digest": digest or row.plan_digest}
        differences = [entry.difference for entry in found]
        call.print_json({**content, "differences": differences, "total": total})
        return ExitCode.IN_SYNC
    _print_head(call, row, decision, digest)
    for entry in found:
        call.print()
        for line in difference_lines(entry, call.words, call.tinted):
            call.print(line)
    if total > len(found):
        call.print(call.say("more", count=total - len(found)))
    if decision is not None and decision.state is PlanState.WAITING:
        call.print(call.say("decide", run=run, flow=call.settings.flow_option))
    return ExitCode.IN_SYNC


def _print_head(
    call: Invocation, run: RunRecord, decision: Decision | None, plan_digest: str
) -> None:
    from zvirka.errors import sentence_of
    from zvirka.i18n.visible_text import one_line
    from zvirka.report.holds import hold_line

    headings = ("run", "began", "command", "status", "found", "left", "asked_by")
    for heading, value in zip(headings, _run_line(call, run, decision), strict=True):
        call.print(f"{call.say(heading)}: {value}")
    if run.reason:
        call.print(f"{call.say('reason')}: {one_line(call.words.told(run.reason))}")
    error = run.error
    if error is not None:
        text = sentence_of(error.cause, error.place, error.remedy)
        call.print(f"  {one_line(call.words.told(text))}")
    for hold in run.facts.held:
        call.print(f"  ! {hold_line(hold, call.words)}")
    if plan_digest:
        call.print(f"{call.say('plan_digest')}: {plan_digest}")
    if decision is None:
        return
    for number, one in enumerate(decision.given, start=1):
        values = {"run": one.run, "differences": one.differences, "who": one_line(one.who)}
        call.print(call.say("given", count=number, needed=decision.needed, **values))
    if decision.by is not None:
        call.print(call.say("decided", run=decision.by, who=one_line(decision.who)))


def _run_content(run: RunRecord, decision: Decision | None) -> dict[str, Any]:
    return {
        "run": run.id,
        "command": run.command,
        "trigger": run.trigger,
        "who": run.who,
        "reason": run.reason,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "status": run.status,
        "decision": decision,
        "mode": run.mode,
        "exit_code": run.exit_code,
        "parent": run.parent,
        "plan_digest": run.plan_digest,
        "digest": run.digest,
        "facts": run.facts,
        "error": run.error,
    }


def _run_line(call: Invocation, run: RunRecord, decision: Decision | None) -> list[str]:
    from zvirka.i18n.visible_text import one_line
    from zvirka.i18n.words import COMMANDS, STATUSES

    words = call.words
    return [
        str(run.id),
        words.clock(run.started_at),
        words.word(COMMANDS, run.command),
        call.tinted(
            words.plan_state(decision.state) if decision else words.word(STATUSES, run.status),
            _TONES.get(run.status, ""),
        ),
        words.count(run.facts.found),
        words.count(run.facts.remaining),
        one_line(run.who),
    ]
