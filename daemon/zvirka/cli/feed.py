"""``zvirka feed``."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import typer

from zvirka.cli.each_flow import worst
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, WaitOption, examples, new_group
from zvirka.cli.run_output import show_summary, tell_place
from zvirka.errors import ExitCode

if TYPE_CHECKING:
    from zvirka.reconcile.request import Summary
    from zvirka.settings.model import Settings

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
    run is in the journal; until then 1C sends them again. Flows that read the same node of a base
    take its changes together; naming one of them is enough.
    """
    from zvirka.fleet.performing import fleet_of
    from zvirka.reconcile.feeding import readers_of_the_node

    call: Invocation = context.obj
    readers = readers_of_the_node(call.settings)
    with fleet_of(call.settings) as fleet:
        if fleet is None:
            summaries = _feed_here(call, readers, wait or 0)
        else:
            never = threading.Event()
            tell = partial(tell_place, call)
            summaries = fleet.perform(None, call.who, stop=never, tell=tell)
    if not summaries:
        return _nothing(call)
    if len(readers) > 1 and call.common.json:
        call.print_json(summaries)
        return worst(one.exit_code for one in summaries.values())
    for flow, summary in summaries.items():
        if len(readers) > 1:
            call.print(call.say("flow_heading", flow=flow))
        show_summary(call, summary)
    return worst(one.exit_code for one in summaries.values())


def _feed_here(call: Invocation, readers: Sequence[Settings], wait: float) -> Mapping[str, Summary]:
    from zvirka.reconcile.environment import open_environment
    from zvirka.reconcile.feeding import follow_together
    from zvirka.settings.profiles import mapping_of

    progress = call.progress()
    with ExitStack() as opened:
        environments = [
            opened.enter_context(open_environment(flow, mapping_of(flow), progress=progress))
            for flow in readers
        ]
        try:
            return follow_together(environments, who=call.who, wait=wait)
        finally:
            progress.done()


def _nothing(call: Invocation) -> int:
    if call.common.json:
        call.print_json({"run": None, "exit_code": ExitCode.IN_SYNC})
    else:
        call.print(call.say("feed_empty"))
    return ExitCode.IN_SYNC
