"""``zvirka feed``."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

import typer

from zvirka.cli.each_flow import for_each_flow
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowsCommand, WaitOption, examples, new_group
from zvirka.cli.run_output import show_summary, tell_place
from zvirka.errors import ExitCode, ZvirkaError

if TYPE_CHECKING:
    from zvirka.reconcile.environment import Environment
    from zvirka.reconcile.feeding import Followed
    from zvirka.settings.model import Settings

app = new_group()


@app.command(
    cls=FlowsCommand,
    epilog=examples("""
        zvirka feed
        zvirka feed --all-flows --wait 60 --json
    """),
)
def feed(context: typer.Context, wait: WaitOption = None) -> int:
    """Correct what 1C's exchange plan recorded since the last time.

    Needs onec.exchange_plan and onec.exchange_node. The changes are confirmed to 1C only after the
    run is in the journal; until then 1C sends them again. Flows that read the same node of a base
    take its changes together; naming one of them is enough. --all-flows leaves out flows without an
    exchange plan.
    """
    call: Invocation = context.obj
    names, followed = _follow(call, wait or 0)

    def show(of_flow: Invocation) -> int:
        name = of_flow.settings.name
        if name in followed.failures:
            raise followed.failures[name]
        if name not in followed.runs:
            return _nothing(of_flow)
        show_summary(of_flow, followed.runs[name])
        return followed.runs[name].exit_code

    if len(names) > 1 and (followed.runs or followed.failures):
        return for_each_flow(call, names, show)
    return show(call)


def _follow(call: Invocation, wait: float) -> tuple[list[str], Followed]:
    """Follow the nodes of the flows asked for, each once; the flows that read them."""
    from zvirka.reconcile.feeding import Followed, readers_of_the_node

    flows, broken = _asked_for(call)
    names, followed = [*broken], Followed({}, dict(broken))
    for flow in flows:
        if flow.name in names:
            continue
        readers = readers_of_the_node(flow)
        names += [reader.name for reader in readers]
        try:
            of_node = _follow_node(call, flow, readers, wait)
        except ZvirkaError as error:
            if len(flows) == 1:
                raise
            followed.failures[flow.name] = error
        else:
            followed.runs.update(of_node.runs)
            followed.failures.update(of_node.failures)
    return names, followed


def _follow_node(
    call: Invocation, flow: Settings, readers: list[Settings], wait: float
) -> Followed:
    """Follow one node here, or at a worker."""
    from zvirka.fleet.performing import fleet_of
    from zvirka.reconcile.environment import open_environment
    from zvirka.reconcile.feeding import follow_together
    from zvirka.settings.profiles import mapping_of

    with fleet_of(flow) as fleet:
        if fleet is not None:
            never = threading.Event()
            result = fleet.perform(None, call.who, stop=never, tell=partial(tell_place, call))
            return result.followed()
    progress = call.progress()

    def open_flow(flow: Settings) -> AbstractContextManager[Environment]:
        return open_environment(flow, mapping_of(flow), progress=progress)

    try:
        return follow_together(readers, open_flow, who=call.who, wait=wait)
    finally:
        progress.done()


def _asked_for(call: Invocation) -> tuple[list[Settings], dict[str, ZvirkaError]]:
    """The flows asked for; of all flows those with an exchange plan, where any has one."""
    from zvirka.settings.loading import load_flows

    names = call.flow_names if call.common.all_flows else list(call.common.flows)
    if len(names) < 2:
        return [call.settings], {}
    call.use_any_flow(names)
    found = load_flows(call.common.config, call.environ)
    flows = [found.loaded[name].settings for name in names if name in found.loaded]
    following = [flow for flow in flows if flow.onec.exchange_plan]
    broken: dict[str, ZvirkaError] = {
        name: found.broken[name] for name in names if name in found.broken
    }
    return (following or flows[:1]) if call.common.all_flows else flows, broken


def _nothing(call: Invocation) -> int:
    if call.common.json:
        call.print_json({"run": None, "exit_code": ExitCode.IN_SYNC})
    else:
        call.print(call.say("feed_empty"))
    return ExitCode.IN_SYNC
