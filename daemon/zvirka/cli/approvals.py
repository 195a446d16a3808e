"""``zvirka approve``, ``reject`` and ``undo``: a person's decisions about a run."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import (
    FlowCommand,
    ReasonOption,
    RunArgument,
    WaitOption,
    examples,
    new_group,
)
from zvirka.cli.run_output import perform_and_show
from zvirka.domain import Command

app = new_group()


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka show 42
        zvirka approve 42 --reason "the branch in Lviv is closed, agreed with accounting"
    """),
)
def approve(
    context: typer.Context,
    run: RunArgument,
    reason: ReasonOption,
    digest: Annotated[
        str,
        typer.Option(
            "--digest",
            metavar="DIGEST",
            help="The plan digest you saw; by default that of the run.",
        ),
    ] = "",
    wait: WaitOption = None,
) -> int:
    """Approve a held run, once, exactly as it was shown.

    The plan is computed again: what is still identical is applied, the rest is listed as changed.
    An approval that failed can be given again, until a newer run holds a plan of its own or
    policy.approval_expires has passed.
    """
    from zvirka.reconcile.request import Request

    call: Invocation = context.obj
    request = Request(
        command=Command.APPROVE,
        who=call.who,
        reason=reason,
        parent=run,
        digest=digest,
        wait=wait or 0,
    )
    return perform_and_show(call, request)


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka reject 42 --reason "1C was restored from an old backup"
        zvirka reject 42 --code 000000123 --for-good --reason "a client of our own"
    """),
)
def reject(
    context: typer.Context,
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
    from zvirka.reconcile.request import Request, Targets

    call: Invocation = context.obj
    request = Request(
        command=Command.REJECT,
        who=call.who,
        reason=reason,
        parent=run,
        targets=Targets(codes=tuple(code or ()), refs=tuple(ref or ())),
        for_good=for_good,
        wait=wait or 0,
    )
    return perform_and_show(call, request)


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka undo 42 --reason "the filter was wrong"
        zvirka undo 42 --code 000000123 --reason "this one was right before"
    """),
)
def undo(
    context: typer.Context,
    run: RunArgument,
    reason: ReasonOption,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="CODE", help="Only these clients; repeatable."),
    ] = None,
    wait: WaitOption = None,
) -> int:
    """Put back what a run changed, where the row is unchanged since.

    Rows changed since are listed and left alone. The next reconciliation reports what was undone
    and does not redo it until 1C changes that counterparty or `zvirka resync` asks for it.
    """
    from zvirka.reconcile.request import Request, Targets

    call: Invocation = context.obj
    request = Request(
        command=Command.UNDO,
        who=call.who,
        reason=reason,
        parent=run,
        targets=Targets(codes=tuple(code or ())),
        wait=wait or 0,
    )
    return perform_and_show(call, request)
