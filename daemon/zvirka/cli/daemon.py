"""``zvirka daemon``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group

if TYPE_CHECKING:
    from zvirka.service.run_slots import Slots
    from zvirka.service.supervisor import Runner
    from zvirka.settings.model import Settings

app = new_group()


@app.command(
    cls=CliCommand,
    epilog=examples("zvirka daemon --config /etc/zvirka/zvirka.toml"),
)
def daemon(context: typer.Context) -> int:
    """Run the nightly reconciliations of all flows, as [schedule] says, until SIGTERM.

    SIGHUP reads the settings again; SIGTERM ends the current runs at the next safe place. With
    fleet.enabled it does not run them itself: workers do, see `zvirka worker`.
    """
    from zvirka.service.run_daemon import run_daemon
    from zvirka.settings.loading import load_flows, load_leniently
    from zvirka.settings.places import find_settings

    call: Invocation = context.obj
    names = call.flow_names
    # Logs are installation-wide; the first flow whose settings can be used says how.
    call.use_any_flow(names)
    file = find_settings(call.common.config, call.environ)
    runner, slots = _fleet(call.settings) if call.settings.fleet.enabled else (None, None)
    return run_daemon(
        lambda: load_flows(file, call.environ),
        lenient=lambda flow: load_leniently(file, call.environ, flow),
        runner=runner,
        slots=slots,
        environ=call.environ,
    )


def _fleet(settings: Settings) -> tuple[Runner, Slots]:
    from zvirka.fleet.extra import require_fleet

    require_fleet(settings)
    from zvirka.fleet.dispatching import FleetRunner
    from zvirka.service.run_slots import FreeSlots

    return FleetRunner(settings), FreeSlots()
