"""``zvirka approve``, ``reject`` and ``undo``: what a person decides."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.declaration import ReasonOption, RunArgument, command
from zvirka.cli.invocation import Invocation
from zvirka.cli.reconcile import WaitOption
from zvirka.cli.run_output import perform_and_show
from zvirka.domain import Command
from zvirka.reconcile.request import Request, Targets


def register(app: typer.Typer) -> None:
    """Add the commands of this family."""
    command(
        app,
        "approve",
        examples="""
            zvirka show 42
            zvirka approve 42 --reason "the branch in Lviv is closed, agreed with accounting"
        """,
    )(approve)
    command(
        app, "reject", examples='zvirka reject 42 --reason "1C was restored from an old backup"'
    )(reject)
    command(
        app,
        "undo",
        examples="""
            zvirka undo 42 --reason "the filter was wrong"
            zvirka undo 42 --code 000000123 --reason "this one was right before"
        """,
    )(undo)


def approve(
    call: Invocation,
    run: RunArgument,
    reason: ReasonOption,
    digest: Annotated[
        str,
        typer.Option(
            "--digest",
            metavar="DIGEST",
            help="The plan digest you looked at; else that of the run.",
        ),
    ] = "",
    wait: WaitOption = None,
) -> int:
    """Approve a held run, once, exactly as it was shown.

    The plan is computed anew; what is still identical is applied, the rest is listed as changed.
    """
    request = Request(
        command=Command.APPROVE,
        who=call.who,
        reason=reason,
        parent=run,
        digest=digest,
        wait=wait or 0,
    )
    return perform_and_show(call, request)


def reject(
    call: Invocation, run: RunArgument, reason: ReasonOption, wait: WaitOption = None
) -> int:
    """Reject a held run: nothing of it is applied."""
    request = Request(
        command=Command.REJECT, who=call.who, reason=reason, parent=run, wait=wait or 0
    )
    return perform_and_show(call, request)


def undo(
    call: Invocation,
    run: RunArgument,
    reason: ReasonOption,
    code: Annotated[
        list[str] | None, typer.Option("--code", metavar="CODE", help="Only these; repeatable.")
    ] = None,
    wait: WaitOption = None,
) -> int:
    """Put back what a run changed, where the row is still as the run left it.

    What was changed since is listed and left. The next reconciliation reports what was undone and
    does not redo it, until 1C changes that counterparty or `zvirka resync` asks for it.
    """
    request = Request(
        command=Command.UNDO,
        who=call.who,
        reason=reason,
        parent=run,
        targets=Targets(codes=tuple(code or ())),
        wait=wait or 0,
    )
    return perform_and_show(call, request)
