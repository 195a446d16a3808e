"""``zvirka plan``, ``reconcile`` and ``resync``: the main job, looked at, done, done for some."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from zvirka.cli.declaration import ReasonOption, command
from zvirka.cli.invocation import Invocation
from zvirka.cli.run_output import perform_and_show, show_summary
from zvirka.domain import Command, Trigger
from zvirka.errors import ExitCode, UsageError
from zvirka.reconcile.request import Request, Targets

WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="Seconds to wait for another run to end; without it the command says who is running.",
    ),
]
FullOption = Annotated[
    bool, typer.Option("--full", help="Read the whole catalogue, not only what changed.")
]
TriggerOption = Annotated[
    Literal["manual", "timer"],
    typer.Option("--trigger", help="Who starts it: a person, or a systemd timer."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this family."""
    command(
        app,
        "plan",
        examples="""
            zvirka plan
            zvirka plan --full --json
        """,
    )(plan)
    command(
        app,
        "reconcile",
        examples="""
            zvirka reconcile
            zvirka reconcile --wait 600 --reason "after the restore of 1C"
        """,
    )(reconcile)
    command(
        app,
        "resync",
        examples="""
            zvirka resync --code 000000123 --code 000000124 --reason "the client called"
            zvirka resync --tax-id 32855961 --reason "ticket 4711"
            zvirka resync --all --reason "the ERP was restored from a backup"
        """,
    )(resync)
    command(
        app,
        "feed",
        examples="""
            zvirka feed
            zvirka feed --wait 60 --json
        """,
    )(feed)


def plan(call: Invocation, full: FullOption = False, wait: WaitOption = None) -> int:
    """Show what differs and what would be done; nothing is written to the ERP.

    Exit code 0 when both sides agree, 1 when they do not.
    """
    request = Request(command=Command.PLAN, who=call.who, full=full, wait=wait or 0)
    return perform_and_show(call, request)


def reconcile(
    call: Invocation,
    full: FullOption = False,
    wait: WaitOption = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, if there is a why.")
    ] = "",
    trigger: TriggerOption = "manual",
) -> int:
    """Compare the ERP with 1C, correct it, read it back, and write the report.

    Past a limit of [guard] nothing, or no delete, is written: exit code 3, see `zvirka approve`.
    With --trigger timer alerts are sent and metrics written afterwards, as the daemon does.
    """
    request = Request(
        command=Command.RECONCILE,
        trigger=Trigger(trigger),
        who=call.who,
        reason=reason,
        full=full,
        wait=wait or 0,
    )
    code = perform_and_show(call, request)
    if request.trigger is Trigger.TIMER:
        from zvirka.service.timer_followup import look_after_run

        look_after_run(call.settings, datetime.now(UTC))
    return code


def resync(
    call: Invocation,
    reason: ReasonOption,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="CODE", help="Код of a counterparty; repeatable."),
    ] = None,
    ref: Annotated[
        list[str] | None,
        typer.Option("--ref", metavar="REF", help="Ref_Key of a counterparty; repeatable."),
    ] = None,
    tax_id: Annotated[
        list[str] | None, typer.Option("--tax-id", metavar="ID", help="A tax id; repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every counterparty.")] = False,
    wait: WaitOption = None,
) -> int:
    """Bring the counterparties named to what 1C says now, asking 1C only for those.

    What is no longer sent because it did not converge, or was undone, is tried again.
    """
    targets = Targets(tuple(code or ()), tuple(ref or ()), tuple(tax_id or ()), everything)
    named = bool(targets.codes or targets.refs or targets.tax_ids)
    if named == everything:
        raise UsageError(
            "a resync is about some counterparties, or about all",
            place="zvirka resync",
            remedy="name them by --code, --ref or --tax-id, or say --all",
        )
    request = Request(
        command=Command.RESYNC, who=call.who, reason=reason, targets=targets, wait=wait or 0
    )
    return perform_and_show(call, request)


def feed(call: Invocation, wait: WaitOption = None) -> int:
    """Correct what 1C's exchange plan recorded since the last time, between two nights.

    Needs onec.exchange_plan and onec.exchange_node. 1C is told to forget the changes only after
    the run is in the journal; until then they come again.
    """
    from zvirka.reconcile.environment import open_environment
    from zvirka.reconcile.feeding import follow

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
        call.print_json(None)
    else:
        call.print(call.say("feed_empty"))
    return ExitCode.IN_SYNC
