"""``zvirka bsl render``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, examples, new_group
from zvirka.errors import ExitCode

app = new_group("The push module for 1C.")


@app.command(
    cls=FlowCommand,
    epilog=examples("zvirka bsl render --out ./for-1c"),
)
def render(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The directory to write into.")
    ] = Path("zvirka-bsl"),
) -> int:
    """Write 1C's push module for this configuration, so that push and pull agree."""
    from zvirka.bsl.render import render as render_modules

    call: Invocation = context.obj
    rendered = render_modules(call.settings, call.mapping, out)
    if call.common.json:
        call.print_json({"files": rendered.paths})
    else:
        for path in rendered.paths:
            call.print(call.say("written", path=path))
    for path in rendered.deleted:
        sys.stderr.write(f"{call.say('bsl_deleted', path=path)}\n")
    for name, arguments in rendered.warnings:
        sys.stderr.write(f"{call.say('warning')}: {call.say(name, **arguments)}\n")
    return ExitCode.IN_SYNC
