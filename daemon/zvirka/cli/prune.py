"""``zvirka prune``."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, ReasonOption, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded
from zvirka.now import utc_now

if TYPE_CHECKING:
    from zvirka.journal.retention import Pruned

app = new_group()


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka prune --older-than 3y --reason "retention rule of the company"
        zvirka prune --older-than 3y --reason "retention rule of the company" --yes
    """),
)
def prune(
    context: typer.Context,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="An age such as 3y or 400d.")
    ],
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> int:
    """Remove personal values of old runs.

    Shows what would be removed and asks. Digests, counts and the chain stay verifiable.
    """
    from zvirka.journal.retention import prunable
    from zvirka.reconcile.pruning import forget

    call: Invocation = context.obj
    age = _age(older_than)
    with call.journal() as journal:
        if not yes and not _agreed(call, prunable(journal, age, utc_now())):
            return ExitCode.IN_SYNC
        pruned = forget(
            call.settings, journal, older_than=age, now=utc_now(), who=call.who, reason=reason
        )
    if call.common.json:
        call.print_json(pruned)
    else:
        call.print(call.say("pruned", count=len(pruned.runs)))
    return ExitCode.IN_SYNC


def _agreed(call: Invocation, found: Pruned) -> bool:
    """Show what would be removed, and ask the person at the terminal."""
    from zvirka.report import report_files

    if not call.common.json:
        runs = ", ".join(map(str, found.runs)) or "—"
        call.print(call.say("would_prune", count=len(found.runs), runs=runs))
        call.print(call.say("would_prune_receipts", count=found.receipts))
        for run in found.runs:
            for path in report_files(call.settings.report_directory, run):
                call.print(call.say("would_remove", path=path))
    if not found.runs and not found.receipts:
        return True  # nothing to ask about
    if call.common.json or not sys.stdin.isatty():
        raise UsageError(
            coded("ZV3516", "nothing was removed: nobody is here to confirm it"),
            place="zvirka prune",
            remedy=Message("give --yes"),
        )
    call.out.flush()
    return call.confirm("prune_now")


def _age(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from zvirka.settings.value_types import Duration

    try:
        age: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise UsageError(
            coded("ZV3502", "{older_than} is not a valid duration", older_than=repr(text)),
            place="--older-than",
            remedy=Message("write it as 3y, 26w or 400d"),
        ) from None
    return age
