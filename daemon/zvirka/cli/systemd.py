"""``zvirka systemd install``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode

app = new_group("The units for systemd.")


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka systemd install --dry-run
        sudo zvirka systemd install
    """),
)
def install(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")] = False,
    prefix: Annotated[
        Path,
        typer.Option("--prefix", metavar="DIR", help="Another root, for packages and containers."),
    ] = Path("/"),
) -> int:
    """Install the units, the timer, the user and the directories."""
    from zvirka.service.systemd_install import install as install_units

    call: Invocation = context.obj
    paths = install_units(prefix=prefix, dry_run=dry_run)
    if call.common.json:
        call.print_json(paths)
    else:
        for path in paths:
            call.print(call.say("would_write" if dry_run else "written", path=path))
    return ExitCode.IN_SYNC
