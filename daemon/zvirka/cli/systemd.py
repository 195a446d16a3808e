"""``zvirka systemd install`` and ``uninstall``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode

app = new_group("The units for systemd.")


DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show it, change nothing.")]
PrefixOption = Annotated[
    Path,
    typer.Option("--prefix", metavar="DIR", help="Another root, for packages and containers."),
]


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka systemd install --dry-run
        sudo zvirka systemd install
    """),
)
def install(
    context: typer.Context,
    dry_run: DryRunOption = False,
    prefix: PrefixOption = Path("/"),
) -> int:
    """Install the units, the timer, the user and the directories."""
    from zvirka.service.systemd_install import install as install_units

    paths = install_units(prefix=prefix, dry_run=dry_run)
    return _show(context.obj, paths, "would_write" if dry_run else "written")


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka systemd uninstall --dry-run
        sudo zvirka systemd uninstall
    """),
)
def uninstall(
    context: typer.Context,
    dry_run: DryRunOption = False,
    prefix: PrefixOption = Path("/"),
) -> int:
    """Stop and remove the units; the settings, the journal and the user stay."""
    from zvirka.service.systemd_install import uninstall as uninstall_units

    paths = uninstall_units(prefix=prefix, dry_run=dry_run)
    return _show(context.obj, paths, "would_remove" if dry_run else "removed")


def _show(call: Invocation, paths: list[Path], said: str) -> int:
    if call.common.json:
        call.print_json({"files": paths})
    else:
        for path in paths:
            call.print(call.say(said, path=path))
    return ExitCode.IN_SYNC
