"""``zvirka explain``."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded

app = new_group()


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka explain ZV1203
        zvirka explain
    """),
)
def explain(
    context: typer.Context,
    code: Annotated[
        str, typer.Argument(metavar="CODE", help="The code at the end of a message.")
    ] = "",
) -> int:
    """Explain the code of a message: what it means and what to do, step by step.

    Without a code all of them are listed, by who can act.
    """
    from zvirka.i18n.register import explanations

    call: Invocation = context.obj
    every = explanations(call.language)
    asked = code.strip().upper()
    found = [one for one in every if not asked or one.code == asked]
    if not found:
        raise UsageError(
            coded("ZV3513", "there is no code {code}", code=repr(code)),
            place="zvirka explain",
            remedy=Message("`zvirka explain` lists them all"),
        )
    if call.common.json:
        call.print_json({"codes": found})
    elif asked:
        call.print(f"{asked}: {found[0].title}\n\n{found[0].text}".replace("`", ""))
    else:
        for family, members in groupby(found, key=lambda one: one.family):
            call.print(f"{family}:")
            for one in members:
                call.print(f"  {one.code}  {one.title}")
    return ExitCode.IN_SYNC
