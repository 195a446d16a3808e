"""``zvirka daemon``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group

if TYPE_CHECKING:
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
    performed = _by_workers(call.settings) if call.settings.fleet.enabled else {}
    return run_daemon(
        lambda: load_flows(file, call.environ),
        lenient=lambda flow: load_leniently(file, call.environ, flow),
        environ=call.environ,
        **performed,
    )


def _by_workers(settings: Settings) -> dict[str, Any]:
    """What `run_daemon` takes so that workers perform its runs."""
    from zvirka.fleet.extra import require_fleet

    require_fleet(settings)
    from zvirka.fleet.dispatching import Dispatcher
    from zvirka.fleet.fleet_watch import FleetWatch
    from zvirka.now import utc_now
    from zvirka.service.run_slots import FreeSlots

    watch = FleetWatch(settings, utc_now)
    return {
        "runs": Dispatcher(settings, watch).runs_of,
        "slots": FreeSlots(),
        "beside": (watch,),
    }
