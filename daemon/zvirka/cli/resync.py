"""``zvirka resync``."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import (
    CodesOption,
    FlowCommand,
    ReasonOption,
    RefsOption,
    WaitOption,
    examples,
    new_group,
)
from zvirka.cli.run_output import perform_and_show
from zvirka.domain import Command
from zvirka.errors import UsageError
from zvirka.message import Message, coded

app = new_group()


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka resync --code 000000123 --code 000000124 --reason "the client called"
        zvirka resync --tax-id 32855961 --reason "ticket 4711"
        zvirka resync --all --reason "the ERP was restored from a backup"
    """),
)
def resync(
    context: typer.Context,
    reason: ReasonOption,
    code: CodesOption = None,
    ref: RefsOption = None,
    tax_id: Annotated[
        list[str] | None, typer.Option("--tax-id", metavar="ID", help="A tax id; repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every counterparty.")] = False,
    wait: WaitOption = None,
) -> int:
    """Bring single counterparties to their state in 1C.

    1C is asked only for those. Corrections that are no longer sent, because they did not converge
    or were undone, are tried again.
    """
    from zvirka.reconcile.request import Request, Targets

    call: Invocation = context.obj
    targets = Targets(tuple(code or ()), tuple(ref or ()), tuple(tax_id or ()), everything)
    named = bool(targets.codes or targets.refs or targets.tax_ids)
    if named == everything:
        raise UsageError(
            coded("ZV3501", "give either counterparties or --all"),
            place="zvirka resync",
            remedy=Message("name counterparties by --code, --ref or --tax-id, or give --all alone"),
        )
    request = Request(
        command=Command.RESYNC, who=call.who, reason=reason, targets=targets, wait=wait or 0
    )
    return perform_and_show(call, request)
