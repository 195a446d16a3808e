"""``zvirka demo`` and ``zvirka simulate``: the job without a 1C of one's own."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

from zvirka.cli.declaration import command
from zvirka.cli.invocation import Invocation
from zvirka.errors import ExitCode

PASSWORD_VARIABLE = "ZVIRKA_SIMULATOR_PASSWORD"  # noqa: S105 - the name of a variable


def register(app: typer.Typer) -> None:
    """Add the commands of this family."""
    command(
        app,
        "demo",
        examples="""
            zvirka demo
            zvirka demo --counterparties 100000 --keep /tmp/zvirka-demo --open
        """,
    )(demo)
    command(
        app,
        "simulate",
        examples="""
            zvirka simulate
            zvirka simulate --port 8080 --profile trade --counterparties 100000
            zvirka simulate --profile trade --recording ./recordings
        """,
    )(simulate)


def demo(
    call: Invocation,
    counterparties: Annotated[
        int, typer.Option("--counterparties", min=50, help="How many there are in 1C.")
    ] = 2000,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep everything in this directory."),
    ] = None,
    open_report: Annotated[
        bool, typer.Option("--open", help="Open the report in the browser.")
    ] = False,
) -> int:
    """Show the whole job on a simulated 1C: webhooks were lost, zvirka finds and corrects it."""
    from zvirka.cli.demo_output import show_demo

    return show_demo(call, counterparties, keep, open_report)


def simulate(
    call: Invocation,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    profile: Annotated[
        Literal["accounting", "trade", "custom", "legacy"],
        typer.Option("--profile", help="The kind of base."),
    ] = "accounting",
    counterparties: Annotated[
        int, typer.Option("--counterparties", min=0, help="How many to invent.")
    ] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same base.")] = 1,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording", metavar="DIR", help="Serve a recorded base: $metadata and a change feed."
        ),
    ] = None,
) -> int:
    """Serve a simulated 1C until Ctrl+C, and say how to reach it.

    The password comes from the variable ZVIRKA_SIMULATOR_PASSWORD, or is invented and shown.
    """
    from zvirka.simulator import Simulator, SimulatorOptions

    given = call.environ.get(PASSWORD_VARIABLE, "")
    simulator = Simulator(
        SimulatorOptions(
            host=host,
            port=port,
            profile=profile,
            counterparties=counterparties,
            seed=seed,
            recording=recording,
            password=given,
        )
    )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with simulator:
        door = {"url": simulator.url, "user": simulator.user, "pid": str(os.getpid())}
        if not given:
            door["password"] = simulator.password
        if call.common.json:
            call.print_json(door)
        else:
            call.print(call.say("listening", address=simulator.url))
            for name, value in door.items():
                call.print(f"  {name}: {value}")
        call.out.flush()
        ended.wait()
    return ExitCode.IN_SYNC
