"""All commands in one place, in the order a newcomer needs them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.main import get_command

from zvirka.cli import approvals, audit, check, demo, reconcile, runs, services
from zvirka.cli.declaration import (
    ConfigOption,
    JsonOption,
    LangOption,
    Line,
    LogLevelOption,
    new_group,
)
from zvirka.cli.invocation import Common

HELP = """Keeps an ERP true to 1C: compares, corrects, proves, reports.

\b
Begin with:
  zvirka demo                    the whole job against a simulated 1C
  zvirka check                   does everything fit: 1C, rights, mapping, the ERP's store
  zvirka plan                    what differs; nothing is written
  zvirka reconcile               correct it, verify it, report it

\b
Exit codes: 0 in sync, or all corrected and verified; 1 differences remain;
2 the run failed; 3 held for approval; 64 usage or configuration.
"""


def build() -> Any:
    """Return the command line, ready to be run."""
    app = new_group(HELP)

    @app.callback(invoke_without_command=False)
    def _common(
        context: typer.Context,
        config: ConfigOption = None,
        lang: LangOption = None,
        json: JsonOption = False,
        log_level: LogLevelOption = None,
        show_version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="The version.")
        ] = False,
    ) -> None:
        del show_version
        line: Line = context.obj
        line.common = Common(config, lang, json, log_level)

    for family in (check, reconcile, runs, approvals, audit, demo, services):
        family.register(app)
    return get_command(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"zvirka {version('zvirka')}")
        raise typer.Exit
