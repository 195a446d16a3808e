"""``zvirka suppress``."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import (
    CodesOption,
    FlowCommand,
    RefsOption,
    WaitOption,
    day_of,
    examples,
    new_group,
    require_reason,
)
from zvirka.cli.run_output import perform_and_show
from zvirka.domain import Command
from zvirka.errors import ExitCode

app = new_group()


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka suppress --code 000000123 --until 2027-01-31 --reason "a court case, ask Olena"
        zvirka suppress --code 000000123 --reason "a client of our own"
        zvirka suppress --list
    """),
)
def suppress(
    context: typer.Context,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; required but with --list.")
    ] = "",
    code: CodesOption = None,
    ref: RefsOption = None,
    until: Annotated[
        str, typer.Option("--until", metavar="DAY", help="The last day; by default without end.")
    ] = "",
    listed: Annotated[
        bool, typer.Option("--list", help="Show which clients are not corrected, and why.")
    ] = False,
    wait: WaitOption = None,
) -> int:
    """Stop the corrections of a client, up to a day or without end.

    Its differences are still reported, with who, when and why. After the last day nightly runs
    correct it again; `zvirka resync --code` does so at once.
    """
    from zvirka.reconcile.request import Request, Targets

    call: Invocation = context.obj
    if listed:
        return _list(call)
    require_reason(context, reason)
    request = Request(
        command=Command.SUPPRESS,
        who=call.who,
        reason=reason,
        targets=Targets(codes=tuple(code or ()), refs=tuple(ref or ())),
        until=day_of("--until", until) if until else None,
        wait=wait or 0,
    )
    return perform_and_show(call, request)


def _list(call: Invocation) -> int:
    from zvirka.i18n.visible_text import one_line
    from zvirka.i18n.words import SUPPRESSIONS

    with call.journal() as journal:
        found = sorted(journal.suppressions().values(), key=lambda one: (one.since, one.ident))
        runs = {one.run: journal.get(one.run) for one in found}
    if call.common.json:
        call.print_json({"suppressions": found})
    elif not found:
        call.print(call.say("no_suppressions"))
    else:
        headings = ("code", "why_left", "until", "run", "asked_by", "reason")
        call.print_table(
            [call.say(heading) for heading in headings],
            [
                [
                    one_line(one.key or one.ref),
                    call.words.word(SUPPRESSIONS, one.reason),
                    str(one.until or "—"),
                    str(one.run),
                    one_line(runs[one.run].who),
                    one_line(call.words.told(runs[one.run].reason)),
                ]
                for one in found
            ],
        )
    return ExitCode.IN_SYNC
