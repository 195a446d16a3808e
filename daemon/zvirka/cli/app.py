"""All commands, in the order a newcomer needs them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from zvirka.cli import (
    alert,
    approvals,
    audit,
    backup,
    bsl,
    check,
    completion,
    config,
    daemon,
    demo,
    explain,
    feed,
    fleet,
    flows,
    init,
    prune,
    reconcile,
    report,
    resync,
    runs,
    serve,
    simulate,
    simulated,
    suppress,
    systemd,
    upgrade,
    web,
)
from zvirka.cli.options import new_group

app = new_group("""Keeps an ERP true to 1C: compares, corrects, proves, reports.

\b
Begin with:
  zvirka demo       the whole job against a simulated 1C
  zvirka init       write the settings from what 1C and the ERP hold
  zvirka check      does everything fit: 1C, rights, mapping, the ERP's store
  zvirka plan       what differs; nothing is written
  zvirka reconcile  correct it, verify it, report it

\b
Exit codes:
  0    in sync, or all corrected and verified
  1    differences remain
  2    the run failed
  3    held for approval
  64   usage or configuration
  130  interrupted
  141  the reader of the output went away (| head)
""")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"zvirka {version('zvirka')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="The version."),
    ] = False,
    show_completion: Annotated[
        completion.Shell | None,
        typer.Option(
            "--show-completion",
            is_eager=True,
            callback=completion.show,
            help="Print the completion of commands and options for a shell.",
        ),
    ] = None,
) -> None:
    """Take the options of ``zvirka`` itself."""


app.add_typer(init.app)
app.add_typer(check.app)
app.add_typer(explain.app)
app.add_typer(config.app, name="config")
app.add_typer(flows.app)
app.add_typer(reconcile.app)
app.add_typer(resync.app)
app.add_typer(feed.app)
app.add_typer(runs.app)
app.add_typer(approvals.app)
app.add_typer(suppress.app)
app.add_typer(report.app)
app.add_typer(audit.app, name="audit")
app.add_typer(prune.app)
app.add_typer(backup.app)
app.add_typer(demo.app)
app.add_typer(simulate.app)
app.add_typer(simulated.app, name="simulated")
app.add_typer(serve.app)
app.add_typer(daemon.app)
app.add_typer(fleet.worker_app)
app.add_typer(fleet.app, name="fleet")
app.add_typer(alert.app)
app.add_typer(systemd.app, name="systemd")
app.add_typer(upgrade.app)
app.add_typer(bsl.app, name="bsl")
app.add_typer(web.app, name="web")
