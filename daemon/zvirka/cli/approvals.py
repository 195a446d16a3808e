"""``zvirka approve``, ``reject`` and ``undo``: what a person decides."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.declaration import ReasonOption, RunArgument, command
from zvirka.cli.invocation import Invocation
from zvirka.cli.reconcile import WaitOption
from zvirka.cli.run_output import perform_and_show
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
        app,
        "reject",
        examples="""
            zvirka reject 42 --reason "1C was restored from an old backup"
            zvirka reject 42 --code 000000123 --for-good --reason "a client of our own"
        """,
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

    The plan is computed again; what is still identical is applied, the rest is listed as changed.
    An approval that failed can be given again, until a newer run holds a plan of its own or
    policy.approval_expires has passed.
    """
    request = Request(
        command="approve", who=call.who, reason=reason, parent=run, digest=digest, wait=wait or 0
    )
    return perform_and_show(call, request)


def reject(
    call: Invocation,
    run: RunArgument,
    reason: ReasonOption,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="CODE", help="Only these; the rest waits. Repeatable."),
    ] = None,
    ref: Annotated[
        list[str] | None,
        typer.Option("--ref", metavar="REF", help="The same by Ref_Key; repeatable."),
    ] = None,
    for_good: Annotated[
        bool,
        typer.Option("--for-good", help="Also when 1C or the ERP changes, until a resync by name."),
    ] = False,
    wait: WaitOption = None,
) -> int:
    """Reject a held run: nothing of it is applied, nor proposed again until a side changes.

    Later runs report what was rejected, by whom and why. `zvirka resync --code` takes a
    counterparty up again. Exit code 1: the rejected differences remain.
    """
    request = Request(
        command="reject",
        who=call.who,
        reason=reason,
        parent=run,
        targets=Targets(codes=tuple(code or ()), refs=tuple(ref or ())),
        for_good=for_good,
        wait=wait or 0,
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
        command="undo",
        who=call.who,
        reason=reason,
        parent=run,
        targets=Targets(codes=tuple(code or ())),
        wait=wait or 0,
    )
    return perform_and_show(call, request)
