"""``zvirka serve``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Literal

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import CliCommand, examples, new_group
from zvirka.errors import ExitCode

app = new_group()


@app.command(
    cls=CliCommand,
    epilog=examples("""
        zvirka serve --config /etc/zvirka/zvirka.toml
        zvirka serve --only web
    """),
)
def serve(
    context: typer.Context,
    only: Annotated[
        Literal["receiver", "web"] | None,
        typer.Option("--only", help="Serve only one of the two."),
    ] = None,
) -> int:
    """Receive 1C's webhooks and serve the page until SIGTERM.

    The page is served when [web] enables it. Each further flow has its own path for webhooks.
    """
    from zvirka.receiver.run_receiver import serve as serve_receiver
    from zvirka.service.systemd_notify import Notifier
    from zvirka.web.run_page import page, serve_page

    call: Invocation = context.obj
    call.use_any_flow(call.flow_names)
    settings, notifier = call.settings, Notifier(call.environ)
    if only == "web":
        serve_page(
            settings,
            call.mapping,
            origins=call.loaded.origins,
            on_ready=lambda: notifier.ready(settings.web.listen),
        )
        return ExitCode.IN_SYNC
    with (
        page(settings, call.mapping) if settings.web.enabled and not only else nullcontext() as app
    ):
        serve_receiver(
            settings,
            call.mapping,
            further=[flow for name, flow in settings.flows.items() if name != settings.name],
            web_app=app,
            who=call.who,
            on_ready=lambda: notifier.ready(settings.receiver.listen),
        )
    return ExitCode.IN_SYNC
