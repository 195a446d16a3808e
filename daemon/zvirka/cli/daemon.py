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
    """Run the nightly reconciliations of all flows, as [schedule] says, until SIGTERM.

    SIGHUP reads the settings again; SIGTERM ends the current runs at the next safe place.
    """
    from zvirka.service.run_daemon import run_daemon
    from zvirka.settings.loading import load_flows, load_leniently
    from zvirka.settings.places import find_settings

    call: Invocation = context.obj
    names = call.flow_names
    # Logs are installation-wide; the first flow whose settings can be used says how.
    call.use_any_flow(names)
    file = find_settings(call.common.config, call.environ)
    return run_daemon(
        lambda: load_flows(file, call.environ),
        lenient=lambda flow: load_leniently(file, call.environ, flow),
        environ=call.environ,
    )
