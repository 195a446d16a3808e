"""``zvirka demo``: shows each step of the demo while it runs, and a table at the end."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode

if TYPE_CHECKING:
    from zvirka.demonstration import Demonstration
    from zvirka.i18n.words import Words
    from zvirka.reconcile.request import Summary

app = new_group()


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka demo
        zvirka demo --counterparties 10000 --keep /tmp/zvirka-demo --open
    """),
)
def demo(
    context: typer.Context,
    counterparties: Annotated[
        int, typer.Option("--counterparties", min=50, help="How many to simulate in 1C.")
    ] = 2000,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="A new directory to keep everything in."),
    ] = None,
    open_report: Annotated[
        bool, typer.Option("--open", help="Open the report in the browser.")
    ] = False,
) -> int:
    """Run the whole job on a simulated 1C that loses webhooks."""
    call: Invocation = context.obj
    return run_and_show(call, counterparties, keep, open_report)


def run_and_show(
    call: Invocation, counterparties: int, keep: Path | None, open_report: bool
) -> int:
    """Run the demo, show each step, and what to try next in a directory that is kept."""
    from zvirka.demonstration import demonstrate
    from zvirka.i18n.words import Words

    call.configure_logs("ERROR")
    directory = keep or Path(tempfile.mkdtemp(prefix="zvirka-demo-"))
    words = Words(call.language, "Europe/Kyiv")
    if not call.common.json:
        call.print(call.say("demo_begins", count=words.number(counterparties)))

    def show_stage(stage: str, summary: Summary) -> None:
        if not call.common.json:
            call.print(
                call.say(
                    f"demo_{stage}",
                    found=words.number(sum((summary.causes or {}).values())),
                    done=words.number((summary.outcomes or {}).get("applied", 0)),
                    seconds=words.number(round(summary.seconds, 1)),
                )
            )
            call.out.flush()

    shown = demonstrate(
        directory.resolve(),
        counterparties=counterparties,
        language=call.language,
        progress=call.progress(),
        on_run=show_stage,
    )
    report = shown.runs["reconcile"].reports[0]
    if call.common.json:
        call.print_json(
            {
                "day": shown.day,
                "runs": shown.runs,
                "by_hand_untouched": shown.by_hand_untouched,
                "flows": shown.flows,
                "went_well": shown.went_well,
                "directory": str(shown.directory),
                "report": str(report),
            }
        )
    else:
        _show_end(call, words, shown, report)
    if keep is not None and not call.common.json:
        call.print(call.say("demo_next"))
        for line in (
            f"cd {directory}",
            "zvirka simulate --from . &",
            f'zvirka simulated edit {shown.example} --name "ТОВ Інакше" --lose-webhook',
            "zvirka plan",
            "zvirka reconcile --all-flows",
        ):
            call.print(f"  {line}")
    if open_report:
        webbrowser.open(report.as_uri())
    return ExitCode.IN_SYNC if shown.went_well else ExitCode.FAILED


def _show_end(call: Invocation, words: Words, shown: Demonstration, report: Path) -> None:
    day, corrected = shown.day, shown.runs["reconcile"]
    call.print()
    call.print_table(
        [
            call.say("demo_what"),
            call.say("demo_happened"),
            call.say("demo_lost"),
            call.say("found"),
        ],
        [
            [
                words.cause(cause),
                words.number(happened),
                words.number(lost),
                words.number((corrected.causes or {}).get(cause, 0)),
            ]
            for cause, happened, lost in (
                ("missed_create", day.creates, day.lost_creates),
                ("missed_update", day.updates, day.lost_updates),
                ("missed_delete", day.deletes, day.lost_deletes),
                ("erp_edit", day.erp_edits, day.erp_edits),
            )
        ],
    )
    call.print()
    call.print(call.say("demo_flows"))
    call.print_table(
        [call.say(name) for name in ("flow", "catalog", "rows", "found", "corrected", "left")],
        [
            [
                flow.flow,
                flow.catalogue,
                *(
                    words.number(count)
                    for count in (flow.rows, flow.found, flow.corrected, flow.left)
                ),
            ]
            for flow in shown.flows
        ],
    )
    call.print()
    untouched = "demo_untouched" if shown.by_hand_untouched else "demo_touched"
    call.print(call.say(untouched))
    call.print(call.say("demo_well" if shown.went_well else "demo_badly"))
    call.print(f"{call.say('report')}: {report}")
