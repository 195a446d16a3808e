"""``zvirka simulate``."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode

app = new_group()

PASSWORD_VARIABLE = "ZVIRKA_SIMULATOR_PASSWORD"  # noqa: S105 - the name of a variable


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka simulate
        zvirka simulate --port 8080 --profile trade --counterparties 10000
        zvirka simulate --profile trade --recording ./recordings
    """),
)
def simulate(
    context: typer.Context,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    profile: Annotated[
        Literal["accounting", "trade", "custom", "legacy", "kz"],
        typer.Option("--profile", help="The kind of base."),
    ] = "accounting",
    counterparties: Annotated[
        int, typer.Option("--counterparties", min=0, help="How many to invent.")
    ] = 2000,
    contracts: Annotated[
        int | None,
        typer.Option(
            "--contracts", min=0, help="Publish contracts of counterparties, and invent so many."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same base.")] = 1,
    kept: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="The one of a demo, with its edits."),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording", metavar="DIR", help="Serve a recorded base: $metadata and a change feed."
        ),
    ] = None,
) -> int:
    """Serve a simulated 1C until Ctrl+C and print how to reach it.

    The password comes from the variable ZVIRKA_SIMULATOR_PASSWORD; without it a random one is used
    and printed.
    """
    from zvirka.simulator import Simulator, SimulatorOptions
    from zvirka.simulator.kept import kept_simulator

    call: Invocation = context.obj
    given = call.environ.get(PASSWORD_VARIABLE, "")
    if kept is not None:
        simulator = kept_simulator(kept)
    else:
        simulator = Simulator(
            SimulatorOptions(
                host=host,
                port=port,
                profile=profile,
                counterparties=counterparties,
                contracts=contracts,
                seed=seed,
                recording=recording,
                password=given,
            )
        )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with simulator:
        access: dict[str, str | int] = {
            "url": simulator.url,
            "user": simulator.user,
            "pid": os.getpid(),
        }
        if not given and kept is None:
            access["password"] = simulator.password
        if call.common.json:
            call.print_json(access)
        else:
            call.print(call.say("listening", address=simulator.url))
            for name, value in access.items():
                call.print(f"  {name}: {value}")
        call.out.flush()
        ended.wait()
    return ExitCode.IN_SYNC
