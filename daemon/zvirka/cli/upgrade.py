"""``zvirka upgrade``."""

from __future__ import annotations

from typing import Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import FlowCommand, examples, new_group
from zvirka.errors import ExitCode

app = new_group()


@app.command(
    cls=FlowCommand,
    epilog=examples("""
        zvirka upgrade --check
        sudo zvirka upgrade
    """),
)
def upgrade(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what would be migrated; exit code 1 if any.")
    ] = False,
) -> int:
    """Bring the journal to this version, as the first run after an upgrade would.

    A journal of a newer version is refused: it is never taken back a step.
    """
    from zvirka.journal.journal_check import pending_migrations

    call: Invocation = context.obj
    steps = pending_migrations(call.settings)
    if steps and not check:
        with call.journal():
            pass
    if call.common.json:
        call.print_json({"migrations": [{"revision": one, "title": title} for one, title in steps]})
    elif not steps:
        call.print(call.say("upgrade_none"))
    for revision, title in steps if not call.common.json else []:
        name = "upgrade_pending" if check else "upgrade_done"
        call.print(call.say(name, revision=revision, title=title))
    return ExitCode.DIFFERENCES if steps and check else ExitCode.IN_SYNC
