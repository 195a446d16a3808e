"""``zvirka plan`` and ``zvirka reconcile``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, WaitOption, examples, new_group
from zvirka.cli.run_output import perform_and_show
from zvirka.domain import Command, Trigger
from zvirka.errors import ZvirkaError
from zvirka.now import utc_now

if TYPE_CHECKING:
    from zvirka.reconcile.request import Request

app = new_group()

FullOption = Annotated[
    bool, typer.Option("--full", help="Read the whole catalogue, not only what changed.")
]


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka plan
        zvirka plan --full --json
    """),
)
def plan(context: typer.Context, full: FullOption = False, wait: WaitOption = None) -> int:
    """Show what differs and what would be done; write nothing.

    Exit code 0 when both sides agree, 1 when they do not.
    """
    from zvirka.reconcile.request import Request

    call: Invocation = context.obj
    request = Request(command=Command.PLAN, who=call.who, full=full, wait=wait or 0)
    return perform_and_show(call, request)


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka reconcile
        zvirka reconcile --wait 600 --reason "after the restore of 1C"
    """),
)
def reconcile(
    context: typer.Context,
    full: FullOption = False,
    wait: WaitOption = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal.")
    ] = "",
    trigger: Annotated[
        Literal["manual", "timer"],
        typer.Option("--trigger", help="Who starts it: a person, or a systemd timer."),
    ] = "manual",
) -> int:
    """Compare the ERP with 1C, correct it, verify it, report it.

    Beyond a limit of [guard] nothing, or no delete, is written: exit code 3, see `zvirka approve`.
    With --trigger timer alerts are sent and metrics written afterwards, as the daemon does.
    """
    from zvirka.reconcile.request import Request

    call: Invocation = context.obj
    request = Request(
        command=Command.RECONCILE,
        trigger=Trigger(trigger),
        who=call.who,
        reason=reason,
        full=full,
        wait=wait or 0,
    )
    if trigger == "manual":
        return perform_and_show(call, request)
    return _by_timer(call, request)


def _by_timer(call: Invocation, request: Request) -> int:
    """Perform the run of a timer: one that cannot begin is recorded, alerts and metrics follow."""
    from zvirka.reconcile.unbegun import record_unbegun
    from zvirka.service.timer_followup import look_after_run

    try:
        code = perform_and_show(call, request)
    except ZvirkaError as error:
        settings = call.settings_at_hand
        if settings is not None and record_unbegun(settings, request, error) is not None:
            look_after_run(settings, utc_now())
        raise
    look_after_run(call.settings, utc_now())
    return code
