"""``zvirka feed``."""

from __future__ import annotations

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, WaitOption, examples, new_group
from zvirka.cli.run_output import show_summary
from zvirka.errors import ExitCode

app = new_group()


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka feed
        zvirka feed --wait 60 --json
    """),
)
def feed(context: typer.Context, wait: WaitOption = None) -> int:
    """Correct what 1C's exchange plan recorded since the last time.

    Needs onec.exchange_plan and onec.exchange_node. The changes are confirmed to 1C only after the
    run is in the journal; until then 1C sends them again.
    """
    from zvirka.reconcile.environment import open_environment
    from zvirka.reconcile.feeding import follow

    call: Invocation = context.obj
    progress = call.progress()
    with open_environment(call.settings, call.mapping, progress=progress) as environment:
        try:
            summary = follow(environment, who=call.who, wait=wait or 0)
        finally:
            progress.done()
    if summary is not None:
        show_summary(call, summary)
        return summary.exit_code
    if call.common.json:
        call.print_json({"run": None, "exit_code": ExitCode.IN_SYNC})
    else:
        call.print(call.say("feed_empty"))
    return ExitCode.IN_SYNC
