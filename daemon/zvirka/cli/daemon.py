"""``zvirka daemon``."""

from __future__ import annotations

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group

app = new_group()


@app.command(
    cls=CliCommand,
    epilog=examples("zvirka daemon --config /etc/zvirka/zvirka.toml"),
)
def daemon(context: typer.Context) -> int:
    """Run the nightly reconciliations of [schedule] until SIGTERM.

    SIGHUP reads the settings again; SIGTERM ends the current run at the next safe place.
    """
    from zvirka.service.run_daemon import run_daemon
    from zvirka.settings.loading import load_settings

    call: Invocation = context.obj
    first = call.loaded
    return run_daemon(lambda: load_settings(first.path, call.environ), environ=call.environ)
