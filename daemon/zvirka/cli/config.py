"""``zvirka config show`` and ``zvirka config check``."""

from __future__ import annotations

import typer

from zvirka.cli.check import finding_content, print_finding
from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, examples, new_group
from zvirka.errors import ExitCode

app = new_group("The settings in effect.")


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka config show
        zvirka config show --json --config /etc/zvirka/zvirka.toml
    """),
)
def show(context: typer.Context) -> int:
    """Show the effective settings, secrets masked, and where each came from."""
    from zvirka.settings.effective import effective_values

    call: Invocation = context.obj
    values = effective_values(call.loaded)
    if call.common.json:
        call.print_json(
            {value.key: {"value": value.value, "origin": value.origin} for value in values}
        )
        return ExitCode.IN_SYNC
    origins = {"default": call.say("default")}
    call.print_table(
        [call.say("key"), call.say("value"), call.say("origin")],
        [[v.key, v.value, origins.get(v.origin, v.origin)] for v in values],
    )
    return ExitCode.IN_SYNC


@app.command(
    "check",
    cls=FlowCommand,
    epilog=examples("zvirka config check"),
)
def check_config(context: typer.Context) -> int:
    """Check the settings alone, without asking 1C or the ERP."""
    call: Invocation = context.obj
    loaded = call.loaded
    names = call.mapping.names
    if call.common.json:
        warnings = [finding_content(call, warning) for warning in loaded.warnings]
        call.print_json({"file": loaded.path, "fields": names, "warnings": warnings})
        return ExitCode.IN_SYNC
    call.print(call.say("settings_file", path=loaded.path or call.say("none")))
    for warning in loaded.warnings:
        print_finding(call, warning)
    call.print(call.say("settings_valid"))
    return ExitCode.IN_SYNC
