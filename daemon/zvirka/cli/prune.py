"""``zvirka prune``."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, ReasonOption, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded
from zvirka.now import utc_now

app = new_group()


@app.command(
    cls=FlowCommand,
    epilog=examples('zvirka prune --older-than 3y --reason "retention rule of the company"'),
)
def prune(
    context: typer.Context,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="An age such as 3y or 400d.")
    ],
    reason: ReasonOption,
) -> int:
    """Remove personal values of old runs.

    Digests, counts and the chain stay verifiable.
    """
    from pydantic import TypeAdapter, ValidationError

    from zvirka.reconcile.pruning import forget
    from zvirka.settings.model import Duration

    call: Invocation = context.obj
    try:
        age = TypeAdapter(Duration).validate_python(older_than)
    except ValidationError:
        raise UsageError(
            coded("ZV3502", "{older_than} is not a valid duration", older_than=repr(older_than)),
            place="--older-than",
            remedy=Message("write it as 3y, 26w or 400d"),
        ) from None
    with call.journal() as journal:
        pruned = forget(
            call.settings, journal, older_than=age, now=utc_now(), who=call.who, reason=reason
        )
    if call.common.json:
        call.print_json(pruned)
    else:
        call.print(call.say("pruned", count=len(pruned.runs)))
    return ExitCode.IN_SYNC
