"""``zvirka worker`` and ``zvirka fleet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode

if TYPE_CHECKING:
    from zvirka.fleet.status_lines import FleetStatus

worker_app = new_group()
app = new_group("The workers that perform the runs, and what waits for them.")


@worker_app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka worker --config /srv/zvirka/zvirka.toml
        zvirka worker --concurrency 4 --queues 1c-1.example.com,1c-2.example.com:8080
    """),
)
def worker(
    context: typer.Context,
    queues: Annotated[
        str,
        typer.Option(
            "--queues",
            metavar="SERVERS",
            help="Only runs that read these servers of 1C, HOST:PORT as in onec.url, by comma.",
        ),
    ] = "",
    concurrency: Annotated[
        int,
        typer.Option("--concurrency", metavar="N", min=1, max=64, help="Runs at once."),
    ] = 2,
) -> int:
    """Perform runs that `zvirka daemon` orders, on as many machines as wanted, until SIGTERM.

    Needs zvirka[fleet], fleet.enabled and the settings on a shared directory. SIGTERM ends the
    runs at their next safe place and puts their orders back, for another worker.
    """
    import asyncio

    from zvirka.fleet.extra import require_fleet
    from zvirka.settings.places import find_settings

    call: Invocation = context.obj
    call.use_any_flow(call.flow_names)
    require_fleet(call.settings)
    from zvirka.fleet.fleet_worker import Employment, FleetWorker, stop_at_signals
    from zvirka.fleet.launching import launcher
    from zvirka.service.systemd_notify import Notifier

    file = find_settings(call.common.config, call.environ)
    servers = [one.strip().lower() for one in queues.split(",") if one.strip()]
    employment = Employment(servers or None, concurrency)
    notifier = Notifier(call.environ)

    async def work() -> None:
        fleet_worker = FleetWorker(call.settings, employment, launcher(file))
        stop_at_signals(fleet_worker)
        await fleet_worker.serve(lambda: notifier.ready(call.say("worker_ready")))

    asyncio.run(work())
    return ExitCode.IN_SYNC


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka fleet status
        zvirka fleet status --json
    """),
)
def status(context: typer.Context) -> int:
    """Show the workers, the runs they perform, and what waits for each server of 1C.

    Exit code 2 when nothing takes a run that is due for longer than fleet.alert_after.
    """
    from zvirka.fleet.extra import require_fleet

    call: Invocation = context.obj
    call.use_any_flow(call.flow_names)
    require_fleet(call.settings)
    from zvirka.fleet.fleet_status import fleet_status

    seen = fleet_status(call.settings)
    if call.common.json:
        call.print_json(seen)
    else:
        _show(call, seen)
    return ExitCode.FAILED if seen.late else ExitCode.IN_SYNC


def _show(call: Invocation, seen: FleetStatus) -> None:
    clock = call.words.clock
    call.print_table(
        [call.say(name) for name in ("worker", "runs_at_once", "servers", "heard", "running_now")],
        [
            [
                f"{one.host} {one.pid}" + ("" if one.alive else f" ({call.say('dead')})"),
                str(one.concurrency),
                ", ".join(one.queues) if one.queues is not None else call.say("all_servers"),
                clock(one.heard),
                ", ".join(one.flows) or "—",
            ]
            for one in seen.workers
        ],
    )
    call.print()
    call.print_table(
        [call.say(name) for name in ("server", "workers", "running_now", "waiting", "waits_since")],
        [
            [
                line.server,
                str(line.workers),
                ", ".join(line.running) or "—",
                ", ".join(line.waiting) or "—",
                clock(line.since) if line.since is not None else "—",
            ]
            for line in seen.queues
        ],
    )
    if seen.late:
        call.print(call.say("untaken", flows=", ".join(seen.late)))
